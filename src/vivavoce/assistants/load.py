"""Load an assistant's folder, or report every mistake in it with file, key and line."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ValidationError

from ..errors import AssistantError, Mistake
from ..failures import log_failure
from ..file_reading import FolderFile, UnreadableFileError
from ..toml import KeyLines, KeyPath, did_you_mean, line_of, plain_message, read_toml, toml_lines
from .assistant import Assistant
from .languages import EVERY
from .sections import (
    CascadeSection,
    Knowledge,
    LimitsSection,
    Scripted,
    SecretSource,
    SemanticTurns,
    ServerTurns,
    ToolDeclaration,
    UpstreamSection,
    VoiceSection,
)
from .validation import LANGUAGE, FieldProblem, KnownNames, ValidationContext
from .variables import RESERVED, Variable
from .widget import WidgetSection

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

log = logging.getLogger("vivavoce.assistants")

FILE = "assistant.toml"
FILE_BYTES = 256 * 1024

SECTIONS: Mapping[str, tuple[type[BaseModel], ...]] = {
    "": (Assistant,),
    "variables.*": (Variable,),
    "voice": (VoiceSection,),
    "turns": (ServerTurns, SemanticTurns),
    "cascade": (CascadeSection,),
    "upstream": (UpstreamSection,),
    "upstream.key": (SecretSource,),
    "scripted": (Scripted,),
    "tools.*": (ToolDeclaration,),
    "knowledge": (Knowledge,),
    "limits": (LimitsSection,),
    "widget": (WidgetSection,),
}
"""The models that define the keys of each table, by its path; `*` is any name or index."""


def load(folder: Path, known: KnownNames) -> Assistant:
    """Load the assistant of a folder. Raises `AssistantError`, whatever is wrong with it."""
    folder = _real_folder(folder)
    try:
        return _load(folder, known)
    except AssistantError:
        raise
    except Exception as bug:  # one assistant's; all others must be loaded
        log_failure(log, "assistant_not_loaded", bug, assistant=folder.name)
        message = f"cannot be loaded ({type(bug).__name__})"
        raise AssistantError([_mistake(folder, FILE, "", message)]) from None


def _load(folder: Path, known: KnownNames) -> Assistant:
    """Load it. Raises `AssistantError` with every mistake."""
    try:
        file = read_toml(FolderFile(folder, FILE), FILE_BYTES)
    except UnreadableFileError as error:
        raise AssistantError([_mistake(folder, FILE, "", error.reason, error.line)]) from None
    try:
        return Assistant.model_validate(file.data, context=_context(folder, known, file.data))
    except ValidationError as error:
        found = _mistakes(error, file.data, toml_lines(file.text), folder)
        raise AssistantError(sorted(found, key=_place)) from None


def _real_folder(folder: Path) -> Path:
    """Return the folder's absolute path without `..`: its last part is its name, even of a link."""
    return Path(os.path.abspath(folder))


def _context(folder: Path, known: KnownNames, data: dict[str, object]) -> ValidationContext:
    """Collect the languages, roles and variables: other sections are checked against them."""
    languages, variables = _texts(data.get("languages", ["en"])), data.get("variables")
    return ValidationContext(
        folder,
        known,
        languages if all(map(LANGUAGE.fullmatch, languages or ())) else None,
        _texts(data.get("roles", ["guest"])),
        RESERVED.union(variables if isinstance(variables, dict) else ()),
    )


def _texts(value: object) -> tuple[str, ...] | None:
    if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
        return tuple(value)
    return None


def _mistakes(
    error: ValidationError, data: dict[str, object], lines: KeyLines, folder: Path
) -> Iterator[Mistake]:
    for each in error.errors(include_url=False):
        key = _written(each["loc"], data, missing=each["type"] == "missing")
        for problem in _problems(each, key):
            if problem.file is None:
                where = (*key, *problem.key)
                line = line_of(lines, _written(where, data, missing=False))
                yield _mistake(folder, FILE, _dotted(where), problem.message, line)
            else:
                where = _written((*key, *problem.key), data, missing=False)
                yield _mistake(folder, problem.file, _dotted(where), problem.message, problem.line)


def _problems(error: ErrorDetails, key: KeyPath) -> tuple[FieldProblem, ...]:
    match error["type"]:
        case "problems":
            problems: tuple[FieldProblem, ...] = error["ctx"]["problems"]
            return problems
        case "extra_forbidden":
            return (
                FieldProblem(f"is not a key here{did_you_mean(str(key[-1]), _keys(key[:-1]))}"),
            )
        case "literal_error":
            hint = _did_you_mean_choice(error)
            return (FieldProblem(plain_message(error) + hint),)
        case "union_tag_invalid":
            tag, tags = error["ctx"]["tag"], ("server_vad", "semantic_vad")
            return (
                FieldProblem(
                    f"must be one of {', '.join(tags)}{did_you_mean(tag, tags)}", ("type",)
                ),
            )
        case _:
            return (FieldProblem(plain_message(error)),)


def _did_you_mean_choice(error: ErrorDetails) -> str:
    written = error["input"]
    choices = re.findall(r"'([^']*)'", str(error["ctx"]["expected"]))
    return did_you_mean(written, choices) if isinstance(written, str) else ""


def _keys(table: KeyPath) -> list[str]:
    """Return the keys that a table may have, as authors write them."""
    path = ".".join(map(str, table))
    for pattern, models in SECTIONS.items():
        if re.fullmatch(re.escape(pattern).replace(r"\*", "[^.]+"), path):
            return [name for model in models for name in written_keys(model)]
    return []


def written_keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _written(loc: KeyPath, data: object, *, missing: bool) -> KeyPath:
    """Remove the steps that are not in the file: tags of unions, our own `EVERY` language."""
    key: list[str | int] = []
    for index, part in enumerate(loc):
        if _has(data, part):
            data = data[part]  # type: ignore[index]
            key.append(part)
        elif missing and index == len(loc) - 1:
            key.append(part)
    return tuple(key)


def _has(data: object, part: str | int) -> bool:
    if isinstance(data, list):
        return isinstance(part, int) and part < len(data)
    return isinstance(data, dict) and part in data


def _dotted(key: KeyPath) -> str:
    return ".".join(str(part) for part in key if part != EVERY)


def _mistake(folder: Path, file: str, key: str, message: str, line: int | None = None) -> Mistake:
    return Mistake(f"{folder.name}/{file}", key, line, message)


def _place(mistake: Mistake) -> tuple[str, int, str]:
    return (mistake.file, mistake.line or 0, mistake.key)
