"""`[instructions]`: Jinja2 templates, sandboxed, one for each role and language that has its own.

Looked up role.language → role → language → default. What cannot be rendered with the defaults of
the variables is a mistake of the author's, found at load time and not in somebody's call.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic_core import PydanticCustomError

from .languages import not_a_language
from .validation import FieldProblem, KeyPath, ValidationContext, near, wrong

if TYPE_CHECKING:
    from pydantic import ValidationInfo

DEFAULT = "You are {{ title }}, a voice assistant. Answer in one or two short spoken sentences."
UNFIT = (TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What a template raises that does not go with its values."""

_TEMPLATE = "<prompt>"

_jinja = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined,
    autoescape=False,  # this is text for a model, not markup
    trim_blocks=True,
    lstrip_blocks=True,
    finalize=lambda value: "" if value is None else value,
)


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    template: Template
    names: frozenset[str]  # of the variables it uses
    file: str | None = None  # None: written in assistant.toml
    key: KeyPath = ()  # where [instructions] names it

    @staticmethod
    def parse(text: str, file: str | None = None, key: KeyPath = ()) -> PromptTemplate:
        """Raises `wrong` for what is not a template."""
        try:
            tree = _jinja.parse(text)
            if any(True for _ in meta.find_referenced_templates(tree)):
                raise wrong(FieldProblem("a prompt cannot include or import another", key, file))
            code = _jinja.compile(text, filename=_TEMPLATE)
        except TemplateSyntaxError as error:
            raise wrong(
                FieldProblem(error.message or "", key, file, error.lineno if file else None)
            ) from None
        template = Template.from_code(_jinja, code, _jinja.make_globals(None))
        names = meta.find_undeclared_variables(tree) - _jinja.globals.keys()
        return PromptTemplate(template, frozenset(names), file, key)

    def render(self, values: Mapping[str, object]) -> str:
        return self.template.render(values).strip()

    def undeclared(self, names: Collection[str]) -> Iterator[FieldProblem]:
        for name in sorted(self.names.difference(names)):
            message = f'"{name}" is not among the variables{near(name, names)}'
            yield FieldProblem(message, self.key, self.file)

    def attempt(self, values: Mapping[str, object]) -> FieldProblem | None:
        """What goes wrong when it is rendered."""
        try:
            self.render(values)
        except UNFIT as error:
            line = _line(error.__traceback__) if self.file else None
            message = getattr(error, "message", None) or str(error)
            return FieldProblem(f"cannot be rendered: {message}", self.key, self.file, line)
        return None


def _line(traceback: TracebackType | None) -> int | None:
    """Jinja2 puts its template's lines into the traceback."""
    line = None
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == _TEMPLATE:
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line


@dataclass(frozen=True, slots=True)
class PromptTable:
    table: Mapping[tuple[str | None, str | None], PromptTemplate]  # by role and language; None: any

    def find(self, role: str, language: str) -> PromptTemplate:
        primary = language.partition("-")[0]
        for who in (role, None):
            for spoken in (language, primary, None):
                if (prompt := self.table.get((who, spoken))) is not None:
                    return prompt
        return _BUILT_IN


_BUILT_IN = PromptTemplate.parse(DEFAULT)
NONE = PromptTable({})


def read(value: object, info: ValidationInfo) -> PromptTable:
    """`[instructions]` as written → prompts as rendered. Raises `wrong` with all that is wrong."""
    if isinstance(value, PromptTable):
        return value
    if not isinstance(value, dict):
        raise wrong("must be a table")
    ground, flaws = ValidationContext.of(info), list[FieldProblem]()
    table: dict[tuple[str | None, str | None], PromptTemplate] = {}
    for key, where, leaf in _leaves(value):
        try:
            table[_address(key, ground)] = _prompt(leaf, where, ground)
        except PydanticCustomError as error:
            flaws += [_beneath(flaw, where) for flaw in (error.context or {})["flaws"]]
    if flaws:
        raise wrong(*flaws)
    return PromptTable(table)


def _leaves(table: dict[str, object]) -> Iterator[tuple[tuple[str, ...], KeyPath, object]]:
    for name, value in table.items():
        if isinstance(value, dict) and not _is_leaf(value):
            for inner, leaf in value.items():
                yield (name, inner), (name, inner), leaf
        else:
            yield (name,), (name,), value


def _is_leaf(value: dict[str, object]) -> bool:
    return "file" in value and not isinstance(value["file"], dict)


def _address(key: tuple[str, ...], ground: ValidationContext) -> tuple[str | None, str | None]:
    """Which role and which language a key stands for."""
    name, *rest = key
    roles, languages = ground.roles or (), ground.languages or ()
    if rest:
        if name not in roles and ground.roles is not None:
            raise wrong(f'"{name}" is not among the roles{near(name, roles)}')
        if rest[0] == "default":
            return name, None
        if (message := not_a_language(rest[0], ground)) is not None:
            raise wrong(message)
        return name, rest[0]
    if name == "default":
        return None, None
    if name in roles:
        return name, None
    if ground.roles is None or not_a_language(name, ground) is None:
        return None, name
    hint = near(name, ("default", *roles, *languages))
    raise wrong(f'must be "default", a role or a language{hint}')


def _prompt(leaf: object, key: KeyPath, ground: ValidationContext) -> PromptTemplate:
    match leaf:
        case str():
            return PromptTemplate.parse(leaf, None, key)
        case {"file": str(name), **rest} if not rest:
            return PromptTemplate.parse(ground.read(name), name, key)
        case _:
            raise wrong('must be text or { file = "…" }')


def _beneath(flaw: FieldProblem, where: KeyPath) -> FieldProblem:
    return FieldProblem(flaw.message, flaw.key or where, flaw.file, flaw.line)
