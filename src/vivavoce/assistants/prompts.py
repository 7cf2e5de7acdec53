"""Compile `[instructions]`: sandboxed Jinja2 templates, by role and language.

The lookup order is role.language, role, language, default. A template that cannot be rendered with
the defaults of the variables is a mistake, which the author sees when the assistant is loaded.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

from jinja2 import Template, TemplateSyntaxError, meta
from pydantic_core import PydanticCustomError

from ..toml import KeyPath, did_you_mean
from .bounded_templates import (
    CHARACTERS,
    STEPS,
    TEMPLATE,
    TOKENS,
    BoundedEnvironment,
    Budget,
    spending,
)
from .languages import not_a_language
from .validation import FieldProblem, ValidationContext, wrong

if TYPE_CHECKING:
    from pydantic import ValidationInfo

DEFAULT = "You are {{ title }}, a voice assistant. Answer in one or two short spoken sentences."
PROMPTS = 100  # of an assistant
RENDERINGS = 20  # the budget for trying all roles and languages, in budgets of one rendering

_jinja = BoundedEnvironment()


class UnfitPromptError(Exception):
    """Report a template that cannot be rendered. `line` is the template's."""

    def __init__(self, message: str, line: int | None) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    template: Template
    names: frozenset[str]  # of the variables it uses
    file: str | None = None  # None: written in assistant.toml
    key: KeyPath = ()  # where [instructions] names it

    @staticmethod
    def parse(text: str, file: str | None = None, key: KeyPath = ()) -> PromptTemplate:
        """Compile a template. Raises `wrong` if it is invalid."""
        with spending(Budget()):
            try:
                if _jinja.tokens(text) > TOKENS:
                    raise wrong(FieldProblem(f"has more than {TOKENS} tokens of code", key, file))
                tree = _jinja.parse(text)
                if any(True for _ in meta.find_referenced_templates(tree)):
                    problem = FieldProblem("a prompt cannot include or import another", key, file)
                    raise wrong(problem)
                names = meta.find_undeclared_variables(tree) - _jinja.globals.keys()
                template = _jinja.bounded(tree)
            except TemplateSyntaxError as error:
                line = error.lineno if file else None
                raise wrong(FieldProblem(error.message or "", key, file, line)) from None
            except PydanticCustomError:
                raise
            except Exception as error:  # too deeply nested for Jinja2, or for Python's compiler
                raise wrong(FieldProblem(f"cannot be compiled: {_why(error)}", key, file)) from None
        return PromptTemplate(template, frozenset(names), file, key)

    def render(self, values: Mapping[str, object], budget: Budget | None = None) -> str:
        """Render it within the budget of one rendering. Raises `UnfitPromptError`."""
        with spending(budget or Budget()):
            try:
                return self.template.render(values).strip()
            except Exception as error:
                raise UnfitPromptError(_why(error), _line(error.__traceback__)) from None

    def undeclared(self, names: Collection[str]) -> Iterator[FieldProblem]:
        for name in sorted(self.names.difference(names)):
            message = f'"{name}" is not among the variables{did_you_mean(name, names)}'
            yield FieldProblem(message, self.key, self.file)

    def attempt(self, values: Mapping[str, object], allowance: Budget) -> FieldProblem | None:
        """Render it, and return the problem if that fails.

        `allowance` is what all renderings of the assistant may use together.
        """
        steps, characters = min(STEPS, allowance.steps), min(CHARACTERS, allowance.characters)
        budget = Budget(steps, characters)
        try:
            self.render(values, budget)
        except UnfitPromptError as error:
            line = error.line if self.file else None
            return FieldProblem(f"cannot be rendered: {error}", self.key, self.file, line)
        finally:
            allowance.steps -= steps - max(budget.steps, 0)
            allowance.characters -= characters - max(budget.characters, 0)
        return None


def allowance() -> Budget:
    """Return the budget for trying an assistant's prompts in all roles and languages."""
    return Budget(RENDERINGS * STEPS, RENDERINGS * CHARACTERS)


def _why(error: Exception) -> str:
    if isinstance(error, RecursionError | MemoryError):
        return "it is nested too deeply"
    return getattr(error, "message", None) or str(error) or type(error).__name__


def _line(traceback: TracebackType | None) -> int | None:
    """Return the template's line, which Jinja2 puts into the traceback."""
    line = None
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == TEMPLATE:
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
            if len(table) == PROMPTS:
                problems.append(FieldProblem(f"there are more than {PROMPTS} prompts", where))
                break
            text, file = _text(leaf, context)
            table[_address(key, context)] = PromptTemplate.parse(text, file, where)
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


def _text(leaf: object, context: ValidationContext) -> tuple[str, str | None]:
    """Return the text of a prompt, and the name of its file. None: it is in assistant.toml."""
    match leaf:
        case str():
            return leaf, None
        case {"file": str(name), **rest} if not rest:
            return context.read(name), name
        case _:
            raise wrong('must be text or { file = "…" }')


def _beneath(problem: FieldProblem, where: KeyPath) -> FieldProblem:
    return FieldProblem(problem.message, problem.key or where, problem.file, problem.line)
