"""Find dates and times of day in an utterance. Works on folded text with digits.

A day without a year is the next one that comes; so is a weekday ("on Friday", said on a Friday, is
in a week). An hour from 1 to 11 is the morning's unless something says otherwise.
"""

from __future__ import annotations

import datetime as dt
import re

import msgspec

from vivavoce.text import clock
from vivavoce.text.calendar import MONTHS, WEEKDAYS
from vivavoce.text.folding import fold

_RELATIVE = {
    "en": {"day after tomorrow": 2, "tomorrow": 1, "today": 0, "tonight": 0},
    "it": {"dopodomani": 2, "domani": 1, "oggi": 0, "stasera": 0, "stamattina": 0},
    "es": {"pasado manana": 2, "manana": 1, "hoy": 0, "esta noche": 0, "esta tarde": 0},
}
_NOT_TOMORROW = re.compile(r"\b(de|por|en|a) la manana\b")
_DIGIT = re.compile(r"\d")  # found faster than the patterns that need one
_ISO = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b")
_SLASHED = re.compile(r"\b(\d{1,2})/(\d{1,2})(?:/(\d{4}))?\b")
_WEEKDAYS = {lang: tuple(fold(n) for n in names) for lang, names in WEEKDAYS.items()}
_MONTH_NUMBERS = {
    fold(name): number for names in MONTHS.values() for number, name in enumerate(names, 1)
}
_MONTH = "|".join(sorted(_MONTH_NUMBERS, key=len, reverse=True))
_UNITS = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth"]
_TEENS = [
    *("tenth", "eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth"),
    *("sixteenth", "seventeenth", "eighteenth", "nineteenth", "twentieth"),
]
_ORDINALS = {word: number for number, word in enumerate([*_UNITS, *_TEENS], 1)}
_ORDINALS |= {"primo": 1, "primero": 1, "ersten": 1, "thirtieth": 30}
_NTH = rf"((?:20|30|twenty|thirty)[ -](?:{'|'.join(_UNITS)})|\w{{1,12}})"
_DAY_MONTH = (
    re.compile(
        rf"\b{_NTH}\.?(?: of| de| di| del)? ({_MONTH})\b(?: (?:de |del )?((?:19|20)\d\d)\b)?"
    ),
    re.compile(rf"\b({_MONTH}) (?:the )?{_NTH}\b(?![:.]\d| ?[ap]\.?m\b)(?: ((?:19|20)\d\d)\b)?"),
)
_ANY_MONTH = re.compile(rf"\b(?:{_MONTH})\b")  # found faster than with its day
_ONLY_DAY = re.compile(r"\bthe (\d{1,2}(?:st|nd|rd|th))\b(?! (?:floor|row|level|time|of)\b)")
_SUFFIX = re.compile(r"(?<=\d)(st|nd|rd|th)$")
_TENS = re.compile(r"(20|30|twenty|thirty)[ -](\w+)")

_LATE = re.compile(
    rf"(?<![^\W\d])(?:{clock.PM})|"
    r"\b(evening|tonight|afternoon|night|sera|stasera|pomeriggio|noche|tarde)\b"
)
_EVENING_MEAL = re.compile(r"\b(dinner|supper|cena|cenare|cenar)\b")
_DIGITAL = re.compile(r"\b0\d[:.h]\d\d|\d ?(?:h|uhr)\b")  # as 24 hours are written
_NIGHT = re.compile(r"\b(evening|tonight|sera|stasera|noche)\b")
_EARLY = re.compile(
    rf"(?<=\d)(?: ?(?:{clock.AM}))|\b(?:a\.m|a m)\b|\b(morning|mattina|mattino|manana)\b"
)
_NOON = re.compile(r"\b(noon|midday|mezzogiorno|mediodia)\b")
_MIDNIGHT = re.compile(r"\b(midnight|mezzanotte|medianoche)\b")
_PAST = re.compile(r"\b(half|quarter|\d{1,2})(?: minutes?)? (past|to) (\d{1,2})\b")
_PART = r"morning|afternoon|evening|night|mattina|mattino|pomeriggio|sera|notte|manana|tarde|noche"
_AT = r"at|by|around|about|alle|all'|ore|verso le|dalle|a las|a la|sobre las|las"
_AFTER = (
    r"(?: (?:and |e |y )?(half|mezza|mezzo|media|(?:un )?quarto|cuarto|[0-5]\d)"
    r"| (meno|menos) (?:un )?(quarto|cuarto|\d{1,2}))?"
)
_HALF = rf"{clock.AM}|{clock.PM}"
_CLOCKS = (
    re.compile(rf"\b(\d{{1,2}})[:.h](\d{{2}})(?: ?(?:{_HALF})|\b)"),
    re.compile(rf"\b(\d{{1,2}})(?: (\d{{2}}))? ?(?:{_HALF}|o'? ?clock\b|uhr\b|h\b)"),
    re.compile(rf"\b(?:{_AT}) ?(\d{{1,2}}){_AFTER}\b(?![:.\d])"),
    re.compile(r"\b(\d{1,2})(?: e| y)? (mezza|media|30|15|45)\b"),
    re.compile(
        r"\b(\d{1,2})(?: (?:in the|at|this|di|del|della|de la|por la) (?:" + _PART + r")"
        r"| tonight| stasera| esta noche)\b"
    ),
)
_BARE = re.compile(rf"\b(\d{{1,2}}){_AFTER}\b")
_MINUTES = {"half": 30, "mezza": 30, "mezzo": 30, "media": 30, "quarto": 15, "cuarto": 15}


DAYS_AHEAD = 62  # in which each day of a month comes at least once
LATER = {"morning": 0, "afternoon": 10, "evening": 12}  # hours below which 12 are added


class Found(msgspec.Struct, frozen=True):
    """A value, and the words of the digits text that gave it ("" if none can be named).

    `settled`: False for an hour that may be in the morning or in the evening.
    """

    value: object
    said: str = ""
    settled: bool = True


def find_date(text: str, language: str, today: dt.date, *, weekdays: bool = True) -> Found | None:
    """Return an ISO date. `weekdays`: a weekday alone is a date, too."""
    numbered = _DIGIT.search(text) is not None
    if numbered and (match := _ISO.search(text)):
        return Found(match[0], match[0]) if _date(*map(int, match.groups())) else None
    for words, days in _RELATIVE[language].items():
        if words not in text or not re.search(rf"\b{words}\b", text):
            continue
        only_morning = len(re.findall(r"\bmanana\b", text)) < 2  # "mañana por la mañana" is both
        if words == "manana" and only_morning and _NOT_TOMORROW.search(text):
            continue
        return Found((today + dt.timedelta(days)).isoformat(), words)
    if named := _named(text, today):
        return named
    if numbered and (match := _SLASHED.search(text)):
        day, number = int(match[1]), int(match[2])
        year = int(match[3] or today.year + ((number, day) < (today.month, today.day)))
        if found := _date(year, number, day):
            return Found(found.isoformat(), match[0])
    if numbered and (match := _ONLY_DAY.search(text)):
        wanted = _number(_SUFFIX.sub("", match[1]))
        coming = (today + dt.timedelta(ahead) for ahead in range(DAYS_AHEAD))
        if found_day := next((each for each in coming if each.day == wanted), None):
            return Found(found_day.isoformat(), match[0])
    weekday = find_weekday(text, language) if weekdays else None
    if weekday is not None:
        ahead = (weekday - today.weekday() - 1) % 7 + 1
        return Found((today + dt.timedelta(ahead)).isoformat(), _WEEKDAYS[language][weekday])
    return None


def _named(text: str, today: dt.date) -> Found | None:
    """Return a day with the name of its month: 19 May, May the 19th, il 19 maggio."""
    if not _ANY_MONTH.search(text):
        return None
    for pattern in _DAY_MONTH:
        for match in pattern.finditer(text):
            nth, month = (match[1], match[2]) if pattern is _DAY_MONTH[0] else (match[2], match[1])
            day, number = _nth(nth), _MONTH_NUMBERS[month]
            if not day:
                continue
            year = int(match[3] or today.year + ((number, day) < (today.month, today.day)))
            if found := _date(year, number, day):
                return Found(found.isoformat(), match[0])
    return None


def _nth(word: str) -> int:
    """Return the day of a month that a word is: 19, 19th, nineteenth, 20 first; 0 for none."""
    if match := _TENS.fullmatch(word):
        return (30 if match[1] in ("30", "thirty") else 20) + _ORDINALS[match[2]]
    return _ORDINALS.get(word) or _number(_SUFFIX.sub("", word))


def find_weekday(text: str, language: str) -> int | None:
    for number, name in enumerate(_WEEKDAYS[language]):
        if name in text and re.search(rf"\b{name}s?\b", text):
            return number
    return None


def find_time(text: str, *, bare: bool = False, part: str = "") -> Found | None:
    """HH:MM. `bare`: a lone number is an hour, because a time was asked for.

    `part` is the part of the day that a time without one belongs to: morning, afternoon, evening.
    """
    found = _clock(text, bare=bare)
    if found is None or found.settled or part not in LATER:
        return found
    hour, minute = (int(each) for each in str(found.value).split(":"))
    late = part != "morning" and 0 < hour < LATER[part]
    return Found(f"{hour + 12 * late:02d}:{minute:02d}", found.said)


def _clock(text: str, *, bare: bool) -> Found | None:
    if match := _NOON.search(text):
        return Found("12:00", match[0])
    if match := _MIDNIGHT.search(text):
        return Found("00:00", match[0])
    if not _DIGIT.search(text):
        return None
    if match := _PAST.search(text):
        minutes = {"half": 30, "quarter": 15}.get(match[1]) or int(match[1])
        total = int(match[3]) * 60 + (minutes if match[2] == "past" else -minutes)
        return _of(total // 60, total % 60, text, match[0])
    for pattern in (*_CLOCKS, *([_BARE] if bare else [])):
        if not (match := pattern.search(text)):
            continue
        groups = [*match.groups(), None, None, None]
        hour = int(groups[0] or 0)
        minute = _minutes(groups[1])
        if groups[2]:
            hour, minute = hour - 1, 60 - _minutes(groups[3])
        return _of(hour, minute, text, match[0])
    return None


def _minutes(word: str | None) -> int:
    if not word:
        return 0
    word = word.removeprefix("un ")
    return _MINUTES.get(word) or _number(word)


def _number(word: str) -> int:
    """Return a day or a minute, or 0 for a number that cannot be one."""
    return int(word) if len(word) <= 2 and word.isdecimal() else 0


def _of(hour: int, minute: int, text: str, said: str) -> Found | None:
    """Apply the half of the day that stands at the time itself, or anywhere in the utterance."""
    early, late = _EARLY.search(said), _LATE.search(said)
    if not early and not late:
        early, late = _EARLY.search(text), _LATE.search(text)
    if not early and not late:
        late = _EVENING_MEAL.search(text)
    half: clock.Half | None = None
    if late and hour < 12:
        half = "pm" if hour else None
    elif early and not late and hour == 12:
        half = "am"
    written = clock.written(hour, minute, half)
    if not written or written == "24:00":
        return None
    clear = half is not None or bool(early) or not 1 <= hour <= 11 or bool(_DIGITAL.search(said))
    return Found(written, said, clear)


def part_of_day(text: str) -> tuple[str, str] | None:
    """Return the hours that "in the morning" and its like mean, as HH:MM."""
    if _NIGHT.search(text):
        return "18:00", "24:00"
    if re.search(r"\b(afternoon|pomeriggio|tarde)\b", text):
        return "12:00", "20:00"
    if re.search(r"\b(morning|mattina|mattino|la manana)\b", text):
        return "00:00", "12:30"
    return None


def _date(year: int, month: int, day: int) -> dt.date | None:
    try:
        return dt.date(year, month, day)
    except ValueError:
        return None
