"""Check the data folder and the database, and give advice by the cause of a failure.

No advice deletes or moves anything: the data may be all that there is.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shlex
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from ...errors import StoreCause, StoreError
from ..data_folder import DataFolder
from ..storage import find_damage, open_store
from .base import CheckContext, CheckFailedError

MIN_FREE_BYTES = 500 * 1024 * 1024
_ROOM = "Free space on that disk. The server needs no restart."
_BACKUP = "Stop the server, and restore vivavoce.db from a backup."


def fix_for(error: OSError, path: Path) -> str:
    """Return what helps against an error of the file system."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return _ROOM
        case errno.EROFS:
            return "The disk is read-only: mount it for writing, or choose another folder."
        case errno.EACCES | errno.EPERM:
            return (
                f"Run as its owner{_owner(path)}, or choose a folder that you may write to: "
                "--data-dir or VIVAVOCE_DATA_DIR."
            )
        case errno.ENOTDIR | errno.EEXIST:
            return "A file is in its place: choose another folder with --data-dir."
        case errno.EIO:
            return "Look into the system's log: the disk may be failing. Copy the data elsewhere."
        case _:
            return "Choose another folder: --data-dir or VIVAVOCE_DATA_DIR."


def fixes_for_store(data: DataFolder) -> Mapping[StoreCause, str]:
    """Return what helps against a failure of the database, by its cause."""
    owner = _owner(data.root)
    return {
        "full": _ROOM,
        "access": f"Run as the owner of the folder{owner}, and check that its disk is writable.",
        "locked": "Another program keeps vivavoce.db open. End it, or wait for its backup.",
        "damaged": _BACKUP,
        "foreign": f"{_BACKUP} Or choose another data folder with --data-dir.",
        "newer": "Update Vivavoce to the version that has used it, or choose another data folder.",
        "device": "Look into the system's log: the disk may be failing. Copy the data elsewhere.",
        "other": "Try again. If it stays, restore vivavoce.db from a backup.",
    }


async def check_data_folder(context: CheckContext) -> str:
    root = context.data.root
    if not root.exists() and not root.is_symlink():
        return f"{root} does not exist yet; the server creates it"
    try:
        await asyncio.to_thread(_try_to_write, root)
        free = shutil.disk_usage(root).free
    except OSError as error:
        raise CheckFailedError(f"{root}: {error.strerror}", fix_for(error, root)) from None
    if context.data.open_to_others():
        raise CheckFailedError(
            f"{root}: other users of this machine may read it",
            f"chmod 700 {shlex.quote(str(root))}",
        )
    if (closed := _not_writable(context.data)) is not None:
        denied = PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        raise CheckFailedError(f"{closed}: {denied.strerror}", fix_for(denied, closed))
    if free < MIN_FREE_BYTES:
        raise CheckFailedError(f"{root}: only {free // 2**20} MB are free", _ROOM)
    return f"{root}, {free // 2**30} GB free"


async def check_database(context: CheckContext) -> str:
    data = context.data
    if not data.is_used():
        return "does not exist yet; the server creates it"
    try:
        store = await open_store(data, migrate=False)
        try:
            began = time.perf_counter()
            await store.ping()
            took_ms = (time.perf_counter() - began) * 1000
        finally:
            await store.close()
        if (damage := await find_damage(data)) is not None:
            raise StoreError(damage, "damaged")
    except StoreError as error:
        if error.cause == "older":
            return f"{error}; the server migrates it at its start"
        raise CheckFailedError(str(error), fixes_for_store(data)[error.cause]) from None
    return f"{data.database.name} works, {took_ms:.1f} ms per commit"


def _try_to_write(root: Path) -> None:
    with tempfile.TemporaryFile(dir=root, buffering=0) as probe:
        probe.write(bytes(4096))
        os.fsync(probe.fileno())


def _not_writable(data: DataFolder) -> Path | None:
    """Return a file or a folder of the server that this user may not write."""
    ours = (data.database, data.assistants, data.cache, data.lock, data.address)
    return next((path for path in ours if path.exists() and not os.access(path, os.W_OK)), None)


def _owner(path: Path) -> str:
    try:
        return f" ({path.owner()})"
    except (OSError, KeyError, NotImplementedError):
        return ""
