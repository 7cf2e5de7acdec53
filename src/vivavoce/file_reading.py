"""Read a regular file up to a size, without blocking on a pipe or a device.

A `Path` comes from the operator and may lead anywhere. A `FolderFile` stays inside its folder.
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
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from .errors import VivavoceError

ATTEMPTS = 5  # at a path whose links change while it is opened
CHUNK = 256 * 1024  # bytes
NO_FILE = "not a regular file"

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


class UnreadableFileError(VivavoceError):
    """A file cannot be read. `reason` is the rest of a sentence that begins with its name."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


class MissingFileError(UnreadableFileError):
    """The path leads to a file that does not exist."""


class OutsideFolderError(UnreadableFileError):
    """A link leads out of the folder."""

    def __init__(self) -> None:
        super().__init__("leads out of the assistant's folder")


@dataclass(frozen=True, slots=True, order=True)
class FolderFile:
    """A file inside a folder. The folder itself may be a link; `name` has slashes."""

    folder: Path
    name: str

    @property
    def path(self) -> PurePosixPath:
        """The path inside the folder."""
        return PurePosixPath(self.name)

    def __str__(self) -> str:
        return f"{self.folder.name}/{shown(self.name)}"


class Entry(NamedTuple):
    """One name in a directory."""

    name: str
    directory: bool  # False for a link to a directory
    link: bool


def shown(name: str) -> str:
    """Escape the characters of a name that a log or a terminal cannot show."""
    if name.isprintable():
        return name
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)


def read_bytes(file: Path | FolderFile, limit: int) -> bytes:
    """Read a file of at most `limit` bytes. Raises `UnreadableFileError`."""
    with _explained():
        if isinstance(file, FolderFile):
            return _read(_open_inside(file, _open_file), limit)
        _check_kind(os.stat(file))  # before opening it: that has an effect on some devices
        return _read(os.open(file, _PLAIN), limit)


def read_text(file: Path | FolderFile, limit: int) -> str:
    """Read a file as UTF-8, or as UTF-16 if it begins with the mark of that.

    Raises `UnreadableFileError`, with the line that is not UTF-8.
    """
    data = read_bytes(file, limit)
    marked = len(data) > 2 and data[:2] in (BOM_UTF16_LE, BOM_UTF16_BE)
    encoding = "utf-16" if marked else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        name = "UTF-16" if marked else "UTF-8"
        raise UnreadableFileError(f"is not {name} ({error.reason})", line) from None


def entries(folder: Path, name: str) -> list[Entry]:
    """List a directory inside the folder, in order of name. Raises `UnreadableFileError`."""
    directory = FolderFile(folder, name)
    with _explained():
        if os.scandir not in os.supports_fd:
            # If another directory takes its place now, the names come from there. `read_bytes`
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
    """Turn the system's errors into `UnreadableFileError`."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise MissingFileError("there is no such file") from None
    except OSError as error:
        raise UnreadableFileError(_reason(error)) from None
    except ValueError:  # a NUL character, or one that the file system cannot write
        raise UnreadableFileError("is not the path of a file") from None


def _reason(error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return "is a link that leads back to itself"
    return f"cannot be read: {(error.strerror or type(error).__name__).lower()}"


# How it is opened


def _open_inside(file: FolderFile, open_below: Callable[[str, tuple[str, ...]], int]) -> int:
    """Resolve all links of the path, then open it without following a link.

    A link that appears in between fails the open; then the path is resolved again.
    """
    for attempt in range(ATTEMPTS):
        home, *below = _resolve(file)
        try:
            return open_below(home, tuple(below))
        except OSError as error:
            if error.errno not in _LINK_CAME or attempt == ATTEMPTS - 1:
                raise
        except _MovedError:
            pass
    raise UnreadableFileError("changes each time it is opened")


class _MovedError(Exception):
    """The path changed after it was resolved."""


def _resolve(file: FolderFile) -> tuple[str, ...]:
    """Return the folder and the steps down to the file, both without links."""
    home = os.path.realpath(file.folder)
    target = os.path.realpath(os.path.join(home, file.name), strict=True)
    try:
        return (home, *Path(target).relative_to(home).parts)
    except ValueError:
        raise OutsideFolderError from None


def _open_file(home: str, below: tuple[str, ...]) -> int:
    if not below:
        raise UnreadableFileError(f"is a directory, {NO_FILE}")
    if not _STEPWISE:
        return _open_and_compare(home, below)
    parent = _descend(home, below[:-1])
    try:
        _check_entry(os.stat(below[-1], dir_fd=parent, follow_symlinks=False))
        return os.open(below[-1], _NO_LINK, dir_fd=parent)
    finally:
        os.close(parent)


def _open_and_compare(home: str, below: tuple[str, ...]) -> int:
    """Open the whole path, and compare it with the result: for systems without `dir_fd`."""
    target = os.path.join(home, *below)
    _check_entry(os.stat(target, follow_symlinks=False))
    descriptor = os.open(target, _NO_LINK)
    try:
        there = os.stat(target, follow_symlinks=False)
        moved = os.path.realpath(target) != target
        if moved or not os.path.samestat(os.fstat(descriptor), there):
            raise _MovedError
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
            raise UnreadableFileError(f"has {status.st_size} bytes; at most {limit} are read")
        data = bytearray()
        while len(data) <= limit and (
            more := os.read(descriptor, min(CHUNK, limit + 1 - len(data)))
        ):
            data += more
        if len(data) > limit:  # it grows, or it is a file whose size the system does not report
            raise UnreadableFileError(f"has more than {limit} bytes; at most {limit} are read")
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
        raise _MovedError
    _check_kind(status)


def _check_kind(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        named = [name for is_kind, name in _KINDS if is_kind(status.st_mode)]
        raise UnreadableFileError(f"{named[0] if named else 'is not a file'}, {NO_FILE}")
