"""Days, months and the clock, as languages say and write them. German is only read."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from .folding import fold

WEEKDAYS = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "it": ("lunedì", "martedì", "mercoledì", "giovedì", "venerdì", "sabato", "domenica"),
    "es": ("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"),
    "de": ("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"),
}
MONTHS = {
    "en": (
        "January", "February", "March", "April", "May", "June",
        "July", "August", "September", "October", "November", "December",
    ),
    "it": (
        "gennaio", "febbraio", "marzo", "aprile", "maggio", "giugno",
        "luglio", "agosto", "settembre", "ottobre", "novembre", "dicembre",
    ),
    "es": (
        "enero", "febrero", "marzo", "abril", "mayo", "junio",
        "julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre",
    ),
    "de": (
        "Januar", "Februar", "März", "April", "Mai", "Juni",
        "Juli", "August", "September", "Oktober", "November", "Dezember",
    ),
}  # fmt: skip


_SHORTEST = 3  # letters of an abbreviation; weekdays in German also have two
_SHORT_GERMAN = ("mo", "di", "mi", "do", "fr", "sa", "so")
_OTHERS = {"sonnabend": 5, "weds": 2}


def weekday(text: str) -> int | None:
    """0 for Monday in any of the languages, whole or by three or more of its first letters."""
    folded = fold(text).strip(" .")
    if folded in _SHORT_GERMAN:
        return _SHORT_GERMAN.index(folded)
    return _OTHERS.get(folded, _by_beginning(folded, WEEKDAYS))


def month(text: str) -> int | None:
    """1 for January in any of the languages, whole or by three or more of its first letters."""
    found = _by_beginning(fold(text).strip(" ."), MONTHS)
    return None if found is None else found + 1


def _by_beginning(folded: str, names: Mapping[str, tuple[str, ...]]) -> int | None:
    if len(folded) < _SHORTEST:
        return None
    for each in names.values():
        for number, name in enumerate(each):
            if fold(name).startswith(folded):
                return number
    return None


def say_date(day: dt.date, language: str, *, year: bool = False) -> str:
    """Tuesday 11 May, with what goes before it: on, none, el. `year`: say the year, too."""
    name, month = WEEKDAYS[language][day.weekday()], MONTHS[language][day.month - 1]
    match language:
        case "it":
            said = f"{name} {day.day} {month}"
        case "es":
            said = f"el {name} {day.day} de {month}"
        case _:
            said = f"on {name} {day.day} {month}"
    if not year:
        return said
    return f"{said}{' de' if language == 'es' else ''} {day.year}"


def say_weekday(number: int, language: str) -> str:
    before = {"en": "on ", "it": "", "es": "el "}[language]
    return before + WEEKDAYS[language][number]


_MIDNIGHT = {"en": "midnight", "it": "mezzanotte", "es": "medianoche"}


def clock(time: str, language: str) -> str:
    """Half past nine in the morning: 9:30 am in English, 9:30 elsewhere."""
    hour, minute = (int(part) for part in time.split(":")[:2])
    if hour % 24 == minute == 0:
        return _MIDNIGHT[language]
    if language != "en":
        return f"{hour}:{minute:02d}" if minute else str(hour)
    if (hour, minute) == (12, 0):
        return "noon"
    half = "am" if hour < 12 else "pm"
    hour = hour % 12 or 12
    return f"{hour}:{minute:02d} {half}" if minute else f"{hour} {half}"


def say_time(time: str, language: str) -> str:
    """With what goes before it: at 2 pm, alle 14, a las 14."""
    said = clock(time, language)
    if said == _MIDNIGHT[language]:
        return f"{'at' if language == 'en' else 'a'} {said}"
    one = time.split(":")[0].lstrip("0") == "1"
    match language:
        case "it":
            return f"all'{said}" if one else f"alle {said}"
        case "es":
            return f"a la {said}" if one else f"a las {said}"
        case _:
            return f"at {said}"
