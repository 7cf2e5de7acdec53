"""From a folder to an assistant, or to everything that is wrong with it, by file, key and line."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ValidationError

from ..errors import TOO_MANY_DIGITS, AssistantError, Mistake, misread
from ..file_reading import FolderFile, UnreadableFile, read_text
from .assistant import Assistant
from .key_lines import KeyLines, line_of, toml_lines
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
from .validation import LANGUAGE, FieldProblem, KnownNames, ValidationContext, near
from .validation import KeyPath as KeyPath
from .variables import RESERVED, Variable

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

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
}
"""Which keys there are, by the path of their table; `*` is any name or index."""


def load(folder: Path, known: KnownNames) -> Assistant:
    """The assistant of a folder. Raises `AssistantError` with every mistake in it."""
    folder = place(folder)
    try:
        text = read_text(FolderFile(folder, FILE), FILE_BYTES)
        data = tomllib.loads(text)
    except UnreadableFile as error:
        raise AssistantError([_mistake(folder, FILE, "", error.reason, error.line)]) from None
    except tomllib.TOMLDecodeError as error:
        raise AssistantError([_mistake(folder, FILE, "", *misread(error))]) from None
    except RecursionError:
        raise AssistantError([_mistake(folder, FILE, "", "is nested too deeply")]) from None
    except ValueError:
        raise AssistantError([_mistake(folder, FILE, "", TOO_MANY_DIGITS)]) from None
    try:
        return Assistant.model_validate(data, context=_ground(folder, known, data))
    except ValidationError as error:
        found = _mistakes(error, data, toml_lines(text), folder)
        raise AssistantError(sorted(found, key=_place)) from None


def place(folder: Path) -> Path:
    """Absolute and without `..`, so that it has a name; a link stays what it is called."""
    return Path(os.path.abspath(folder))


def _ground(folder: Path, known: KnownNames, data: dict[str, object]) -> ValidationContext:
    """Languages and roles judge other sections, so they are looked at first, as they are."""
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
        for flaw in _flaws(each, key):
            if flaw.file is None:
                where = (*key, *flaw.key)
                line = line_of(lines, _written(where, data, missing=False))
                yield _mistake(folder, FILE, _dotted(where), flaw.message, line)
            else:
                where = _written((*key, *flaw.key), data, missing=False)
                yield _mistake(folder, flaw.file, _dotted(where), flaw.message, flaw.line)


def _flaws(error: ErrorDetails, key: KeyPath) -> tuple[FieldProblem, ...]:
    match error["type"]:
        case "flaws":
            flaws: tuple[FieldProblem, ...] = error["ctx"]["flaws"]
            return flaws
        case "missing":
            return (FieldProblem("is required"),)
        case "extra_forbidden":
            return (FieldProblem(f"is not a key here{near(str(key[-1]), _keys(key[:-1]))}"),)
        case "literal_error":
            hint = _nearest_choice(error)
            return (FieldProblem(_plain(error) + hint),)
        case "union_tag_invalid":
            tag, tags = error["ctx"]["tag"], ("server_vad", "semantic_vad")
            return (FieldProblem(f"must be one of {', '.join(tags)}{near(tag, tags)}", ("type",)),)
        case _:
            return (FieldProblem(_plain(error)),)


_TYPES = {
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
}


def _plain(error: ErrorDetails) -> str:
    """Pydantic's sentence, in the words of people who write TOML."""
    if (said := _TYPES.get(error["type"])) is not None:
        return said
    return re.sub(r"^(Input should be|String should|\w+ should)\b", _must, error["msg"])


def _must(found: re.Match[str]) -> str:
    return "must be" if found[1].endswith("be") else "must"


def _nearest_choice(error: ErrorDetails) -> str:
    written = error["input"]
    choices = re.findall(r"'([^']*)'", str(error["ctx"]["expected"]))
    return near(written, choices) if isinstance(written, str) else ""


def _keys(table: KeyPath) -> list[str]:
    """The keys that a table may have, as people write them."""
    path = ".".join(map(str, table))
    for pattern, models in SECTIONS.items():
        if re.fullmatch(re.escape(pattern).replace(r"\*", "[^.]+"), path):
            return [name for model in models for name in written_keys(model)]
    return []


def written_keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _written(loc: KeyPath, data: object, *, missing: bool) -> KeyPath:
    """A path without the steps that nobody wrote: tags of unions, our own "every language"."""
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
