"""What is said once for all languages, or in a table by language.

One rule for every such table: the language itself, then the language without its region, then
what was said without a language, then the assistant's first language.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from .validation import LANGUAGE, FieldProblem, ValidationContext, near, wrong

EVERY = "*"  # the key of what was said without a language


def said_in(table: Mapping[str, str], language: str, first: str) -> str | None:
    for key in (language, language.partition("-")[0], EVERY, first):
        if key in table:
            return table[key]
    return None


def pick(asked: str | None, languages: Sequence[str]) -> str:
    """The nearest of the languages to what was asked for; the first if none is near."""
    wanted = (asked or "").strip().replace("_", "-").lower()
    primary = wanted.partition("-")[0]
    for language in languages:
        if language.lower() == wanted:
            return language
    for language in languages:
        if language.lower().partition("-")[0] == primary:
            return language
    return languages[0]


def not_a_language(key: str, ground: ValidationContext) -> str | None:
    """Why this cannot be the key of a table by language; None: it can."""
    if ground.languages is None:
        return None if LANGUAGE.fullmatch(key) else f'"{key}" is not a language such as "en"'
    if any(key in (each, each.partition("-")[0]) for each in ground.languages):
        return None
    return f'"{key}" is not among the languages {", ".join(ground.languages)}' + near(
        key, ground.languages
    )


def _as_table(value: object) -> object:
    if isinstance(value, dict):
        if EVERY in value:
            raise wrong(FieldProblem(f'"{EVERY}" is not a language such as "en"', (EVERY,)))
        return value
    return {EVERY: value}


def _judge_keys(table: dict[str, str], info: ValidationInfo) -> dict[str, str]:
    ground = ValidationContext.of(info)
    written = [key for key in table if key != EVERY]
    flaws = [FieldProblem(m, (key,)) for key in written if (m := not_a_language(key, ground))]
    first = ground.languages[0] if ground.languages else EVERY
    if said_in(table, first, first) is None and ground.languages:
        flaws.append(
            FieldProblem(f'has nothing for "{first}", which the other languages fall back on')
        )
    if flaws:
        raise wrong(*flaws)
    return table


ShortText = Annotated[str, Field(min_length=1, max_length=1000)]
ByLanguage = Annotated[
    dict[str, ShortText],
    BeforeValidator(_as_table),
    AfterValidator(_judge_keys),
    Field(max_length=100),
]
