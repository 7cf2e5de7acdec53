"""Remember the data folders of the servers that this user runs, to name them in other folders.

Each server keeps a file with its folder's path while it runs. The lock of the folder says whether
the server still does. The files only help to find a server, so a home that cannot be written is not
an error.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import platformdirs

from ..app.data_folder import DataFolder
from . import lock

MOST = 100  # files that are read, and folders whose locks are tried


@contextmanager
def noted(data: DataFolder) -> Iterator[None]:
    """Name the folder to other commands until the block ends."""
    root = str(data.root.absolute())
    note = _folder() / hashlib.sha256(root.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    with suppress(OSError, UnicodeEncodeError):
        note.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        note.write_text(root, "utf-8")
    try:
        yield
    finally:
        with suppress(OSError):
            note.unlink(missing_ok=True)


def folders() -> list[DataFolder]:
    """Return the folders on which servers of this user run now, in order of their paths."""
    found = set()
    with suppress(OSError):
        for note in sorted(_folder().iterdir())[:MOST]:
            with suppress(OSError, UnicodeDecodeError):
                data = DataFolder(Path(note.read_text("utf-8")))
                if data.root.is_absolute() and lock.taken(data):
                    found.add(data)
    return sorted(found, key=lambda data: data.root)


def _folder() -> Path:
    return platformdirs.user_state_path("vivavoce") / "running"
