"""Days, months and the clock, as three languages say and write them."""

from __future__ import annotations

import datetime as dt

from .normalize import fold

WEEKDAYS = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "it": ("lunedì", "martedì", "mercoledì", "giovedì", "venerdì", "sabato", "domenica"),
    "es": ("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"),
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
}  # fmt: skip


def weekday(text: str) -> int | None:
    """0 for Monday in any of the languages, whole or by its first three letters."""
    folded = fold(text).strip(" .")
    for names in WEEKDAYS.values():
        for number, name in enumerate(names):
            if folded == fold(name) or (len(folded) == 3 and fold(name).startswith(folded)):
                return number
    return None


def say_date(day: dt.date, language: str) -> str:
    """Tuesday 11 May, with what goes before it: on, none, el."""
    name, month = WEEKDAYS[language][day.weekday()], MONTHS[language][day.month - 1]
    match language:
        case "it":
            return f"{name} {day.day} {month}"
        case "es":
            return f"el {name} {day.day} de {month}"
        case _:
            return f"on {name} {day.day} {month}"


def say_weekday(number: int, language: str) -> str:
    before = {"en": "on ", "it": "", "es": "el "}[language]
    return before + WEEKDAYS[language][number]


def clock(time: str, language: str) -> str:
    """Half past nine in the morning: 9:30 am in English, 9:30 elsewhere."""
    hour, minute = (int(part) for part in time.split(":")[:2])
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
    one = time.split(":")[0].lstrip("0") == "1"
    match language:
        case "it":
            return f"all'{said}" if one else f"alle {said}"
        case "es":
            return f"a la {said}" if one else f"a las {said}"
        case _:
            return f"at {said}"
