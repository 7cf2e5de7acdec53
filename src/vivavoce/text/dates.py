"""Read dates as people, spreadsheets and programs write them.

A date needs its year. `12/05/2027` may be two days: the other dates of its column decide, or its
author. A full stop between numbers says that the day comes first, and so does a day over 12.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from typing import NamedTuple

from . import calendar
from .clock import CHARACTERS, UnclearError, read_span, tidy

_ISO = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})")
_COMPACT = re.compile(r"((?:19|20)\d{2})(\d{2})(\d{2})")
_NUMBERS = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d{2})")
_STAMP = re.compile(r"(?P<date>\d{4}-?\d{2}-?\d{2})t(?P<time>\d.*)")
_SMALL = frozenset(
    ["the", "of", "de", "del", "di", "il", "el", "on", "am", "den", "der", "le", "lo", "dem"]
)
_DAY = re.compile(r"(\d{1,2})(?:st|nd|rd|th|er|o|a|°)?")
_YEAR = re.compile(r"(?:19|20)\d{2}")


class Day(NamedTuple):
    """A date, or only a weekday. `date` is ISO, or "" if it is not known; 0 is Monday."""

    date: str
    weekday: int


class Stamp(NamedTuple):
    """The content of one cell: a day, a time, both, or a span of time."""

    day: Day | None
    start: str = ""
    end: str = ""


def read_day(text: str, *, day_first: bool | None = None) -> Day:
    """Return the date or the weekday that a whole text is. Raises `UnclearError`.

    `day_first` says how `12/05/2027` is meant; None if that is not known.
    """
    plain = tidy(text).strip(" ,")
    if len(plain) > CHARACTERS:
        raise _not_a_date(plain[:CHARACTERS])
    if match := _ISO.fullmatch(plain):
        return _day(int(match[1]), int(match[3]), int(match[4]), text)
    if match := _COMPACT.fullmatch(plain):
        return _day(int(match[1]), int(match[2]), int(match[3]), text)
    weekday, rest = _without_weekday(plain)
    if match := _NUMBERS.fullmatch(rest):
        return _checked(_numbered(match, text, day_first), weekday, text)
    return _named(plain, text)


def _without_weekday(plain: str) -> tuple[int | None, str]:
    """Cut the name of a weekday from the beginning of a date in numbers."""
    match = re.match(r"([a-z]+)\.?,? (?=\d)", plain)
    weekday = calendar.weekday(match[1]) if match else None
    return (None, plain) if match is None or weekday is None else (weekday, plain[match.end() :])


def read_stamp(text: str, *, day_first: bool | None = None) -> Stamp:
    """Return the day and the time that one cell has. Raises `UnclearError` for anything else."""
    plain = tidy(text)
    unclear: list[UnclearError] = []
    try:
        return Stamp(None, *read_span(text))
    except UnclearError as error:
        unclear.append(error)
    try:
        return Stamp(read_day(text, day_first=day_first))
    except UnclearError as error:
        unclear.append(error)
    for left, right in _halves(plain[:CHARACTERS]):
        try:
            return Stamp(read_day(left, day_first=day_first), *read_span(right))
        except UnclearError as error:
            unclear.append(error)
    raise next((each for each in unclear if each.specific), unclear[0])


def day_first(texts: Iterable[str]) -> bool | None:
    """Return how a column writes its dates: True if one has a day over 12 before its month.

    None if no date decides, or if two contradict each other.
    """
    found = {
        int(match[1]) > 12
        for text in texts
        for match in _NUMBERS.finditer(tidy(text)[:CHARACTERS])
        if match[2] != "." and (int(match[1]) > 12) != (int(match[3]) > 12)
    }
    return found.pop() if len(found) == 1 else None


def _halves(plain: str) -> list[tuple[str, str]]:
    """Return each way to cut a text into a day and a time, the longest day first."""
    if match := _STAMP.fullmatch(plain):
        return [(match["date"], match["time"])]
    cuts = [at.start() for at in re.finditer(r"[ ,]", plain)]
    return [(plain[:at].strip(" ,-"), plain[at:].strip(" ,-")) for at in reversed(cuts)]


def _numbered(match: re.Match[str], text: str, order: bool | None) -> Day:
    first, second, year = int(match[1]), int(match[3]), int(match[4])
    year += 2000 if len(match[4]) == 2 else 0
    if match[2] == "." or first > 12 or first == second:
        return _day(year, second, first, text)
    if second > 12:
        return _day(year, first, second, text)
    if order is None:
        one = calendar.MONTHS["en"][second - 1], calendar.MONTHS["en"][first - 1]
        raise UnclearError(
            f'"{text.strip()}" may be {first} {one[0]} or {second} {one[1]}: '
            f"write {year}-{second:02d}-{first:02d} or {year}-{first:02d}-{second:02d}"
        )
    return _day(year, second, first, text) if order else _day(year, first, second, text)


def _named(plain: str, text: str) -> Day:
    """Read a date with the name of its weekday or month, in any order."""
    weekday = month = day = year = None
    for word in re.split(r"[\s,.\-/]+", plain.strip(" .,")):
        number = _DAY.fullmatch(word)
        if word in _SMALL:
            continue
        if number and day is None and 1 <= int(number[1]) <= 31:
            day = int(number[1])
        elif year is None and (_YEAR.fullmatch(word) or (day and month and word.isdecimal())):
            year = int(word) + (2000 if len(word) == 2 else 0)
        elif month is None and (found := calendar.month(word)) and _dated(plain):
            month = found
        elif weekday is None and (name := calendar.weekday(word)) is not None:
            weekday = name
        else:
            raise _not_a_date(text)
    if weekday is not None and (day, month, year) == (None, None, None):
        return Day("", weekday)
    if not day or not month:
        raise _not_a_date(text)
    if year is None:
        raise UnclearError(f'"{text.strip()}" has no year')
    return _checked(_day(year, month, day, text), weekday, text)


def _not_a_date(text: str) -> UnclearError:
    return UnclearError(f'"{text.strip()}" is not a date such as 2027-05-12', specific=False)


def _dated(plain: str) -> bool:
    """Tell "12 mar 2027" from "mar", which is a Tuesday in Italian and Spanish."""
    return any(c.isdigit() for c in plain)


def _checked(found: Day, weekday: int | None, text: str) -> Day:
    if weekday is not None and weekday != found.weekday:
        name = calendar.WEEKDAYS["en"][found.weekday]
        raise UnclearError(f'"{text.strip()}" is a {name}')
    return found


def _day(year: int, month: int, day: int, text: str) -> Day:
    try:
        date = dt.date(year, month, day)
    except ValueError:
        raise UnclearError(f'"{text.strip()}" is not a day of the calendar') from None
    return Day(date.isoformat(), date.weekday())
