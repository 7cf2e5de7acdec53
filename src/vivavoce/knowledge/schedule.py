"""Read tables: a programme becomes events, and any other table becomes plain sentences.

A CSV file is a programme if it has columns for day, start and title (end, room, speaker, track are
welcome; `title_it` is the title in Italian). Days are ISO dates or names of weekdays.
"""

from __future__ import annotations

import csv
import datetime as dt
import re

from ..text import calendar
from ..text.folding import fold
from .chunks import LONGEST, Chunk, ScheduleEvent
from .normalize import LANGUAGES

_COLUMNS = {
    "date": ("date", "day", "data", "giorno", "fecha", "dia"),
    "start": ("start", "time", "from", "begin", "begins", "ora", "inizio", "hora", "inicio"),
    "end": ("end", "to", "until", "ends", "fine", "fin"),
    "room": ("room", "place", "location", "where", "hall", "sala", "luogo", "lugar"),
    "title": ("title", "session", "talk", "titolo", "titulo"),
    "speaker": ("speaker", "speakers", "who", "relatore", "relatori", "ponente", "ponentes"),
    "track": ("track", "theme", "topic", "tema"),
    "kind": ("kind", "type", "tipo"),
    "also": ("also", "also asked"),
    "about": ("abstract", "description", "summary", "about", "descrizione", "descripcion"),
}
_REQUIRED = {"date", "start", "title"}
_TIME = re.compile(r"^(\d{1,2})[:.h](\d{2})")
# Rooms that are called by a common noun take an article in English.
_ARTICLE = re.compile(
    r"^(?!the )(?!.* \w$).*(hall|auditorium|theatre|theater|lounge|area|foyer|gallery|library|"
    r"garden|lobby|terrace|restaurant|room|desk|cafe|courtyard)$",
    re.IGNORECASE,
)


def rows(text: str) -> list[dict[str, str]]:
    """Return the rows of a CSV file with a heading line. It separates by comma, semicolon or tab.

    Raises `csv.Error`.
    """
    lines = text.lstrip("\ufeff").splitlines()
    if not lines:
        return []
    separator = max(",;\t", key=lines[0].count)
    reader = csv.DictReader(lines, delimiter=separator)
    return [
        {str(k).strip(): v[:LONGEST].strip() for k, v in row.items() if isinstance(v, str) and k}
        for row in reader
    ]


def is_programme(table: list[dict[str, str]]) -> bool:
    return bool(table) and _named(table[0], "en").keys() >= _REQUIRED


def table(text: str, language: str, source: str) -> list[Chunk]:
    """One chunk per row, in one language. A programme's row that has no date or time is text."""
    found = rows(text)
    programme = is_programme(found) and language in LANGUAGES  # others have no sentences for it
    chunks = []
    for number, row in enumerate(found, start=2):
        event = _event(_named(row, language)) if programme else None
        if event:
            chunks.append(_of_event(event, row, language, f"{source}:{number}", source))
        elif said := ". ".join(f"{k}: {v}" for k, v in row.items() if v):
            chunks.append(
                Chunk(
                    id=f"{source}:{number}",
                    title=next((v for v in row.values() if v), ""),
                    text=f"{said}."[:LONGEST],
                    language=language,
                    source=source,
                )
            )
    return chunks


def _named(row: dict[str, str], language: str) -> dict[str, str]:
    """Return the row under our names, a column of the language before the general one."""
    folded = {re.sub(r"[\s.-]+", "_", fold(k)): v for k, v in row.items()}
    named: dict[str, str] = {}
    for name, aliases in _COLUMNS.items():
        for alias in (a.replace(" ", "_") for a in aliases):
            value = folded.get(f"{alias}_{language}") or folded.get(alias)
            if value is None and name == "title":
                value = next((v for k, v in folded.items() if k.startswith(f"{alias}_")), None)
            if value is not None:
                named.setdefault(name, value)
    return named


def _event(row: dict[str, str]) -> ScheduleEvent | None:
    start = _time(row["start"])
    try:
        day = dt.date.fromisoformat(row["date"])
        date, weekday = day.isoformat(), day.weekday()
    except ValueError:
        name = calendar.weekday(row["date"])
        if name is None:
            return None
        date, weekday = "", name
    if not start or not row["title"]:
        return None
    return ScheduleEvent(
        title=row["title"],
        date=date,
        weekday=weekday,
        start=start,
        end=_time(row.get("end", "")),
        room=row.get("room", ""),
        speaker=row.get("speaker", ""),
        track=row.get("track", ""),
        kind=fold(row.get("kind", "")),
    )


def _time(text: str) -> str:
    match = _TIME.match(text.strip())
    return f"{int(match[1]):02d}:{match[2]}" if match and int(match[1]) < 24 else ""


def _of_event(
    event: ScheduleEvent, row: dict[str, str], language: str, name: str, source: str
) -> Chunk:
    named = _named(row, language)
    text = [sentence(event, language), named.get("about", ""), track(event, language)]
    return Chunk(
        id=name,
        title=event.title,
        text=" ".join(part for part in text if part)[:LONGEST],
        language=language,
        also=tuple(a.strip() for a in named.get("also", "").split(";") if a.strip()),
        source=source,
        event=event,
    )


def day(event: ScheduleEvent, language: str) -> str:
    return calendar.say_weekday(event.weekday, language)


def place(event: ScheduleEvent, language: str) -> str:
    """In Room B, in the Main Hall; nothing if it is not known."""
    if not event.room:
        return ""
    match language:
        case "it":
            return f"in {event.room}"
        case "es":
            return f"en {event.room}"
        case _:
            return f"in {'the ' if _ARTICLE.match(event.room) else ''}{event.room}"


def speakers(event: ScheduleEvent, language: str) -> str:
    """Two or more people joined as the language does."""
    names = [name.strip() for name in re.split(r"[;&/]| and | e | y ", event.speaker) if name]
    last = {"en": " and ", "it": " e ", "es": " y "}[language]
    return last.join(filter(None, [", ".join(names[:-1]), names[-1] if names else ""]))


def hours(event: ScheduleEvent, language: str) -> str:
    """On Monday from 9 am to 10 am; without an end, on Monday at 9 am."""
    if not event.end:
        return f"{day(event, language)} {calendar.say_time(event.start, language)}"
    start, end = (calendar.clock(time, language) for time in (event.start, event.end))
    between = {"en": f"from {start} to {end}", "it": f"dalle {start} alle {end}"}
    return f"{day(event, language)} {between.get(language, f'de {start} a {end}')}"


def sentence(event: ScheduleEvent, language: str) -> str:
    """Everything about an event that has a place in a programme, to be spoken."""
    when, where = hours(event, language), place(event, language)
    who = speakers(event, language)
    verb = {"en": "is", "it": "è", "es": "es"}[language]
    said = f"{event.title} {verb} {' '.join(filter(None, (when, where)))}."
    if who:
        by = {"en": "The speaker is", "it": "Parla", "es": "Habla"}[language]
        if who != event.speaker.strip():
            by = {"en": "The speakers are", "it": "Parlano", "es": "Hablan"}[language]
        said += f" {by} {who}."
    return said


def track(event: ScheduleEvent, language: str) -> str:
    names = {"en": "Track", "it": "Percorso", "es": "Bloque"}
    return f"{names[language]}: {event.track}." if event.track else ""
