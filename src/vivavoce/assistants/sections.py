"""The tables of `assistant.toml`, with their defaults."""

from __future__ import annotations

import os
import zoneinfo
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    Tag,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)
from pydantic_core import CoreSchema, core_schema

from .. import web_address
from ..core.locked_fields import SYSTEM_MESSAGES
from ..core.types import JsonObject, ToolSpec
from ..file_reading import UnreadableFileError, read_text
from ..toml import did_you_mean
from ..web_address import InvalidAddressError
from . import knowledge_files, parameters, server_tools
from .languages import EVERY, ByLanguage
from .server_tools import ServerToolTable
from .validation import LANGUAGE, FieldProblem, ValidationContext, stays_inside, wrong
from .variables import AssistantSection

SECRET_BYTES = 64 * 1024
ZONE_CHARACTERS = 100

LOCKABLE = (
    "instructions", "tools", "tool_choice", "output_modalities", "max_output_tokens", "truncation",
    "tracing", "prompt", "include", "audio", "audio.input", "audio.input.format",
    "audio.input.transcription", "audio.input.noise_reduction", "audio.input.turn_detection",
    "audio.output", "audio.output.format", "audio.output.voice", "audio.output.speed",
    SYSTEM_MESSAGES,
)  # fmt: skip
LOCKED = (
    "instructions", "tools", "prompt", "tracing", "max_output_tokens", SYSTEM_MESSAGES
)  # fmt: skip


def _language(value: str) -> str:
    if not LANGUAGE.fullmatch(value):
        raise wrong(f'"{value}" is not a language such as "en" or "pt-BR"')
    return value


def _role(value: str, info: ValidationInfo) -> str:
    if value in ("default", "file") or value in (ValidationContext.of(info).languages or ()):
        raise wrong(f'"{value}" cannot be a role: it has another meaning in [instructions]')
    return value


def _all_different(values: tuple[str, ...]) -> tuple[str, ...]:
    problems = [
        FieldProblem(f'"{value}" is there twice', (index,))
        for index, value in enumerate(values)
        if value in values[:index]
    ]
    if problems:
        raise wrong(*problems)
    return values


def _known_adapter(table: dict[str, str], info: ValidationInfo) -> dict[str, str]:
    kind = str(info.field_name)
    known = ValidationContext.of(info).known
    problems = [
        FieldProblem(message, (key,))
        for key, name in table.items()
        if (message := known.problem_with(kind, name)) is not None
    ]
    if problems:
        raise wrong(*problems)
    return table


def _time_zone(value: str | None) -> str | None:
    if value is not None and (len(value) > ZONE_CHARACTERS or not _is_zone(value)):
        raise wrong(f'"{value[:ZONE_CHARACTERS]}" is not a time zone such as "Europe/Rome"')
    return value


def _is_zone(name: str) -> bool:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):  # a folder, or a path
        return False
    return True


TimeZone = Annotated[str | None, AfterValidator(_time_zone)]
Adapter = Annotated[ByLanguage, AfterValidator(_known_adapter)]


class VoiceSection(AssistantSection):
    name: str = Field("marin", min_length=1, max_length=100)
    speed: float = Field(1.0, ge=0.25, le=1.5)


class _Turns(AssistantSection):
    create_response: bool = True
    interrupt_response: bool = True
    gate_db: float = Field(15.0, ge=0, le=40)


class ServerTurns(_Turns):
    type: Literal["server_vad"] = "server_vad"
    threshold: float = Field(0.5, ge=0, le=1)
    prefix_padding_ms: int = Field(300, ge=0, le=10_000)
    silence_duration_ms: int = Field(500, ge=0, le=10_000)
    idle_timeout_ms: int | None = Field(None, ge=5_000, le=30_000)


class SemanticTurns(_Turns):
    type: Literal["semantic_vad"] = "semantic_vad"
    eagerness: Literal["low", "medium", "high", "auto"] = "auto"


def _turns_type(value: object) -> str:
    return str(value.get("type", "server_vad")) if isinstance(value, dict) else "server_vad"


Turns = Annotated[
    Annotated[ServerTurns, Tag("server_vad")] | Annotated[SemanticTurns, Tag("semantic_vad")],
    Discriminator(_turns_type),
]


class CascadeSection(AssistantSection):
    stt: Adapter = Field({EVERY: "pocketsphinx"})
    brain: Adapter = Field({EVERY: "extractive"})
    tts: Adapter = Field({EVERY: "espeak"})


class SecretSource(AssistantSection):
    """The source of a secret. The secret is read for each use and not kept."""

    env: str | None = Field(None, min_length=1)
    file: str | None = Field(None, min_length=1)  # usually outside the folder

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise wrong('must be { env = "…" } or { file = "…" }')
        return self

    def read(self, folder: Path, environ: Mapping[str, str] = os.environ) -> str | None:
        """Read the secret; None if there is none."""
        if self.env is not None:
            return environ.get(self.env, "").strip() or None
        try:
            return read_text(folder / (self.file or ""), SECRET_BYTES).strip() or None
        except UnreadableFileError:
            return None

    def problem(self, folder: Path, environ: Mapping[str, str] = os.environ) -> str | None:
        """Say why the secret cannot be used. None: it can."""
        key = self.read(folder, environ)
        name = self.env or str(folder / (self.file or ""))
        if key is not None:
            usable = key.isascii() and key.isprintable()
            return None if usable else f"{name} is not a key: no header can carry it"
        if self.env is not None:
            return f"{name} is {'empty' if self.env in environ else 'not set'}"
        try:
            read_text(folder / (self.file or ""), SECRET_BYTES)
        except UnreadableFileError as error:
            return f"{name} {error.reason}"
        return f"{name} is empty"


class UpstreamSection(AssistantSection):
    base_url: str = "https://api.openai.com/v1"
    model: str = Field("gpt-realtime-2.1", min_length=1, max_length=200)
    key: SecretSource = SecretSource(env="OPENAI_API_KEY")

    @field_validator("base_url")
    @classmethod
    def _is_a_server(cls, value: str) -> str:
        try:
            return web_address.server_url(value, ("https", "http", "wss", "ws"))
        except InvalidAddressError as error:
            raise wrong(str(error)) from None


class Scripted(AssistantSection):
    """The script of `engine = "scripted"`. The engine checks its content."""

    script: str | None = Field(None, min_length=1)

    @field_validator("script")
    @classmethod
    def _is_a_file(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None:
            ValidationContext.of(info).read(value)
        return value


class ToolDeclaration(AssistantSection):
    """A tool that the client runs."""

    kind: str = server_tools.CLIENT
    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    description: str = Field("", max_length=1024)
    parameters: JsonObject = parameters.NOTHING

    @field_validator("parameters", mode="plain")
    @classmethod
    def _is_a_schema(cls, value: object, info: ValidationInfo) -> JsonObject:
        return parameters.read(value, ValidationContext.of(info))

    @property
    def spec(self) -> ToolSpec:
        return ToolSpec(name=self.name, description=self.description, parameters=self.parameters)


def _read_tool(
    value: object, declaration: ValidatorFunctionWrapHandler, info: ValidationInfo
) -> ToolDeclaration | ServerToolTable:
    if isinstance(value, dict):
        server_tools.check_kind(value, info)  # first: the other keys depend on it
        if server_tools.is_server_kind(value, info):
            return server_tools.read(value, info)
    declared: ToolDeclaration = declaration(value)
    return declared


class _ByKind:
    """Validates a table by the model of its kind. Its default kind is the client's."""

    @staticmethod
    def __get_pydantic_core_schema__(_: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        declaration = handler.generate_schema(ToolDeclaration)
        return core_schema.with_info_wrap_validator_function(_read_tool, declaration)


ToolTable = Annotated[ToolDeclaration | ServerToolTable, _ByKind]

PATHS = tuple(f"knowledge/**/*{suffix}" for suffix in knowledge_files.KINDS)
FACTS = "knowledge/facts.toml"


class Knowledge(AssistantSection):
    """What the assistant answers from, and how its calls search it."""

    paths: tuple[str, ...] = Field(PATHS, strict=False, max_length=100, validate_default=True)
    facts: str = FACTS
    ask: Literal["every_turn", "tool", "off"] = "every_turn"
    while_speaking: bool = True
    budget_ms: float = Field(120, ge=0, le=5000)
    passages: int = Field(4, ge=1, le=20)
    min_score: float = Field(0, ge=0, le=1)
    cite: Literal["screen", "spoken", "off"] = "screen"
    embedding: str | None = Field(None, min_length=1, max_length=100)

    @field_validator("embedding")
    @classmethod
    def _is_an_adapter(cls, value: str | None, info: ValidationInfo) -> str | None:
        known = ValidationContext.of(info).known
        if value and (message := known.problem_with("embedding", value)) is not None:
            raise wrong(message)
        return value

    @field_validator("facts")
    @classmethod
    def _is_a_toml_file(cls, value: str, info: ValidationInfo) -> str:
        if not stays_inside(value) or not value.endswith(".toml"):
            raise wrong(f'"{value}" must be the path of a .toml file inside the folder')
        if value != FACTS:
            ValidationContext.of(info).read(value)
        return value

    @field_validator("paths")
    @classmethod
    def _stay_inside(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        problems = list(knowledge_files.check(value, ValidationContext.of(info)))
        if value == PATHS:  # the default, which has no line in the file
            problems = [replace(problem, key=()) for problem in problems]
        if problems:
            raise wrong(*problems)
        return value


class LimitsSection(AssistantSection):
    call_minutes: float = Field(60, gt=0, le=24 * 60)
    idle_minutes: float = Field(5, gt=0, le=24 * 60)
    calls_at_once: int = Field(20, ge=1, le=10_000)
    context_tokens: int = Field(28_672, ge=1_000, le=10_000_000)
    locked: tuple[str, ...] = Field(LOCKED, strict=False)

    @property
    def names_locked(self) -> bool:
        """True if the assistant's file has `locked`, which then holds for every browser."""
        return "locked" in self.model_fields_set

    @field_validator("locked")
    @classmethod
    def _are_session_fields(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        problems = [
            FieldProblem(
                f'"{name}" is not a field of the session{did_you_mean(name, LOCKABLE)}', (index,)
            )
            for index, name in enumerate(value)
            if name not in LOCKABLE
        ]
        if problems:
            raise wrong(*problems)
        return value


Languages = Annotated[
    tuple[Annotated[str, AfterValidator(_language)], ...],
    AfterValidator(_all_different),
    Field(min_length=1, max_length=100, strict=False),
]
Roles = Annotated[
    tuple[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$"), AfterValidator(_role)], ...],
    AfterValidator(_all_different),
    Field(min_length=1, max_length=20, strict=False),
]
VariableName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
