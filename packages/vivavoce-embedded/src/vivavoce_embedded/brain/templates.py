"""Match an utterance with a phrase that names parameters: "save {name} as {position}".

A phrase is one of a tool's `x-examples`. The user says its words in their order, with nothing
before or after them that means anything. The text between them fills the parameters. `{change=add}`
stands for no words: a user who says the phrase means this value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import msgspec

from . import slots
from .phrases import PHRASES
from .utterance import UserUtterance

WORDS = 40  # of an utterance; a longer one is no phrase
FREE_WORDS = 8  # that fill one parameter,
LAST_WORDS = 24  # and the one that ends the phrase: a note, a message
PARAMETERS = 6  # of a phrase
CERTAIN, A_WORD = 0.9, 0.01  # the score of a match, and of each of its words more
STEPS_A_TEMPLATE = 4

_FIXED = re.compile(r"\{(\w{1,100})=([^{}]{1,100})\}")
_PARAMETER = re.compile(r"\{(\w{1,100})\}")
_END = re.compile(
    r"(?: (?:please|thanks|thank you|now|per favore|grazie|adesso|ora|por favor|gracias|ahora))+$"
)


class Template(msgspec.Struct, frozen=True):
    """The words of a phrase, and the parameters behind each run of them but the last.

    `runs` has one more element than `names`. The first and the last may be empty.
    """

    runs: tuple[tuple[str, ...], ...]
    names: tuple[str, ...]
    fixed: tuple[tuple[str, object], ...] = ()

    @property
    def words(self) -> int:
        return sum(map(len, self.runs))

    @property
    def is_open(self) -> bool:
        """Whether the last parameter follows words, and reaches to the end."""
        return bool(self.names) and bool(self.runs[0]) and not self.runs[-1]


def literal(phrase: str) -> str:
    """Return a phrase without its parameters."""
    return _PARAMETER.sub(" ", _FIXED.sub(" ", phrase))


def read(phrase: str, names: Mapping[str, object], language: str) -> Template | None:
    """Read a phrase. None: it has no words, or names an unknown parameter, or two in a row."""
    fixed = tuple((name, _json(value)) for name, value in _FIXED.findall(phrase))
    pieces = _PARAMETER.split(_FIXED.sub(" ", phrase))
    runs = [tuple(UserUtterance(text, language).digits.split()) for text in pieces[::2]]
    found = tuple(pieces[1::2])
    if not any(runs) or not all(runs[1:-1]) or len(set(found)) != len(found):
        return None
    if len(found) > PARAMETERS or any(n not in names for n in (*found, *(n for n, _ in fixed))):
        return None
    return Template(tuple(runs), found, fixed)


def _json(text: str) -> object:
    """Return a number or a truth value, or the text itself."""
    try:
        value = msgspec.json.decode(text)
    except ValueError:
        return text
    return value if isinstance(value, bool | int | float) else text


def match(
    template: Template,
    properties: Mapping[str, slots.Schema],
    search: slots.Search,
    is_filler: Callable[[str], bool],
) -> dict[str, object] | None:
    """Return the arguments that an utterance gives, or None if it is not this phrase.

    `is_filler`: whether words mean nothing. Raises `Spent`.
    """
    words = _END.sub("", f" {search.said.digits}").split()
    if len(words) > WORDS:
        return None
    search.budget.spend(STEPS_A_TEMPLATE)
    between = _between(template, words, is_filler)
    if between is None:
        return None
    given: dict[str, object] = dict(template.fixed)
    others = [
        schema
        for name, schema in properties.items()
        if "enum" in schema and name not in template.names and name not in given
    ]
    for name, text in zip(template.names, between, strict=True):
        last = name == template.names[-1] and template.is_open
        most = LAST_WORDS if last else FREE_WORDS
        if slots.is_free(properties[name]):
            value: object = _free(search, text, most, alone=len(properties) == 1)
        else:
            value = _value(properties[name], search, text, is_filler)
        if value is None or (isinstance(value, str) and _holds_other(others, search, text)):
            return None
        given[name] = value
    return given


def _holds_other(others: Sequence[slots.Schema], search: slots.Search, text: str) -> bool:
    """Return whether a free text holds what another parameter should have: "save my striker"."""
    inner = slots.Search(
        said=UserUtterance(text, search.said.language), today=search.today, budget=search.budget
    )
    return any(slots.find(schema, inner, inner.said.digits) for schema in others)


def _between(
    template: Template, words: Sequence[str], is_filler: Callable[[str], bool]
) -> list[str] | None:
    """Return the text of each parameter."""
    first, *others = template.runs
    at = _find(first, words, 0)
    if at is None or (at and not is_filler(" ".join(words[:at]))):
        return None
    at += len(first)
    texts: list[str] = []
    for place, run in enumerate(others):
        last = place == len(others) - 1
        end = _find_end(run, words, at + 1) if last else _find(run, words, at + 1)
        if end is None:
            return None
        texts.append(" ".join(words[at:end]))
        at = end + len(run)
    rest = " ".join(words[at:])
    return texts if not rest or is_filler(rest) else None


def _find(run: tuple[str, ...], words: Sequence[str], start: int) -> int | None:
    """Return where these words begin, at `start` or behind it."""
    places = range(start, len(words) - len(run) + 1)
    return next((n for n in places if tuple(words[n : n + len(run)]) == run), None)


def _find_end(run: tuple[str, ...], words: Sequence[str], start: int) -> int | None:
    """Return where the last words begin. Without any, the parameter reaches to the end."""
    if run:
        return _find(run, words, start)
    return len(words) if len(words) >= start else None


def _value(
    schema: slots.Schema, search: slots.Search, text: str, is_filler: Callable[[str], bool]
) -> object | None:
    """Return the value that a text gives a parameter of this type, and nothing else."""
    language = search.said.language
    items = slots.plain(schema.get("items")) if schema.get("type") == "array" else None
    if items is not None and slots.is_free(items):
        written = search.said.original(text)
        commas = re.split(rf",|\s(?:{PHRASES[language].and_}|&)\s", written)
        return [name for each in commas if (name := each.strip(" .,;:!?¿¡\"'"))] or None
    inner = slots.Search(
        said=UserUtterance(text, language), today=search.today, budget=search.budget
    )
    found = slots.find(schema, inner, inner.said.digits, asked=True, required=True)
    if (
        found is None
        or not found.settled
        or not _is_whole(found.said, inner.said.digits, is_filler)
    ):
        return None
    return found.value


def _is_whole(said: str, text: str, is_filler: Callable[[str], bool]) -> bool:
    """Return whether a text says a value and nothing else. A misheard value has as many words."""
    if slots.holds(text, said):
        rest = text.replace(said, " ", 1).strip()
        return not rest or is_filler(rest)
    return len(text.split()) <= len(said.split())


def _free(search: slots.Search, text: str, most: int, *, alone: bool) -> str | None:
    """Return the words of a free text, or None if they are more than `most`.

    A comma ends the text, unless it is `alone`: the tool has no other parameter.
    """
    if not text or len(text.split()) > most:
        return None
    written = search.said.original(text)
    return written if alone or "," not in written else None
