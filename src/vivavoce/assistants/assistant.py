"""What an assistant is: `assistant.toml`, read, checked and frozen.

Its tables are in `sections.py`; `docs/reference/assistant.md` explains every key. Where something
is said by language or role, a method chooses.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PrivateAttr, ValidationInfo, field_validator
from pydantic.functional_validators import PlainValidator

from ..core.types import JsonObject, ToolSpec
from ..errors import AssistantError, InvalidRequest, Mistake
from ..file_reading import FolderFile, UnreadableFile
from . import knowledge_files
from .languages import ByLanguage, pick, said_in
from .prompts import NONE as NO_PROMPTS
from .prompts import UNFIT, PromptTable
from .prompts import read as read_prompts
from .sections import (
    CascadeSection,
    Knowledge,
    Languages,
    LimitsSection,
    Roles,
    Scripted,
    ServerTurns,
    ToolDeclaration,
    Turns,
    UpstreamSection,
    VariableName,
    VoiceSection,
)
from .validation import FieldProblem, ValidationContext, near, wrong
from .variables import RESERVED, AssistantSection, Value, Variable


class Assistant(AssistantSection):
    """Made by `load` alone. Frozen: what changes on disk becomes another one."""

    name: str = Field(pattern=r"^[a-z0-9-]{1,40}$")
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
    cascade: CascadeSection = CascadeSection()
    voice: VoiceSection = VoiceSection()
    turns: Turns = ServerTurns()
    upstream: UpstreamSection = UpstreamSection()
    scripted: Scripted = Scripted()
    declared: tuple[ToolDeclaration, ...] = Field((), alias="tools", strict=False, max_length=128)
    knowledge: Knowledge = Field({}, validate_default=True)
    limits: LimitsSection = LimitsSection()

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
        said = {"role": role, "language": language, "title": self.title(language)}
        values = self.values(variables or {})
        try:
            return self.prompts.find(role, language).render({"name": self.name, **said, **values})
        except UNFIT:
            message = "These variables do not go with the assistant's instructions."
            raise InvalidRequest("invalid_value", message, "variables") from None

    def tools(self) -> tuple[ToolSpec, ...]:
        return tuple(tool.spec for tool in self.declared)

    def adapter(self, kind: Literal["stt", "brain", "tts"], language: str | None = None) -> str:
        """Which adapter of the cascade serves a language."""
        table: dict[str, str] = getattr(self.cascade, kind)
        said = said_in(table, self.pick_language(language), self.fallback_language)
        assert said is not None, "a table has something for the first language"
        return said

    def turn_detection(self) -> JsonObject:
        """As the protocol has it: without the gate, which is ours."""
        return self.turns.model_dump(exclude={"gate_db"})

    def upstream_key(self, environ: Mapping[str, str] = os.environ) -> str | None:
        """The provider's key, read now; None where there is none."""
        return self.upstream.key.read(self._folder, environ)

    def script(self) -> FolderFile | None:
        """The file that the scripted engine follows; None: it echoes."""
        return FolderFile(self._folder, self.scripted.script) if self.scripted.script else None

    def knowledge_files(self) -> tuple[FolderFile, ...]:
        """What its paths match now, in order of name, each once. Raises `AssistantError`."""
        try:
            return tuple(knowledge_files.found(self.knowledge.paths, self._folder))
        except UnreadableFile as error:
            file = f"{self._folder.name}/assistant.toml"
            raise AssistantError([Mistake(file, "knowledge.paths", None, error.reason)]) from None

    def unmatched(self) -> tuple[str, ...]:
        """The patterns of its knowledge that match nothing now."""
        return tuple(
            each for each in self.knowledge.paths if not knowledge_files.found([each], self._folder)
        )

    def model_post_init(self, context: object) -> None:
        assert isinstance(context, ValidationContext), "made by `load` alone"
        self._folder = context.folder

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
            raise wrong(f"must be one of {', '.join(sorted(engines))}{near(value, engines)}")
        return value

    @field_validator("variables")
    @classmethod
    def _are_free_names(cls, value: dict[str, Variable]) -> dict[str, Variable]:
        flaws = [
            FieldProblem("is a name that every prompt has already", (name,))
            for name in value
            if name in RESERVED
        ]
        if flaws:
            raise wrong(*flaws)
        return value

    @field_validator("prompts")
    @classmethod
    def _can_be_rendered(cls, value: PromptTable, info: ValidationInfo) -> PromptTable:
        """With the defaults, for every role and language there is."""
        ground, made = ValidationContext.of(info), info.data
        flaws = [flaw for prompt in value.table.values() for flaw in prompt.undeclared(ground.says)]
        if not flaws and {"name", "titles", "languages", "roles", "variables"} <= made.keys():
            defaults = {name: each.fallback for name, each in made["variables"].items()}
            for role, language in product(made["roles"], made["languages"]):
                title = _title(made["name"], made["titles"], language, made["languages"])
                said = {"name": made["name"], "title": title, "role": role, "language": language}
                flaw = value.find(role, language).attempt(said | defaults)
                flaws += [flaw] if flaw and flaw not in flaws else []
        if flaws:
            raise wrong(*flaws)
        return value

    @field_validator("declared")
    @classmethod
    def _have_different_names(
        cls, value: tuple[ToolDeclaration, ...]
    ) -> tuple[ToolDeclaration, ...]:
        names = [tool.name for tool in value]
        flaws = [
            FieldProblem(f'there are two tools named "{name}"', (index, "name"))
            for index, name in enumerate(names)
            if name in names[:index]
        ]
        if flaws:
            raise wrong(*flaws)
        return value

    @field_validator("voice")
    @classmethod
    def _can_be_heard(cls, value: VoiceSection, info: ValidationInfo) -> VoiceSection:
        """Only where our own cascade speaks: another server knows its own voices."""
        cascade = info.data.get("cascade")
        if cascade is None or info.data.get("engine") != "cascade":
            return value
        known = ValidationContext.of(info).known.voices
        for tts in sorted(set(cascade.tts.values())):
            if tts in known and value.name not in known[tts]:
                hint = near(value.name, known[tts])
                raise wrong(
                    FieldProblem(f'{tts} has no voice named "{value.name}"{hint}', ("name",))
                )
        return value


def _title(name: str, titles: Mapping[str, str], language: str, languages: Sequence[str]) -> str:
    return said_in(titles, language, languages[0]) or name.replace("-", " ").title()
