"""Create the database file, and look at one before SQLite does.

SQLite makes a new database out of an empty file, and overlooks that a file is too short until it
reads what is missing. So a new database is made beside its place and moved there when it is
complete: an empty file is never one that was just begun, and always a loss.

A process that closes a file loses all its locks on it (POSIX), also those that SQLite took. Other
processes then believe that the database is not in use, and delete its log. So no function here
opens a file that this process has open as a database. `hold` says which those are.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from ...errors import StoreCause, StoreError

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_HEADER = 100  # bytes
_held: Counter[tuple[int, int]] = Counter()  # device and inode of the databases that are open
_MAGIC = b"SQLite format 3\0"


async def create(path: Path, make: Callable[[Path], Awaitable[None]]) -> None:
    """Make a new database with `make`, and move it to `path` unless another process was faster.

    Raises `StoreError`.
    """
    if _size(_beside(path, "-wal")):
        raise StoreError(
            f"{path.name} is missing, but its log {path.name}-wal is there: restore both from a"
            " backup, or move the log away to begin without data",
            "damaged",
        )
    made = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        make_private(made)
        await make(made)
        _place(made, path)
    finally:
        for each in (made, _beside(made, "-wal"), _beside(made, "-shm")):
            with suppress(OSError):
                each.unlink(missing_ok=True)


def exists(path: Path) -> bool:
    """Return whether there is a file. Raises `StoreError` for a link to nothing."""
    if path.exists():
        return True
    if os.path.lexists(path):
        raise StoreError(f"{path} is a link to a file that does not exist", "damaged")
    return False


def hold(path: Path) -> Callable[[], None]:
    """Remember that this process has the database open. Call the result after closing it."""
    found = path.stat()
    place = (found.st_dev, found.st_ino)
    _held[place] += 1

    def release() -> None:
        _held[place] -= 1

    return release


def check(path: Path) -> None:
    """Raise `StoreError` for a file that cannot be a whole database."""
    try:
        found = path.stat()
        if _held[found.st_dev, found.st_ino]:
            return
        if stat.S_ISDIR(found.st_mode):
            raise StoreError(f"{path} cannot be opened: it is a folder", "foreign")
        if not stat.S_ISREG(found.st_mode):
            raise StoreError(f"{path} cannot be opened: it is not a file", "foreign")
        with path.open("rb") as file:
            header = file.read(_HEADER)
    except OSError as error:
        raise _not_opened(path, error) from None
    if not found.st_size:
        raise StoreError(
            f"the database file {path.name} is empty: restore it from a backup, or delete it to"
            " begin without data",
            "damaged",
        )
    if _size(_beside(path, "-wal")):
        return  # the log may hold the missing pages
    if found.st_size < _declared_size(header):
        raise StoreError(
            "the database is damaged: restore it from a backup (its end is missing)", "damaged"
        )


def make_private(path: Path) -> None:
    """Create the file for its owner only, because it will contain what people said.

    An existing file is closed to others. Raises `StoreError`.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        elif os.name == "posix" and path.stat().st_uid == os.geteuid():
            path.chmod(0o600)
    except OSError as error:
        raise _not_opened(path, error) from None


def _not_opened(path: Path, error: OSError) -> StoreError:
    cause: StoreCause = "full" if error.errno in NO_ROOM else "access"
    return StoreError(f"{path} cannot be opened: {error.strerror}", cause)


def _declared_size(header: bytes) -> int:
    """Return the bytes that the file must have by its header (sqlite.org/fileformat.html)."""
    if len(header) < _HEADER or not header.startswith(_MAGIC) or header[24:28] != header[92:96]:
        return 0  # no database, which SQLite reports, or an old version wrote no size
    page = int.from_bytes(header[16:18], "big")
    return (65536 if page == 1 else page) * int.from_bytes(header[28:32], "big")


def _place(made: Path, path: Path) -> None:
    try:
        os.link(made, path)
    except FileExistsError:
        return
    except OSError:  # a file system without hard links
        if not path.exists():
            made.rename(path)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
