"""One data folder, one server: whoever serves holds a lock that ends with its process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from ..app.data_folder import DataFolder


class FolderInUse(Exception):
    """Another process holds it."""


if sys.platform == "win32":  # no flock there: the file of the address has to do

    @contextmanager
    def held(data: DataFolder) -> Iterator[None]:
        yield

    def taken(data: DataFolder) -> bool:
        return data.address.is_file()

else:
    import fcntl

    @contextmanager
    def held(data: DataFolder) -> Iterator[None]:
        """Raises `Taken`; and `OSError` where nothing can be written."""
        with data.lock.open("a") as file:
            _take(file)
            yield

    def taken(data: DataFolder) -> bool:
        """Does a server run on this folder now?"""
        try:
            with data.lock.open() as file:
                _take(file)
        except FolderInUse:
            return True
        except OSError:
            pass
        return False

    def _take(file: IO[str]) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderInUse from None
