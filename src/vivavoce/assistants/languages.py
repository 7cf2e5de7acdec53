"""Texts that are the same for all languages, or a table by language.

A lookup tries the language, then the language without its region, then the text for all
languages, then the assistant's first language.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from ..toml import did_you_mean
from .validation import LANGUAGE, FieldProblem, ValidationContext, wrong

EVERY = "*"  # the key of a text for all languages

T = TypeVar("T")


def said_in(table: Mapping[str, T], language: str, first: str) -> T | None:
    for key in (language, language.partition("-")[0], EVERY, first):
        if key in table:
            return table[key]
    return None


def pick(asked: str | None, languages: Sequence[str]) -> str:
    """Return the nearest of the languages to the requested one; the first if none is near."""
    wanted = (asked or "").strip().replace("_", "-").lower()
    primary = wanted.partition("-")[0]
    for language in languages:
        if language.lower() == wanted:
            return language
    for language in languages:
        if language.lower().partition("-")[0] == primary:
            return language
    return languages[0]


def not_a_language(key: str, context: ValidationContext) -> str | None:
    """Say why this cannot be a key of a table by language; None: it can."""
    if context.languages is None:
        return None if LANGUAGE.fullmatch(key) else not_of_form(key)
    if any(key in (each, each.partition("-")[0]) for each in context.languages):
        return None
    return f'"{key}" is not among the languages {", ".join(context.languages)}' + did_you_mean(
        key, context.languages
    )


def _as_table(value: object) -> object:
    if isinstance(value, dict):
        if EVERY in value:
            raise wrong(FieldProblem(f'"{EVERY}" is not a language such as "en"', (EVERY,)))
        return value
    return {EVERY: value}


def _check_keys(table: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
    context = ValidationContext.of(info)
    written = [key for key in table if key != EVERY]
    problems = [FieldProblem(m, (key,)) for key in written if (m := not_a_language(key, context))]
    first = context.languages[0] if context.languages else EVERY
    if said_in(table, first, first) is None and context.languages:
        problems.append(
            FieldProblem(f'has nothing for "{first}", which the other languages fall back on')
        )
    if problems:
        raise wrong(*problems)
    return table


def _check_form(table: dict[str, str]) -> dict[str, str]:
    wrong_keys = [key for key in table if key != EVERY and not LANGUAGE.fullmatch(key)]
    if wrong_keys:
        raise wrong(*(FieldProblem(not_of_form(key), (key,)) for key in wrong_keys))
    return table


def not_of_form(key: str) -> str:
    """Say that a key has not the form of a language."""
    return f'"{key}" is not a language such as "en"'


ShortText = Annotated[str, Field(min_length=1, max_length=1000)]
ByLanguage = Annotated[
    dict[str, ShortText],
    BeforeValidator(_as_table),
    AfterValidator(_check_keys),
    Field(max_length=100),
]

ToolTexts = Annotated[
    dict[str, ShortText],
    BeforeValidator(_as_table),
    AfterValidator(_check_form),
    Field(max_length=100),
]
"""Texts of a tool. They may be in languages that the assistant does not have (yet): a tool is
shared by assistants. One rule for `assistant.toml` and `tools.py`."""
Question = Annotated[str, Field(min_length=1, max_length=120)]
QuestionsByLanguage = Annotated[
    dict[str, Annotated[tuple[Question, ...], Field(max_length=6, strict=False)]],
    BeforeValidator(_as_table),
    AfterValidator(_check_keys),
    Field(max_length=100),
]
