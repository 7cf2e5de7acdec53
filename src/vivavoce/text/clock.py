"""Read times of day as people, spreadsheets and programs write them.

A time is `HH:MM`, from `00:00` to `24:00`. The readers take a whole text or raise `UnclearError`:
they ignore nothing that stands before or after a time. A time zone is accepted and dropped, since
a programme says the time of its place. UTC is refused, because it is seldom that time.
"""

from __future__ import annotations

import re
from typing import Literal

from .folding import fold

CHARACTERS = 60  # of a text that may be a time or a date
DAY = 24 * 60  # minutes
Half = Literal["am", "pm"]

AM = r"a\.? ?m\b\.?"
PM = r"p\.? ?m\b\.?"
_EARLY = (
    r"in the morning|(?:di|del|della|al) (?:mattina|mattino)|(?:de|por) la (?:manana|madrugada)|"
    r"morgens|vormittags|fruh"
)
_LATE = (
    r"in the (?:afternoon|evening)|at night|(?:di|del|della) (?:pomeriggio|sera)|"
    r"(?:de|por) la (?:tarde|noche)|nachmittags|abends"
)
HALF = rf"(?:(?P<early>{AM}|{_EARLY})|(?P<late>{PM}|{_LATE}))"
_LONE_HALF = r"(?:(?P<a>a)|(?P<p>p))"  # "9:30a", in exports of calendars
_BEFORE = r"(?:at|ore|alle ore|alle|all'|h|a las|a la|las|um|from|dalle|dalle ore|von|ab|de)"
_ZONE = (
    r"(?P<zone>z|utc|gmt|[a-z]{2,4}t|\+\d{2}:?\d{2}|\((?:[a-z]{3,4}|gmt[+-]\d{1,2})\)"
    r"|(?<=:\d\d:\d\d)-\d{2}:?\d{2})"  # without seconds it is the end of a range
)
_TIME = re.compile(
    rf"(?:{_BEFORE} ?)?(?P<hour>\d{{1,2}})"
    r"(?: ?(?:[:.h]|uhr) ?(?P<minute>\d{2})(?:[:.](?P<second>\d{2})(?:[.,]\d{1,9})?)?)?"
    r"(?: ?(?:h|hs|hrs?|hours|uhr|o'? ?clock))?"
    rf"(?: ?{HALF}|{_LONE_HALF})?(?: ?{_ZONE})?"
)
_MILITARY = re.compile(r"(?P<hour>[01]\d|2[0-4])(?P<minute>[0-5]\d)(?: ?h| ?hrs?| ?hours)?")
_NOON = re.compile(r"(?:12 )?(?:noon|midday)|mezzogiorno|mediodia|mittags?")
_MIDNIGHT = re.compile(r"(?:12 )?midnight|mezzanotte|medianoche|mitternachts?")
_DASHES = re.compile(r"[‐‑‒–—−]")
_BETWEEN = re.compile(
    r" ?- ?| (?:to|until|till|bis|alle|fino alle|alle ore|a|a las|a la|hasta las|and|e|y) "
)
_EARLIEST_BARE = 7  # a lone "2" may be 14:00; nothing is at 2 in the night by one digit


class UnclearError(ValueError):
    """A text is not a value, or may be two. The message is a sentence for its author.

    `specific`: the text has the form of a value, so the message is about its content.
    """

    def __init__(self, message: str, *, specific: bool = True) -> None:
        super().__init__(message)
        self.specific = specific


def tidy(text: str) -> str:
    """Fold a cell: small letters, plain dashes and blanks."""
    return " ".join(_DASHES.sub("-", fold(text)).replace("：", ":").split())


def read_clock(text: str) -> str:
    """Return the time of day that a whole text is. Raises `UnclearError`."""
    hour, minute, half = _parts(text)
    return _of(hour, minute, half, text)


def read_span(text: str) -> tuple[str, str]:
    """Return start and end; the end is "" if there is only one time. Raises `UnclearError`."""
    try:
        return read_clock(text), ""
    except UnclearError as error:
        for gap in _BETWEEN.finditer(tidy(text)[:CHARACTERS]):
            plain = tidy(text)
            left, right = plain[: gap.start()], plain[gap.end() :]
            try:
                return _start_before(left, read_clock(right), right), read_clock(right)
            except UnclearError:
                continue
        raise error


def written(hour: int, minute: int, half: Half | None = None) -> str | None:
    """Return a time as `HH:MM`, or None for one that does not exist."""
    if half == "am" and hour == 12:
        hour = 0
    elif half == "pm" and 0 < hour < 12:
        hour += 12
    elif half is not None and not (1 <= hour <= 11 or (half, hour) == ("pm", 12)):
        redundant = (half == "am" and hour == 0) or (half == "pm" and 13 <= hour < 24)
        if not redundant:
            return None
    exists = (hour < 24 and minute < 60) or (hour, minute) == (24, 0)
    return f"{hour:02d}:{minute:02d}" if exists else None


def minutes(clock: str) -> int:
    """Return the minutes from midnight to a time `HH:MM`."""
    hour, minute = clock.split(":")
    return int(hour) * 60 + int(minute)


def span(start: str, end: str) -> tuple[int, int]:
    """Return two times in minutes. An end before its start is on the next day."""
    begins = minutes(start)
    ends = minutes(end) if end else begins
    return begins, ends + DAY if ends < begins else ends


def half_of(match: re.Match[str]) -> Half | None:
    """Return the half of the day that a match of `HALF` names."""
    if match["early"]:
        return "am"
    return "pm" if match["late"] else None


def _parts(text: str) -> tuple[int, int, Half | None]:
    plain = tidy(text)
    if len(plain) > CHARACTERS:
        raise UnclearError(f'"{plain[:CHARACTERS]}…" is not a time', specific=False)
    if _NOON.fullmatch(plain):
        return 12, 0, None
    if _MIDNIGHT.fullmatch(plain):
        return 24, 0, None
    if match := _MILITARY.fullmatch(plain):
        return int(match["hour"]), int(match["minute"]), None
    match = _TIME.fullmatch(plain)
    if match is None:
        message = f'"{text.strip()}" is not a time such as 14:30 or 2:30 pm'
        raise UnclearError(message, specific=False)
    if match["zone"] and re.fullmatch(r"z|utc|gmt|[+-]00:?00", match["zone"]):
        raise UnclearError(f'"{text.strip()}" is in UTC: write the time of the place')
    half: Half | None = half_of(match) or ("am" if match["a"] else "pm" if match["p"] else None)
    if plain.isdecimal() and 0 < int(plain) < _EARLIEST_BARE and len(plain) == 1:
        raise UnclearError(
            f'"{plain}" may be {plain}:00 or {int(plain) + 12}:00: write the minutes'
        )
    return int(match["hour"]), int(match["minute"] or 0), half


def _of(hour: int, minute: int, half: Half | None, text: str) -> str:
    clock = written(hour, minute, half)
    if clock is None:
        raise UnclearError(f'"{text.strip()}" is not a time of the day')
    return clock


def _start_before(left: str, end: str, right: str) -> str:
    """Read the start of a range. It shares the half of its end: "2-2:45 pm"."""
    try:
        hour, minute, half = _parts(left)
    except UnclearError:
        if not re.fullmatch(r"\d", left):
            raise
        hour, minute, half = int(left), 0, None
    if half is None and hour <= 12 and _parts(right)[2] is not None:
        for guess in ("pm", "am"):
            start = written(hour, minute, guess) if hour else None
            if start is not None and start < end:
                return start
    return _of(hour, minute, half, left)
