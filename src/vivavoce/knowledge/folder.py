"""Add, read and remove files in the `knowledge` folder of an assistant, for programs and operators.

A path has slashes and is relative to that folder. It never leaves it: not by `..`, not by a link.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ..assistants import SHIPPED, Assistant
from ..assistants.knowledge_files import KINDS, bytes_of, suffix_of
from ..assistants.validation import stays_inside
from ..errors import Mistake
from ..file_reading import FolderFile, MissingFileError, UnreadableFileError, read_bytes
from .facts import FILE_BYTES as FACTS_BYTES

FOLDER = "knowledge"
PATH_CHARACTERS = 200
DEPTH = 10  # folders inside each other
FACTS = "facts.toml"
NOT_IN_PATHS = "is not used: no pattern of `paths` in [knowledge] matches it"
NOT_THE_FACTS = "is not used: `facts` in [knowledge] names another file"


class KnowledgeFile(NamedTuple):
    """A file of the folder. `path` is relative to the folder."""

    path: str
    size: int


class KnowledgeFolder:
    """The folder of one assistant. Every verb raises `UnreadableFileError`."""

    def __init__(self, assistant: Assistant) -> None:
        self._assistant = assistant
        self._root = assistant.folder / FOLDER

    @property
    def read_only(self) -> bool:
        """True for an assistant that ships with the server."""
        return self._assistant.folder.is_relative_to(SHIPPED)

    def file(self, path: str) -> FolderFile:
        """Return the file of a path, which need not exist."""
        parts = path.split("/")
        if not stays_inside(path) or len(path) > PATH_CHARACTERS or len(parts) > DEPTH:
            raise UnreadableFileError("is not a path inside the knowledge folder")
        if any(not part or part.startswith(".") or part != part.strip() for part in parts):
            raise UnreadableFileError("is not a path inside the knowledge folder")
        if any(suffix_of(part) in KINDS or part == FACTS for part in parts[:-1]):
            raise UnreadableFileError("is inside a folder with the name of a file")
        if suffix_of(path) not in KINDS and path != FACTS:
            raise UnreadableFileError(
                f"has a format that is not read: {', '.join(KINDS)} and {FACTS} are"
            )
        return FolderFile(self._assistant.folder, f"{FOLDER}/{path}")

    def files(self) -> list[KnowledgeFile]:
        """Return the files of the folder that the assistant reads, in order of name."""
        names = [each.name for each in self._assistant.knowledge_files()]
        names.append(self._assistant.facts_file().name)
        inside = sorted({n.partition("/")[2] for n in names if n.startswith(f"{FOLDER}/")})
        found: list[KnowledgeFile] = []
        for path in inside:
            with contextlib.suppress(OSError):
                found.append(KnowledgeFile(path, (self._root / path).stat().st_size))
        return found

    def warnings(self, path: str) -> list[Mistake]:
        """Return why the assistant does not use a file of this path. Empty: it uses the file.

        Raises `AssistantError` if the files cannot be listed.
        """
        file = self.file(path)
        if path == FACTS:
            used = file.name == self._assistant.facts_file().name
            return [] if used else [Mistake(str(file), "", None, NOT_THE_FACTS)]
        used = file.name in {each.name for each in self._assistant.knowledge_files()}
        return [] if used else [Mistake(str(file), "", None, NOT_IN_PATHS)]

    def read(self, path: str) -> bytes:
        """Return the bytes of a file."""
        file = self.file(path)
        return read_bytes(file, bytes_of(file.name))

    def write(self, path: str, data: bytes) -> bool:
        """Put a file in its place at once, as a whole. Return False if it had these bytes."""
        target = self._place(path)
        most = FACTS_BYTES if path == FACTS else bytes_of(path)
        if len(data) > most:
            raise UnreadableFileError(f"has {len(data)} bytes; at most {most} are read")
        with contextlib.suppress(UnreadableFileError):
            if self.read(path) == data:
                return False
        _explained(lambda: _write(target, data))
        return True

    def remove(self, path: str) -> None:
        """Remove a file, or the link of that name."""
        target = self._place(path)
        if not os.path.lexists(target):
            raise MissingFileError("there is no such file")
        _explained(target.unlink)
        with contextlib.suppress(OSError):  # the first that has another file stays
            for folder in target.parents[: path.count("/")]:
                folder.rmdir()

    def _place(self, path: str) -> Path:
        """Return where a file is written. A folder in its path may not be a link out of here."""
        if self.read_only:
            raise UnreadableFileError(
                "belongs to an assistant that ships with the server; "
                "copy its folder into the data folder to change it"
            )
        target = self._assistant.folder / self.file(path).name
        root = os.path.realpath(self._assistant.folder)
        if not Path(os.path.realpath(target.parent)).is_relative_to(root):
            raise UnreadableFileError("leads out of the assistant's folder")
        if os.path.isdir(target) and not os.path.islink(target):  # no error for 300 bytes
            raise UnreadableFileError("is a directory, not a regular file")
        return target


def _write(target: Path, data: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name[:80]}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _explained(work: Callable[[], object]) -> None:
    """Turn the system's errors into `UnreadableFileError`."""
    try:
        work()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise UnreadableFileError(f"cannot be written: {reason.lower()}") from None
