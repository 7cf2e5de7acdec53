"""Compile `[instructions]`: sandboxed Jinja2 templates, by role and language.

The lookup order is role.language, role, language, default. A template that cannot be rendered with
the defaults of the variables is a mistake, which the author sees when the assistant is loaded.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic_core import PydanticCustomError

from ..toml import KeyPath, did_you_mean
from .languages import not_a_language
from .validation import FieldProblem, ValidationContext, wrong

if TYPE_CHECKING:
    from pydantic import ValidationInfo

DEFAULT = "You are {{ title }}, a voice assistant. Answer in one or two short spoken sentences."
UNFIT = (TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""The exceptions of a template that does not fit its values."""

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
        """Compile a template. Raises `wrong` if it is invalid."""
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
            message = f'"{name}" is not among the variables{did_you_mean(name, names)}'
            yield FieldProblem(message, self.key, self.file)

    def attempt(self, values: Mapping[str, object]) -> FieldProblem | None:
        """Render it, and return the problem if that fails."""
        try:
            self.render(values)
        except UNFIT as error:
            line = _line(error.__traceback__) if self.file else None
            message = getattr(error, "message", None) or str(error)
            return FieldProblem(f"cannot be rendered: {message}", self.key, self.file, line)
        return None


def _line(traceback: TracebackType | None) -> int | None:
    """Return the template's line, which Jinja2 puts into the traceback."""
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
    """Compile the prompts of `[instructions]`. Raises `wrong` with every problem."""
    if isinstance(value, PromptTable):
        return value
    if not isinstance(value, dict):
        raise wrong("must be a table")
    context, problems = ValidationContext.of(info), list[FieldProblem]()
    table: dict[tuple[str | None, str | None], PromptTemplate] = {}
    for key, where, leaf in _leaves(value):
        try:
            table[_address(key, context)] = _prompt(leaf, where, context)
        except PydanticCustomError as error:
            problems += [_beneath(problem, where) for problem in (error.context or {})["problems"]]
    if problems:
        raise wrong(*problems)
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


def _address(key: tuple[str, ...], context: ValidationContext) -> tuple[str | None, str | None]:
    """Return the role and the language that a key stands for."""
    name, *rest = key
    roles, languages = context.roles or (), context.languages or ()
    if rest:
        if name not in roles and context.roles is not None:
            raise wrong(f'"{name}" is not among the roles{did_you_mean(name, roles)}')
        if rest[0] == "default":
            return name, None
        if (message := not_a_language(rest[0], context)) is not None:
            raise wrong(message)
        return name, rest[0]
    if name == "default":
        return None, None
    if name in roles:
        return name, None
    if context.roles is None or not_a_language(name, context) is None:
        return None, name
    hint = did_you_mean(name, ("default", *roles, *languages))
    raise wrong(f'must be "default", a role or a language{hint}')


def _prompt(leaf: object, key: KeyPath, context: ValidationContext) -> PromptTemplate:
    match leaf:
        case str():
            return PromptTemplate.parse(leaf, None, key)
        case {"file": str(name), **rest} if not rest:
            return PromptTemplate.parse(context.read(name), name, key)
        case _:
            raise wrong('must be text or { file = "…" }')


def _beneath(problem: FieldProblem, where: KeyPath) -> FieldProblem:
    return FieldProblem(problem.message, problem.key or where, problem.file, problem.line)
