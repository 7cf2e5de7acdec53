"""Allow one server per data folder: a server holds a lock, which ends with its process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from ..app.data_folder import DataFolder

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


class FolderInUseError(Exception):
    """Another process holds the lock."""


@contextmanager
def held(data: DataFolder) -> Iterator[None]:
    """Hold the lock. Raises `FolderInUseError`, and `OSError` if the file cannot be written."""
    with data.lock.open("a") as file:
        _take(file)
        yield


def taken(data: DataFolder) -> bool:
    """Return True if a server runs on this folder now."""
    try:
        with data.lock.open() as file:
            _take(file)
    except FolderInUseError:
        return True
    except OSError:
        pass
    return False


def _take(file: IO[str]) -> None:
    """Lock an open file until it is closed. The operating system does so if the process ends."""
    if sys.platform == "win32":
        file.seek(0)  # the lock covers one byte from the current position
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except PermissionError:
            raise FolderInUseError from None
    else:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderInUseError from None
