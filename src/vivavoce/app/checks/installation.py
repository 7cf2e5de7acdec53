"""Check Python, limits, the files of TLS and the page."""

from __future__ import annotations

import asyncio
import os
import sys

from ...http import static_page
from ..tls_files import unreadable_reason
from .base import CheckContext, CheckFailedError

MIN_OPEN_FILES = 1024


async def check_python(_: CheckContext) -> str:
    count = os.cpu_count() or 1
    processors = "1 processor" if count == 1 else f"{count} processors"
    return f"{sys.version.split()[0]} on {sys.platform}, {processors}"


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
