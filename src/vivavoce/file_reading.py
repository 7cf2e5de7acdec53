"""Read a named file: a regular file, up to a size, and never one that blocks.

A `Path` is the operator's own word and may lead anywhere. A `FolderFile` stays inside its folder.
The reader applies all rules to the descriptor that it then reads. A link that appears after that
changes nothing.

    FolderFile ─► resolve every link ─► inside the folder? ─► open from the folder downwards,
                                                              following no link ─► regular file?
                                                              ─► read at most limit + 1 bytes

A hard link is the file itself, so the reader cannot refuse it. An author who can make one in the
folder decides which files it has.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from .errors import VivavoceError

ATTEMPTS = 5  # at a path whose links change while it is opened
CHUNK = 256 * 1024  # bytes
NO_FILE = "and no regular file"

_PLAIN = (
    os.O_RDONLY
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)  # Windows would translate line ends
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a pipe without a writer would block the open
)
_NO_LINK = _PLAIN | getattr(os, "O_NOFOLLOW", 0)
_DIRECTORY = _NO_LINK | getattr(os, "O_DIRECTORY", 0)
# A directory that may be passed through and not listed is opened by its path alone, where it can.
_PASS = _DIRECTORY | getattr(os, "O_PATH", 0)
_STEPWISE = os.open in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")
_LINK_CAME = (errno.ELOOP, errno.ENOTDIR, getattr(errno, "EMLINK", errno.ELOOP))


class UnreadableFile(VivavoceError):
    """Say why a file is not read, as the rest of a sentence that begins with its name."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


class MissingFile(UnreadableFile):
    """The path leads to a file that does not exist."""


class LeadsOut(UnreadableFile):
    """A link leads out of the folder."""

    def __init__(self) -> None:
        super().__init__("leads out of the assistant's folder")


@dataclass(frozen=True, slots=True, order=True)
class FolderFile:
    """Name a file of a folder. The folder itself may be a link; `name` has slashes."""

    folder: Path
    name: str

    @property
    def path(self) -> PurePosixPath:
        """Where it stands in the folder."""
        return PurePosixPath(self.name)

    def __str__(self) -> str:
        return f"{self.folder.name}/{shown(self.name)}"


class Entry(NamedTuple):
    """One name in a directory."""

    name: str
    directory: bool  # a link to a directory is none
    link: bool


def shown(name: str) -> str:
    """Make a name fit for a sentence, a log and a terminal: other characters as escapes."""
    if name.isprintable():
        return name
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)


def read_bytes(file: Path | FolderFile, limit: int) -> bytes:
    """Read the whole file. Raises `UnreadableFile`, also for one of more than `limit` bytes."""
    with _explained():
        if isinstance(file, FolderFile):
            return _read(_open_inside(file, _open_file), limit)
        _check_kind(os.stat(file))  # before it is opened: opening some devices does something
        return _read(os.open(file, _PLAIN), limit)


def read_text(file: Path | FolderFile, limit: int) -> str:
    """Read the whole file as UTF-8. Raises `UnreadableFile`, with the line that is not text."""
    data = read_bytes(file, limit)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UnreadableFile(f"is not UTF-8 ({error.reason})", line) from None


def entries(folder: Path, name: str) -> list[Entry]:
    """List a directory inside the folder, in order of name. Raises `UnreadableFile`."""
    directory = FolderFile(folder, name)
    with _explained():
        if os.scandir not in os.supports_fd:
            # The directory may be exchanged now, and the names come from elsewhere. The reader
            # still refuses every file that is not inside.
            return _list(os.path.join(*_resolve(directory)))
        descriptor = _open_inside(directory, _open_directory)
        try:
            return _list(descriptor)
        finally:
            os.close(descriptor)


def _list(directory: int | str) -> list[Entry]:
    with os.scandir(directory) as found:
        return sorted(
            Entry(each.name, each.is_dir(follow_symlinks=False), each.is_symlink())
            for each in found
        )


@contextmanager
def _explained() -> Iterator[None]:
    """Make one kind of error of all that the system raises."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise MissingFile("there is no such file") from None
    except OSError as error:
        raise UnreadableFile(_reason(error)) from None
    except ValueError:  # a NUL character, or one that the file system cannot write
        raise UnreadableFile("is no path of a file") from None


def _reason(error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return "is a link that leads back to itself"
    return f"cannot be read: {(error.strerror or type(error).__name__).lower()}"


# How it is opened


def _open_inside(file: FolderFile, open_below: Callable[[str, tuple[str, ...]], int]) -> int:
    """Open what the path leads to, and follow no link on the way: all of them are resolved before.

    A link that appears in between fails the open; then the path is resolved again.
    """
    for attempt in range(ATTEMPTS):
        home, *below = _resolve(file)
        try:
            return open_below(home, tuple(below))
        except OSError as error:
            if error.errno not in _LINK_CAME or attempt == ATTEMPTS - 1:
                raise
        except _Moved:
            pass
    raise UnreadableFile("is another file each time it is looked for")


class _Moved(Exception):
    """The path led elsewhere when it was opened than when it was resolved."""


def _resolve(file: FolderFile) -> tuple[str, ...]:
    """The folder without links, and the steps from there down to the file, without links."""
    home = os.path.realpath(file.folder)
    target = os.path.realpath(os.path.join(home, file.name), strict=True)
    try:
        return (home, *Path(target).relative_to(home).parts)
    except ValueError:
        raise LeadsOut from None


def _open_file(home: str, below: tuple[str, ...]) -> int:
    if not below:
        raise UnreadableFile(f"is a directory, {NO_FILE}")
    if not _STEPWISE:
        return _open_and_compare(home, below)
    parent = _descend(home, below[:-1])
    try:
        _check_entry(os.stat(below[-1], dir_fd=parent, follow_symlinks=False))
        return os.open(below[-1], _NO_LINK, dir_fd=parent)
    finally:
        os.close(parent)


def _open_and_compare(home: str, below: tuple[str, ...]) -> int:
    """Where a system cannot open step by step: open it, and look whether it still stands there."""
    target = os.path.join(home, *below)
    _check_entry(os.stat(target, follow_symlinks=False))
    descriptor = os.open(target, _NO_LINK)
    try:
        there = os.stat(target, follow_symlinks=False)
        moved = os.path.realpath(target) != target
        if moved or not os.path.samestat(os.fstat(descriptor), there):
            raise _Moved
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _open_directory(home: str, below: tuple[str, ...]) -> int:
    parent = _descend(home, below[:-1])
    try:
        return os.open(below[-1] if below else ".", _DIRECTORY, dir_fd=parent)
    finally:
        os.close(parent)


def _descend(home: str, through: tuple[str, ...]) -> int:
    """Open one directory after the other, each in the one before it."""
    here = os.open(home, _PASS)
    for step in through:
        try:
            below = os.open(step, _PASS, dir_fd=here)
        finally:
            os.close(here)
        here = below
    return here


# How it is read


def _read(descriptor: int, limit: int) -> bytes:
    """Read from the descriptor, and close it."""
    try:
        status = os.fstat(descriptor)
        _check_kind(status)
        if status.st_size > limit:
            raise UnreadableFile(f"has {status.st_size} bytes; at most {limit} are read")
        data = bytearray()
        while len(data) <= limit and (
            more := os.read(descriptor, min(CHUNK, limit + 1 - len(data)))
        ):
            data += more
        if len(data) > limit:  # it grows, or it is one of those that do not know their size
            raise UnreadableFile(f"has more than {limit} bytes; at most {limit} are read")
        return bytes(data)
    finally:
        os.close(descriptor)


_KINDS = (
    (stat.S_ISDIR, "is a directory"),
    (stat.S_ISFIFO, "is a pipe"),
    (stat.S_ISSOCK, "is a socket"),
    (stat.S_ISCHR, "is a device"),
    (stat.S_ISBLK, "is a device"),
)


def _check_entry(status: os.stat_result) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise _Moved
    _check_kind(status)


def _check_kind(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        named = [name for is_kind, name in _KINDS if is_kind(status.st_mode)]
        raise UnreadableFile(f"{named[0] if named else 'is something else'}, {NO_FILE}")
