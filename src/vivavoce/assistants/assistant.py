"""What an assistant is: `assistant.toml`, read, checked and frozen.

The sections below are the file's own tables, with their defaults; `docs/reference/assistant.md`
explains every key. Where something is said by language or role, a method chooses.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

import msgspec
from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    PrivateAttr,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.functional_validators import PlainValidator

from ..core.values import JsonObject, ToolSpec
from ..errors import InvalidRequest
from . import parameters
from .ground import LANGUAGE, Flaw, Ground, near, stays_inside, unreadable, wrong
from .languages import EVERY, ByLanguage, pick, said_in
from .prompts import NONE as NO_PROMPTS
from .prompts import Prompts
from .prompts import read as read_prompts
from .variables import RESERVED, Section, Value, Variable

KNOWLEDGE_BYTES = 2 * 1024 * 1024  # of one file
KNOWLEDGE_FILES = 1000
KNOWLEDGE_KINDS = (".md", ".csv")

LOCKABLE = (
    "instructions", "tools", "tool_choice", "output_modalities", "max_output_tokens", "truncation",
    "tracing", "prompt", "include", "audio", "audio.input", "audio.input.format",
    "audio.input.transcription", "audio.input.noise_reduction", "audio.input.turn_detection",
    "audio.output", "audio.output.format", "audio.output.voice", "audio.output.speed",
)  # fmt: skip


def _language(value: str) -> str:
    if not LANGUAGE.fullmatch(value):
        raise wrong(f'"{value}" is not a language such as "en" or "pt-BR"')
    return value


def _role(value: str, info: ValidationInfo) -> str:
    if value in ("default", "file") or value in (Ground.of(info).languages or ()):
        raise wrong(f'"{value}" cannot be a role: it means something else in [instructions]')
    return value


def _all_different(values: tuple[str, ...]) -> tuple[str, ...]:
    flaws = [
        Flaw(f'"{value}" is there twice', (index,))
        for index, value in enumerate(values)
        if value in values[:index]
    ]
    if flaws:
        raise wrong(*flaws)
    return values


def _known_adapter(table: dict[str, str], info: ValidationInfo) -> dict[str, str]:
    kind = str(info.field_name)
    names: frozenset[str] = getattr(Ground.of(info).known, kind)
    flaws = [
        Flaw(f'there is no {kind} named "{name}"{near(name, names)}', (key,))
        for key, name in table.items()
        if name not in names
    ]
    if flaws:
        raise wrong(*flaws)
    return table


Adapter = Annotated[ByLanguage, AfterValidator(_known_adapter)]


class Voice(Section):
    name: str = Field("marin", min_length=1, max_length=100)
    speed: float = Field(1.0, ge=0.25, le=1.5)


class _Turns(Section):
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


def _turns_type(value: object) -> str | None:
    kind = value.get("type", "server_vad") if isinstance(value, dict) else "server_vad"
    return kind if isinstance(kind, str) else None


Turns = Annotated[
    Annotated[ServerTurns, Tag("server_vad")] | Annotated[SemanticTurns, Tag("semantic_vad")],
    Discriminator(_turns_type),
]


class Cascade(Section):
    stt: Adapter = Field({EVERY: "pocketsphinx"})
    brain: Adapter = Field({EVERY: "extractive"})
    tts: Adapter = Field({EVERY: "espeak"})


class Key(Section):
    """Where a secret is. It is read when it is used, and kept nowhere."""

    env: str | None = Field(None, min_length=1)
    file: str | None = Field(None, min_length=1)  # outside the folder, as a rule

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise wrong('must be { env = "…" } or { file = "…" }')
        return self

    def read(self, folder: Path, environ: Mapping[str, str] = os.environ) -> str | None:
        """The secret; None where there is none."""
        if self.env is not None:
            return environ.get(self.env, "").strip() or None
        try:
            return (folder / (self.file or "")).read_text("utf-8").strip() or None
        except (OSError, UnicodeDecodeError):
            return None


class Upstream(Section):
    base_url: str = "https://api.openai.com/v1"
    model: str = Field("gpt-realtime-2.1", min_length=1, max_length=200)
    key: Key = Key(env="OPENAI_API_KEY")

    @field_validator("base_url")
    @classmethod
    def _is_a_server(cls, value: str) -> str:
        try:
            url = urlsplit(value)
            good = url.scheme in ("ws", "wss", "http", "https") and bool(url.hostname)
            good = good and (url.port is None or url.port > 0)
        except ValueError:
            good = False
        if not good:
            raise wrong("must start with https://, http://, wss:// or ws:// and name a server")
        if url.username or url.password or url.query or url.fragment:
            raise wrong("must have no password, query or fragment")
        return value.rstrip("/")


class Tool(Section):
    kind: str = "client"
    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    description: str = Field("", max_length=1024)
    parameters: JsonObject = parameters.NOTHING

    @field_validator("kind")
    @classmethod
    def _is_known(cls, value: str, info: ValidationInfo) -> str:
        if value not in (kinds := Ground.of(info).known.tools):
            raise wrong(f"must be one of {', '.join(sorted(kinds))}{near(value, kinds)}")
        return value

    @field_validator("parameters", mode="plain")
    @classmethod
    def _is_a_schema(cls, value: object, info: ValidationInfo) -> JsonObject:
        return parameters.read(value, Ground.of(info))

    @property
    def spec(self) -> ToolSpec:
        return ToolSpec(name=self.name, description=self.description, parameters=self.parameters)


def _found(pattern: str, folder: Path) -> Iterator[Path]:
    for path in sorted(folder.glob(pattern)):
        if path.is_file() and not path.name.startswith("."):
            yield path


def _judge_paths(patterns: tuple[str, ...], ground: Ground) -> Iterator[Flaw]:
    seen: set[Path] = set()
    home = ground.folder.resolve()
    for index, pattern in enumerate(patterns):
        if not stays_inside(pattern):
            yield Flaw(f'"{pattern}" must be a path inside the assistant\'s folder', (index,))
            continue
        if any("**" in part and part != "**" for part in pattern.split("/")):
            yield Flaw(f'"{pattern}": "**" must stand alone between slashes', (index,))
            continue
        found = [path for path in _found(pattern, ground.folder) if path not in seen]
        seen.update(found)
        if not found and not any(c in pattern for c in "*?["):
            yield Flaw(f'there is no file "{pattern}" in the assistant\'s folder', (index,))
        for path in found:
            yield from _judge_file(path, path.relative_to(ground.folder).as_posix(), home, index)
    if len(seen) > KNOWLEDGE_FILES:
        yield Flaw(f"match {len(seen)} files; at most {KNOWLEDGE_FILES} are read")


def _judge_file(path: Path, name: str, home: Path, index: int) -> Iterator[Flaw]:
    if not path.resolve().is_relative_to(home):
        yield Flaw(f'"{name}" leads out of the assistant\'s folder', (index,))
    elif path.suffix.lower() not in KNOWLEDGE_KINDS:
        yield Flaw(f'"{name}": only Markdown (.md) and CSV (.csv) are read', (index,))
    elif (found := unreadable(path, KNOWLEDGE_BYTES)) is not None:
        message, line = found
        yield Flaw(message, (index,), name, line)


class Knowledge(Section):
    paths: tuple[str, ...] = Field(
        ("knowledge/**/*.md", "knowledge/**/*.csv"), strict=False, max_length=100
    )

    @field_validator("paths")
    @classmethod
    def _stay_inside(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        flaws = list(_judge_paths(value, Ground.of(info)))
        if flaws:
            raise wrong(*flaws)
        return value


class Limits(Section):
    call_minutes: float = Field(60, gt=0, le=24 * 60)
    idle_minutes: float = Field(5, gt=0, le=24 * 60)
    calls_at_once: int = Field(20, ge=1, le=10_000)
    locked: tuple[str, ...] = Field(("instructions", "tools"), strict=False)

    @field_validator("locked")
    @classmethod
    def _are_session_fields(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        flaws = [
            Flaw(f'"{name}" is not a field of the session{near(name, LOCKABLE)}', (index,))
            for index, name in enumerate(value)
            if name not in LOCKABLE
        ]
        if flaws:
            raise wrong(*flaws)
        return value

    def locks(self, patch: JsonObject) -> str | None:
        """The first locked field that a `session.update` would change, if there is one."""
        return next((path for path in self.locked if _touches(patch, path.split("."))), None)


def _touches(patch: object, path: Sequence[str]) -> bool:
    if not isinstance(patch, dict) or not path:
        return True  # it puts something else in the place of all that is below
    return path[0] in patch and _touches(patch[path[0]], path[1:])


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


class Assistant(Section):
    """Made by `load` alone. Frozen: what changes on disk becomes another one."""

    name: str = Field(pattern=r"^[a-z0-9-]{1,40}$")
    titles: ByLanguage = Field({}, alias="title")
    descriptions: ByLanguage = Field({}, alias="description")
    languages: Languages = ("en",)
    roles: Roles = ("guest",)
    engine: str = "cascade"
    variables: dict[VariableName, Variable] = Field({}, max_length=100)
    prompts: Annotated[Prompts, PlainValidator(read_prompts)] = Field(
        NO_PROMPTS, alias="instructions"
    )
    greetings: ByLanguage = Field({}, alias="greeting")
    cascade: Cascade = Cascade()
    voice: Voice = Voice()
    turns: Turns = ServerTurns()
    upstream: Upstream = Upstream()
    declared: tuple[Tool, ...] = Field((), alias="tools", strict=False, max_length=128)
    knowledge: Knowledge = Knowledge()
    limits: Limits = Limits()

    _folder: Path = PrivateAttr()

    @property
    def folder(self) -> Path:
        return self._folder

    @property
    def fallback_language(self) -> str:
        return self.languages[0]

    def title(self, language: str | None = None) -> str:
        said = said_in(self.titles, self.pick_language(language), self.fallback_language)
        return said or self.name.replace("-", " ").title()

    def description(self, language: str | None = None) -> str:
        said = said_in(self.descriptions, self.pick_language(language), self.fallback_language)
        return said or ""

    def greeting(self, language: str | None = None) -> str | None:
        return said_in(self.greetings, self.pick_language(language), self.fallback_language)

    def pick_language(self, asked: str | None) -> str:
        """The nearest of its languages to what was asked for; the first if none is near."""
        return pick(asked, self.languages)

    def pick_role(self, asked: str | None) -> str:
        """Raises `InvalidRequest` for a role that it has not."""
        if asked is None:
            return self.roles[0]
        if asked not in self.roles:
            roles = ", ".join(self.roles)
            raise InvalidRequest("invalid_value", f"Unknown role. Roles are: {roles}.", "role")
        return asked

    def values(self, given: Mapping[str, object]) -> dict[str, Value]:
        """Every variable's value. Raises `InvalidRequest` for the first that cannot be."""
        values = {name: variable.fallback for name, variable in self.variables.items()}
        for name, value in given.items():
            param = f"variables.{name}"
            if name not in self.variables:
                hint = near(name, self.variables)
                raise InvalidRequest(
                    "unknown_parameter", f"Unknown variable '{name}'{hint}.", param
                )
            try:
                values[name] = self.variables[name].parse(value)
            except ValueError as error:
                raise InvalidRequest(
                    "invalid_value", f"Variable '{name}' {error}.", param
                ) from None
        return values

    def instructions(
        self,
        role: str | None = None,
        language: str | None = None,
        variables: Mapping[str, object] | None = None,
    ) -> str:
        """The prompt for this caller. Raises `InvalidRequest` for a wrong role or variable."""
        role, language = self.pick_role(role), self.pick_language(language)
        said = self._said(role, language) | self.values(variables or {})
        return self.prompts.find(role, language).render(said)

    def tools(self) -> tuple[ToolSpec, ...]:
        return tuple(tool.spec for tool in self.declared)

    def adapter(self, kind: Literal["stt", "brain", "tts"], language: str | None = None) -> str:
        """Which adapter of the cascade serves a language."""
        table: dict[str, str] = getattr(self.cascade, kind)
        said = said_in(table, self.pick_language(language), self.fallback_language)
        assert said is not None, "a table has something for the first language"
        return said

    def session(
        self,
        role: str | None = None,
        language: str | None = None,
        variables: Mapping[str, object] | None = None,
    ) -> JsonObject:
        """What a call's session begins with, as a `session.update` would say it."""
        tools = [{"type": "function", **msgspec.to_builtins(spec)} for spec in self.tools()]
        return {
            "type": "realtime",
            "instructions": self.instructions(role, language, variables),
            "tools": tools,
            "audio": {
                "input": {"turn_detection": self.turn_detection()},
                "output": {"voice": self.voice.name, "speed": self.voice.speed},
            },
        }

    def turn_detection(self) -> JsonObject:
        """As the protocol has it: without the gate, which is ours."""
        return self.turns.model_dump(exclude={"gate_db"})

    def upstream_key(self, environ: Mapping[str, str] = os.environ) -> str | None:
        """The provider's key, read now; None where there is none."""
        return self.upstream.key.read(self._folder, environ)

    def knowledge_files(self) -> tuple[Path, ...]:
        """What its paths match now, in order of name, each once."""
        return tuple(
            sorted({p for each in self.knowledge.paths for p in _found(each, self.folder)})
        )

    def _said(self, role: str, language: str) -> dict[str, Value]:
        """What every prompt may say, besides the variables."""
        return {
            "name": self.name, "title": self.title(language), "role": role, "language": language
        }  # fmt: skip

    def model_post_init(self, context: object) -> None:
        assert isinstance(context, Ground), "made by `load` alone"
        self._folder = context.folder

    @field_validator("name")
    @classmethod
    def _is_the_folders(cls, value: str, info: ValidationInfo) -> str:
        if value != (folder := Ground.of(info).folder.name):
            raise wrong(f'must be the name of its folder, "{folder}"')
        return value

    @field_validator("engine")
    @classmethod
    def _is_known(cls, value: str, info: ValidationInfo) -> str:
        if value not in (engines := Ground.of(info).known.engines):
            raise wrong(f"must be one of {', '.join(sorted(engines))}{near(value, engines)}")
        return value

    @field_validator("variables")
    @classmethod
    def _are_free_names(cls, value: dict[str, Variable]) -> dict[str, Variable]:
        flaws = [
            Flaw("is a name that every prompt has already", (name,))
            for name in value
            if name in RESERVED
        ]
        if flaws:
            raise wrong(*flaws)
        return value

    @field_validator("prompts")
    @classmethod
    def _can_be_rendered(cls, value: Prompts, info: ValidationInfo) -> Prompts:
        """With the defaults, for every role and language there is."""
        ground, made = Ground.of(info), info.data
        flaws = [flaw for prompt in value.table.values() for flaw in prompt.undeclared(ground.says)]
        if not flaws and {"name", "titles", "languages", "roles", "variables"} <= made.keys():
            defaults = {name: each.fallback for name, each in made["variables"].items()}
            for role, language in product(made["roles"], made["languages"]):
                title = said_in(made["titles"], language, made["languages"][0]) or made["name"]
                said = {"name": made["name"], "title": title, "role": role, "language": language}
                flaw = value.find(role, language).attempt(said | defaults)
                flaws += [flaw] if flaw and flaw not in flaws else []
        if flaws:
            raise wrong(*flaws)
        return value

    @field_validator("declared")
    @classmethod
    def _have_different_names(cls, value: tuple[Tool, ...]) -> tuple[Tool, ...]:
        names = [tool.name for tool in value]
        flaws = [
            Flaw(f'there are two tools named "{name}"', (index, "name"))
            for index, name in enumerate(names)
            if name in names[:index]
        ]
        if flaws:
            raise wrong(*flaws)
        return value

    @field_validator("voice")
    @classmethod
    def _can_be_heard(cls, value: Voice, info: ValidationInfo) -> Voice:
        """Only where our own cascade speaks: another server knows its own voices."""
        cascade = info.data.get("cascade")
        if cascade is None or info.data.get("engine") != "cascade":
            return value
        known = Ground.of(info).known.voices
        for tts in sorted(set(cascade.tts.values())):
            if tts in known and value.name not in known[tts]:
                hint = near(value.name, known[tts])
                raise wrong(Flaw(f'{tts} has no voice named "{value.name}"{hint}', ("name",)))
        return value
