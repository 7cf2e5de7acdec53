"""Check Python, the data folder, the database, limits, TLS, the page and a running server."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import sys
import time
from urllib.parse import urlsplit

from ...errors import StoreError
from ...http import static_page
from .. import server_address
from ..storage import find_damage, open_store
from ..tls_files import unreadable_reason
from .base import CheckContext, CheckFailedError

MIN_FREE_BYTES = 500 * 1024 * 1024
MIN_OPEN_FILES = 1024
CONNECT_TIMEOUT_S = 5


async def check_python(_: CheckContext) -> str:
    return f"{sys.version.split()[0]} on {sys.platform}, {os.cpu_count()} processors"


async def check_data_folder(context: CheckContext) -> str:
    root = context.data.root
    if not root.exists():
        return f"{root} does not exist yet; the server creates it"
    try:
        probe = root / ".doctor"
        await asyncio.to_thread(probe.write_bytes, b"x")
        await asyncio.to_thread(probe.unlink)
    except OSError as error:
        fix = "Choose a folder you may write to: --data-dir or VIVAVOCE_DATA_DIR."
        raise CheckFailedError(f"{root}: {error.strerror}", fix) from None
    if context.data.open_to_others():
        raise CheckFailedError(
            f"{root}: other users of this machine may read it",
            f"chmod 700 {shlex.quote(str(root))}",
        )
    free = shutil.disk_usage(root).free
    if free < MIN_FREE_BYTES:
        raise CheckFailedError(
            f"{root}: only {free // 2**20} MB are free", "Free space on that disk."
        )
    return f"{root}, {free // 2**30} GB free"


async def check_database(context: CheckContext) -> str:
    file = context.data.database
    if not file.is_file():
        return "does not exist yet; the server creates it"
    try:
        store = await open_store(context.data)
        try:
            began = time.perf_counter()
            await store.ping()
            took_ms = (time.perf_counter() - began) * 1000
        finally:
            await store.close()
        if (damage := await find_damage(context.data)) is not None:
            raise StoreError(damage)
    except StoreError as error:
        fix = (f"Stop the server, then move {file} away (the server creates a new one), "
               "or restore a copy.")  # fmt: skip
        raise CheckFailedError(str(error), fix) from None
    return f"{file.name} works, {took_ms:.1f} ms per commit"


async def check_open_files(_: CheckContext) -> str:
    try:
        import resource
    except ImportError:  # Windows
        return "this system has no such limit"
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < MIN_OPEN_FILES:
        fix = f"Raise the limit: ulimit -n {MIN_OPEN_FILES}"
        raise CheckFailedError(f"at most {soft} may be open", fix)
    return f"at most {soft} may be open"


async def check_tls(context: CheckContext) -> str:
    server = context.settings.server
    if server.tls_cert is None and server.tls_key is None:
        return "not used here (browsers give the microphone to https and localhost only)"
    for name, path in (("tls_cert", server.tls_cert), ("tls_key", server.tls_key)):
        if path is None:
            raise CheckFailedError(f"{name} is missing", "TLS needs both files, as PEM.")
        if (reason := await asyncio.to_thread(unreadable_reason, path)) is not None:
            raise CheckFailedError(f"{name}: {path} {reason}", "TLS needs both files, as PEM.")
    return f"{server.tls_cert}"


async def check_page(_: CheckContext) -> str:
    if not (static_page.STATIC / "index.html").is_file():
        raise CheckFailedError(
            "not built", "Run `make web` (the installed package contains the page)."
        )
    return "built"


async def check_server(context: CheckContext) -> str:
    address = await asyncio.to_thread(server_address.read, context.data)
    if address is None:
        return "not running on this data folder"
    url = address.listening
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            _, writer = await asyncio.open_connection(parts.hostname, port)
    except (OSError, TimeoutError):
        return f"not running: its last address, {url}, does not answer"
    writer.close()
    return f"running at {url}"
