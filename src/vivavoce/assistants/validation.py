"""The parts that the validators of an assistant share: the context, and how they report problems.

A validator raises `wrong(...)` with all the problems that it found. Pydantic collects them over
the whole file; `load` adds file and line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, cast

from pydantic_core import PydanticCustomError

from ..file_reading import (
    FolderFile,
    MissingFileError,
    OutsideFolderError,
    UnreadableFileError,
    read_text,
)
from ..toml import KeyPath, did_you_mean

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationInfo

LANGUAGE = re.compile(
    r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?"
)  # the common subset of BCP 47
FILE_BYTES = 64 * 1024  # a prompt, a tool's parameters


@dataclass(frozen=True, slots=True)
class KnownNames:
    """The names that `assistant.toml` may use on this server."""

    engines: frozenset[str] = frozenset()
    stt: frozenset[str] = frozenset()
    brain: frozenset[str] = frozenset()
    tts: frozenset[str] = frozenset()
    embedding: frozenset[str] = frozenset()
    voices: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By `tts` adapter. An adapter without an entry accepts any name."""
    tool_kinds: frozenset[str] = frozenset({"client"})
    """The kinds of `[[tools]]`."""
    tool_models: Mapping[str, type[BaseModel]] = field(default_factory=dict)
    """The keys of a `[[tools]]` table, by its kind. A kind without an entry has none."""
    reasons: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """Why an adapter is not here, by kind and name."""

    def problem_with(self, kind: str, name: str) -> str | None:
        """Say what is wrong with the name of an adapter. None: the server has that adapter."""
        names: frozenset[str] = getattr(self, kind)
        if name in names:
            return None
        if reason := self.reasons.get((kind, name)):
            return f'the {kind} "{name}" is not available: {reason}'
        return f'there is no {kind} named "{name}"{did_you_mean(name, names)}'


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One problem. `key` is relative to the validated field, `file` to the folder."""

    message: str
    key: KeyPath = ()
    file: str | None = None  # None: assistant.toml
    line: int | None = None


def wrong(*problems: FieldProblem | str) -> PydanticCustomError:
    """Make the error that a validator raises for its problems."""
    listed = tuple(FieldProblem(each) if isinstance(each, str) else each for each in problems)
    return PydanticCustomError("problems", "{problems}", {"problems": listed})


@dataclass(frozen=True, slots=True)
class ValidationContext:
    folder: Path
    known: KnownNames
    languages: tuple[str, ...] | None  # None: they are invalid, so nothing is checked against them
    roles: tuple[str, ...] | None
    prompt_names: frozenset[str]  # that a prompt may use

    @staticmethod
    def of(info: ValidationInfo) -> ValidationContext:
        return cast("ValidationContext", info.context)

    def read(self, name: str) -> str:
        """Read a small text file of the folder. Raises the error of `wrong`."""
        if not stays_inside(name):
            raise wrong(f'"{name}" must be a path inside the assistant\'s folder')
        try:
            return read_text(FolderFile(self.folder, name), FILE_BYTES)
        except MissingFileError:
            raise wrong(f'there is no file "{name}" in the assistant\'s folder') from None
        except OutsideFolderError as error:
            raise wrong(f'"{name}" {error.reason}') from None
        except UnreadableFileError as error:
            raise wrong(FieldProblem(error.reason, file=name, line=error.line)) from None


def stays_inside(name: str) -> bool:
    """Return True for a relative path with slashes that does not leave its folder."""
    parts = PurePosixPath(name).parts
    absolute = PurePosixPath(name).is_absolute() or Path(name).is_absolute()
    return bool(parts) and name.isprintable() and not (absolute or "\\" in name or ".." in parts)
