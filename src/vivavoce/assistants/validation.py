"""What an assistant is judged against: its own folder, and what this server knows.

A judge that finds something wrong raises `wrong(...)` with everything it found. Pydantic collects
those over the whole file; `load` adds file and line.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, cast

from pydantic_core import PydanticCustomError

from ..file_reading import FolderFile, LeadsOut, MissingFile, UnreadableFile, read_text

if TYPE_CHECKING:
    from pydantic import ValidationInfo

LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?")  # BCP 47, in short
FILE_BYTES = 64 * 1024  # a prompt, a tool's parameters

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class KnownNames:
    """The names that this server can make something of."""

    engines: frozenset[str] = frozenset()
    stt: frozenset[str] = frozenset()
    brain: frozenset[str] = frozenset()
    tts: frozenset[str] = frozenset()
    voices: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By `tts` adapter. One that is not here takes any name."""
    tools: frozenset[str] = frozenset({"client"})


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One thing wrong. `key` counts from the field that was judged, `file` from the folder."""

    message: str
    key: KeyPath = ()
    file: str | None = None  # None: assistant.toml, where the key is
    line: int | None = None


def wrong(*flaws: FieldProblem | str) -> PydanticCustomError:
    listed = tuple(FieldProblem(f) if isinstance(f, str) else f for f in flaws)
    return PydanticCustomError("flaws", "{flaws}", {"flaws": listed})


def near(name: str, names: Iterable[str]) -> str:
    """` (did you mean "…"?)`, where something is near enough."""
    found = difflib.get_close_matches(name, [n for n in names if n != name], n=1, cutoff=0.6)
    return f' (did you mean "{found[0]}"?)' if found else ""


@dataclass(frozen=True, slots=True)
class ValidationContext:
    folder: Path
    known: KnownNames
    languages: tuple[str, ...] | None  # None: wrong themselves, so nothing is judged by them
    roles: tuple[str, ...] | None
    says: frozenset[str]  # the names that a prompt may use

    @staticmethod
    def of(info: ValidationInfo) -> ValidationContext:
        return cast("ValidationContext", info.context)

    def read(self, name: str) -> str:
        """The text of a small file of the folder. Raises `wrong` if there is none to be had."""
        if not stays_inside(name):
            raise wrong(f'"{name}" must be a path inside the assistant\'s folder')
        try:
            return read_text(FolderFile(self.folder, name), FILE_BYTES)
        except MissingFile:
            raise wrong(f'there is no file "{name}" in the assistant\'s folder') from None
        except LeadsOut as error:
            raise wrong(f'"{name}" {error.reason}') from None
        except UnreadableFile as error:
            raise wrong(FieldProblem(error.reason, file=name, line=error.line)) from None


def stays_inside(name: str) -> bool:
    """Is it a plain relative path with slashes that goes nowhere but down?"""
    parts = PurePosixPath(name).parts
    absolute = PurePosixPath(name).is_absolute() or Path(name).is_absolute()
    return bool(parts) and name.isprintable() and not (absolute or "\\" in name or ".." in parts)
