"""The assistant: `assistant.toml` as a frozen model.

Its tables are in `sections.py`; `docs/reference/assistant.md` explains every key. A field that
differs by language or role has a method that chooses.
"""

from __future__ import annotations

import os
import re
import zoneinfo
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from itertools import product
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PrivateAttr, ValidationInfo, field_validator
from pydantic.functional_validators import PlainValidator

from ..core.types import JsonObject, ToolSpec
from ..errors import AssistantError, InvalidRequest, Mistake
from ..file_reading import FolderFile, UnreadableFileError
from ..toml import did_you_mean
from . import knowledge_files
from .languages import ByLanguage, QuestionsByLanguage, pick, said_in
from .prompts import NONE as NO_PROMPTS
from .prompts import PromptTable, UnfitPromptError, allowance
from .prompts import read as read_prompts
from .sections import PATHS as ALL_DOCUMENTS
from .sections import (
    CascadeSection,
    Knowledge,
    Languages,
    LimitsSection,
    Roles,
    Scripted,
    ServerTurns,
    TimeZone,
    ToolDeclaration,
    ToolTable,
    Turns,
    UpstreamSection,
    VariableName,
    VoiceSection,
)
from .server_tools import ServerToolTable
from .validation import FieldProblem, ValidationContext, wrong
from .variables import RESERVED, AssistantSection, Value, Variable
from .widget import WidgetSection

NAME = r"^[a-z0-9-]{1,40}$"


class Assistant(AssistantSection):
    """Only `load` makes one."""

    name: str = Field(pattern=NAME)
    titles: ByLanguage = Field({}, alias="title")
    descriptions: ByLanguage = Field({}, alias="description")
    languages: Languages = ("en",)
    roles: Roles = ("guest",)
    engine: str = "cascade"
    variables: dict[VariableName, Variable] = Field({}, max_length=100)
    prompts: Annotated[PromptTable, PlainValidator(read_prompts)] = Field(
        NO_PROMPTS, alias="instructions"
    )
    greetings: ByLanguage = Field({}, alias="greeting")
    fallbacks: ByLanguage = Field({}, alias="fallback")
    suggested: QuestionsByLanguage = Field({}, alias="suggestions")
    time_zone: TimeZone = None
    cascade: CascadeSection = Field(CascadeSection(), validate_default=True)
    voice: VoiceSection = VoiceSection()
    turns: Turns = ServerTurns()
    upstream: UpstreamSection = UpstreamSection()
    scripted: Scripted = Scripted()
    declared: tuple[ToolTable, ...] = Field((), alias="tools", strict=False, max_length=128)
    knowledge: Knowledge = Field({}, validate_default=True)
    limits: LimitsSection = LimitsSection()
    widget: WidgetSection = WidgetSection()

    _folder: Path = PrivateAttr()

    @property
    def folder(self) -> Path:
        return self._folder

    @property
    def fallback_language(self) -> str:
        return self.languages[0]

    def title(self, language: str | None = None) -> str:
        return _title(self.name, self.titles, self.pick_language(language), self.languages)

    def description(self, language: str | None = None) -> str:
        said = said_in(self.descriptions, self.pick_language(language), self.fallback_language)
        return said or ""

    def greeting(self, language: str | None = None) -> str | None:
        return said_in(self.greetings, self.pick_language(language), self.fallback_language)

    def fallback(self, language: str | None = None) -> str | None:
        """Return the way to a person, said where the embedded brain does not know an answer."""
        return said_in(self.fallbacks, self.pick_language(language), self.fallback_language)

    def consent(self, language: str | None = None) -> str | None:
        """Return what a visitor of a website reads before the microphone opens."""
        table, chosen = self.widget.consents, self.pick_language(language)
        return said_in(table, chosen, self.fallback_language)

    def suggestions(self, language: str | None = None) -> tuple[str, ...]:
        """Return questions that people may ask, which the page offers before a call."""
        table, first = self.suggested, self.fallback_language
        return said_in(table, self.pick_language(language), first) or ()

    def now(self) -> datetime:
        """Return the time where the assistant is: in its time zone. Without one: the server's."""
        return datetime.now(UTC).astimezone(self.zone())

    def pick_language(self, asked: str | None) -> str:
        """Return the nearest of its languages to the requested one; the first if none is near."""
        return pick(asked, self.languages)

    def require_language(self, asked: str) -> str:
        """Return the nearest of its languages. Raises `InvalidRequest` if none is near."""
        found = self.pick_language(asked)
        if found.partition("-")[0] != asked.replace("_", "-").partition("-")[0].lower():
            languages = ", ".join(self.languages)
            message = f"Unknown language. Languages are: {languages}."
            raise InvalidRequest("invalid_value", message, "language")
        return found

    def pick_role(self, asked: str | None) -> str:
        """Return the requested role, or the first. Raises `InvalidRequest` for an unknown role."""
        if asked is None:
            return self.roles[0]
        if asked not in self.roles:
            roles = ", ".join(self.roles)
            raise InvalidRequest("invalid_value", f"Unknown role. Roles are: {roles}.", "role")
        return asked

    def values(self, given: Mapping[str, object]) -> dict[str, Value]:
        """Return every variable's value. Raises `InvalidRequest` for the first invalid one."""
        values = {name: variable.fallback for name, variable in self.variables.items()}
        for name, value in given.items():
            try:
                values[name] = self.variable(name).parse(value)
            except ValueError as error:
                raise InvalidRequest(
                    "invalid_value", f"Variable '{name}' {error}.", f"variables.{name}"
                ) from None
        return values

    def variable(self, name: str) -> Variable:
        """Return a variable. Raises `InvalidRequest` for an unknown one."""
        if name not in self.variables:
            message = f"Unknown variable '{name}'{did_you_mean(name, self.variables)}."
            raise InvalidRequest("unknown_parameter", message, f"variables.{name}")
        return self.variables[name]

    def fitting(self, stored: Mapping[str, str]) -> dict[str, str]:
        """Return those stored values that still go with the variables of the file."""
        return {
            name: value
            for name, value in stored.items()
            if name in self.variables and self.variables[name].accepts(value)
        }

    def instructions(
        self,
        role: str | None = None,
        language: str | None = None,
        variables: Mapping[str, object] | None = None,
    ) -> str:
        """Render the prompt for a caller. Raises `InvalidRequest` for a wrong role or variable."""
        role, language = self.pick_role(role), self.pick_language(language)
        said: dict[str, object] = {"role": role, "language": language, "now": self.now()}
        said["title"] = self.title(language)
        values = self.values(variables or {})
        try:
            return self.prompts.find(role, language).render({"name": self.name, **said, **values})
        except UnfitPromptError:
            message = "These variables do not go with the assistant's instructions."
            raise InvalidRequest("invalid_value", message, "variables") from None

    def tools(self) -> tuple[ToolSpec, ...]:
        """Return the tools that the client runs."""
        return tuple(tool.spec for tool in self.declared if isinstance(tool, ToolDeclaration))

    def server_tools(self) -> tuple[ServerToolTable, ...]:
        """Return the tables whose tools the server runs."""
        return tuple(tool for tool in self.declared if isinstance(tool, ServerToolTable))

    def adapter(self, kind: Literal["stt", "brain", "tts"], language: str | None = None) -> str:
        """Return the name of the adapter that serves a language in the cascade."""
        table: dict[str, str] = getattr(self.cascade, kind)
        said = said_in(table, self.pick_language(language), self.fallback_language)
        assert said is not None, "a table has something for the first language"
        return said

    def turn_detection(self) -> JsonObject:
        """Return `turn_detection` as the protocol spells it, without our own level gate."""
        return self.turns.model_dump(exclude={"gate_db"})

    def upstream_key(self, environ: Mapping[str, str] = os.environ) -> str | None:
        """Read the provider's key now; None if there is none."""
        return self.upstream.key.read(self._folder, environ)

    def upstream_key_problem(self, environ: Mapping[str, str] = os.environ) -> str | None:
        """Say why the provider has no usable key. None: it has one."""
        return self.upstream.key.problem(self._folder, environ)

    def script(self) -> FolderFile | None:
        """Return the script of the scripted engine; None: it echoes."""
        return FolderFile(self._folder, self.scripted.script) if self.scripted.script else None

    def knowledge_files(self) -> tuple[FolderFile, ...]:
        """Return the files that its paths match now, sorted by name. Raises `AssistantError`."""
        try:
            return tuple(knowledge_files.found(self.knowledge.paths, self._folder))
        except UnreadableFileError as error:
            file = f"{self._folder.name}/assistant.toml"
            raise AssistantError([Mistake(file, "knowledge.paths", None, error.reason)]) from None

    def unused_files(self) -> tuple[FolderFile, ...]:
        """Return the documents in `knowledge` that its paths do not match, sorted by name.

        Raises `AssistantError`.
        """
        try:
            all_files = knowledge_files.found(ALL_DOCUMENTS, self._folder)
        except UnreadableFileError:  # a large folder, of which the paths are a part
            return ()
        used = {each.name for each in self.knowledge_files()}
        return tuple(each for each in all_files if each.name not in used)

    def facts_file(self) -> FolderFile:
        """Return the file with its facts, which need not exist."""
        return FolderFile(self._folder, self.knowledge.facts)

    def zone(self) -> tzinfo | None:
        """Return its time zone. None: the server's."""
        return zoneinfo.ZoneInfo(self.time_zone) if self.time_zone else None

    def unmatched(self) -> tuple[str, ...]:
        """Return the patterns that the author wrote, and that match no file now."""
        if "paths" not in self.knowledge.model_fields_set:
            return ()
        return tuple(
            each for each in self.knowledge.paths if not knowledge_files.found([each], self._folder)
        )

    def model_post_init(self, context: object) -> None:
        assert isinstance(context, ValidationContext), "made by `load` alone"
        self._folder = context.folder

    @field_validator("name", mode="before")
    @classmethod
    def _has_a_folder(cls, value: object, info: ValidationInfo) -> object:
        folder = ValidationContext.of(info).folder.name
        if not re.fullmatch(NAME, folder):
            raise wrong(f'the folder "{folder}" has another name than an assistant may have: '
                        "rename it to 1 to 40 characters of a-z, 0-9 and -")  # fmt: skip
        return value

    @field_validator("name")
    @classmethod
    def _is_the_folders(cls, value: str, info: ValidationInfo) -> str:
        if value != (folder := ValidationContext.of(info).folder.name):
            raise wrong(f'must be the name of its folder, "{folder}"')
        return value

    @field_validator("engine")
    @classmethod
    def _is_known(cls, value: str, info: ValidationInfo) -> str:
        if value not in (engines := ValidationContext.of(info).known.engines):
            raise wrong(
                f"must be one of {', '.join(sorted(engines))}{did_you_mean(value, engines)}"
            )
        return value

    @field_validator("cascade")
    @classmethod
    def _has_its_default_adapters(
        cls, value: CascadeSection, info: ValidationInfo
    ) -> CascadeSection:
        """Refuse a default that this server does not have, because the folder does not name it."""
        if info.data.get("engine") != "cascade":
            return value
        known = ValidationContext.of(info).known
        flaws = [
            FieldProblem(message)
            for kind in ("stt", "brain", "tts")
            if kind not in value.model_fields_set
            for name in getattr(value, kind).values()
            if (message := known.problem_with(kind, name)) is not None
        ]
        if flaws:
            raise wrong(*flaws)
        return value

    @field_validator("variables")
    @classmethod
    def _are_free_names(cls, value: dict[str, Variable]) -> dict[str, Variable]:
        problems = [
            FieldProblem("is a name that every prompt has already", (name,))
            for name in value
            if name in RESERVED
        ]
        if problems:
            raise wrong(*problems)
        return value

    @field_validator("prompts")
    @classmethod
    def _can_be_rendered(cls, value: PromptTable, info: ValidationInfo) -> PromptTable:
        """Render every prompt with the defaults, for each role and language."""
        context, made = ValidationContext.of(info), info.data
        problems = [
            problem
            for prompt in value.table.values()
            for problem in prompt.undeclared(context.prompt_names)
        ]
        if not problems and {"name", "titles", "languages", "roles", "variables"} <= made.keys():
            defaults = {name: each.fallback for name, each in made["variables"].items()}
            budget = allowance()
            for role, language in product(made["roles"], made["languages"]):
                title = _title(made["name"], made["titles"], language, made["languages"])
                said = {"name": made["name"], "title": title, "role": role, "language": language}
                values = said | defaults | {"now": datetime.now(UTC)}
                problem = value.find(role, language).attempt(values, budget)
                problems += [problem] if problem and problem not in problems else []
        if problems:
            raise wrong(*problems)
        return value

    @field_validator("declared")
    @classmethod
    def _have_different_names(cls, value: tuple[ToolTable, ...]) -> tuple[ToolTable, ...]:
        names = [tool.name if isinstance(tool, ToolDeclaration) else None for tool in value]
        problems = [
            FieldProblem(f'there are two tools named "{name}"', (index, "name"))
            for index, name in enumerate(names)
            if name is not None and name in names[:index]
        ]
        if problems:
            raise wrong(*problems)
        return value

    @field_validator("voice")
    @classmethod
    def _can_be_heard(cls, value: VoiceSection, info: ValidationInfo) -> VoiceSection:
        """Check the voice of the cascade only: an upstream knows its own voices."""
        cascade = info.data.get("cascade")
        if cascade is None or info.data.get("engine") != "cascade":
            return value
        known = ValidationContext.of(info).known.voices
        for tts in sorted(set(cascade.tts.values())):
            if tts in known and value.name not in known[tts]:
                hint = did_you_mean(value.name, known[tts])
                raise wrong(
                    FieldProblem(f'{tts} has no voice named "{value.name}"{hint}', ("name",))
                )
        return value


def _title(name: str, titles: Mapping[str, str], language: str, languages: Sequence[str]) -> str:
    return said_in(titles, language, languages[0]) or name.replace("-", " ").title()
