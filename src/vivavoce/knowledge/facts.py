"""Read `facts.toml`: short facts that are true for a time, such as a room that changed today.

    lunch = "Lunch is at one o'clock."

    [lift]
    text = "The lift in the foyer is out of order."
    title = "Lift"
    valid_from = 2027-05-12T08:00:00
    valid_until = 2027-05-12T18:00:00

A time without a zone is the assistant's. `valid_until` is the first moment at which it is not true.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ..file_reading import FolderFile
from ..toml import TomlFile, line_of, read_toml, toml_lines
from .chunks import LONGEST, Chunk
from .csv_file import Remark

FILE_BYTES = 256 * 1024
FACTS = 1000
_KEYS = ("text", "title", "language", "also", "valid_from", "valid_until")


class Fact(NamedTuple):
    """One fact, and the time during which it is true. None: without an end on that side."""

    chunk: Chunk
    valid_from: dt.datetime | None = None
    valid_until: dt.datetime | None = None

    def is_valid(self, now: dt.datetime) -> bool:
        """Return whether it is true at this time."""
        begun = self.valid_from is None or self.valid_from <= now
        return begun and (self.valid_until is None or now < self.valid_until)


class FactsRead(NamedTuple):
    """The facts of a file, in its order, and the mistakes of its author."""

    facts: tuple[Fact, ...]
    mistakes: list[Remark]


def valid(facts: Sequence[Fact], now: dt.datetime) -> list[Chunk]:
    """Return the facts that are true at this time."""
    return [fact.chunk for fact in facts if fact.is_valid(now)]


def next_change(facts: Sequence[Fact], now: dt.datetime) -> dt.datetime | None:
    """Return the next time at which a fact begins or ceases to be true."""
    times = (at for fact in facts for at in (fact.valid_from, fact.valid_until))
    return min((at for at in times if at is not None and at > now), default=None)


def read(file: FolderFile, languages: Sequence[str], zone: dt.tzinfo | None) -> FactsRead:
    """Read the facts of an assistant. Raises `UnreadableFileError`.

    A fact with a mistake is left out.
    """
    return _facts(read_toml(file, FILE_BYTES), file.path.name, languages, zone)


def _facts(
    read_file: TomlFile, source: str, languages: Sequence[str], zone: dt.tzinfo | None
) -> FactsRead:
    table, lines = read_file.data, toml_lines(read_file.text)
    facts: list[Fact] = []
    mistakes: list[Remark] = []
    for name, value in list(table.items())[:FACTS]:
        problems = list(_problems(value, languages))
        mistakes += [
            Remark(line_of(lines, (name, *key)) or 0, ".".join((name, *key)), message)
            for key, message in problems
        ]
        if not problems:
            facts.append(_fact(name, value, source, languages, zone))
    if len(table) > FACTS:
        mistakes.append(Remark(0, "", f"has {len(table)} facts; at most {FACTS} are read"))
    return FactsRead(tuple(facts), mistakes)


def _problems(value: object, languages: Sequence[str]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the key and the message of each mistake in one fact."""
    if isinstance(value, str):
        value = {"text": value}
    if not isinstance(value, dict):
        yield (), "must be text, or a table"
        return
    for key in value:
        if key not in _KEYS:
            yield (key,), f"is not a key here: {', '.join(_KEYS)}"
    text = value.get("text")
    if not isinstance(text, str) or not text.strip() or len(text) > LONGEST:
        yield ("text",), f"must be text of 1 to {LONGEST} characters"
    if not isinstance(value.get("title", ""), str):
        yield ("title",), "must be text"
    if value.get("language", languages[0]) not in languages:
        yield ("language",), f"must be one of {', '.join(languages)}"
    also = value.get("also", [])
    if not isinstance(also, list) or not all(isinstance(each, str) for each in also):
        yield ("also",), "must be a list of texts"
    for key in ("valid_from", "valid_until"):
        if key in value and not isinstance(value[key], dt.date):  # a datetime is one
            yield (key,), "must be a date or a date and time, without quotes"


def _fact(
    name: str,
    value: str | Mapping[str, object],
    source: str,
    languages: Sequence[str],
    zone: dt.tzinfo | None,
) -> Fact:
    table: Mapping[str, object] = {"text": value} if isinstance(value, str) else value
    also = table.get("also", [])
    assert isinstance(also, list)
    chunk = Chunk(
        id=f"{source}#{name}",
        title=str(table.get("title") or name.replace("_", " ").replace("-", " ")),
        text=" ".join(str(table["text"]).split()),
        language=str(table.get("language", languages[0])).partition("-")[0],
        also=tuple(also),
        source=source,
        place=name,
    )
    begins, ends = (_time(table.get(key), zone) for key in ("valid_from", "valid_until"))
    return Fact(chunk, begins, ends)


def _time(value: object, zone: dt.tzinfo | None) -> dt.datetime | None:
    """Return the moment: a date is its midnight. Without a zone it is the assistant's time."""
    if not isinstance(value, dt.date):
        return None
    at = value if isinstance(value, dt.datetime) else dt.datetime.combine(value, dt.time())
    if at.tzinfo is None:
        at = at.replace(tzinfo=zone) if zone is not None else at.astimezone()
    return at
