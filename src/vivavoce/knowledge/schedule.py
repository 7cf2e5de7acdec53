"""Read tables: a programme becomes events, and any other table becomes plain sentences.

A CSV file is a programme if it has columns for day, start and title (end, room, speaker, track and
status are welcome; `title_it` is the title in Italian). `columns.py` knows their names.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from typing import NamedTuple

from ..text import calendar
from ..text.clock import UnclearError, span
from ..text.dates import read_stamp
from . import csv_file, schedule_rows
from .chunks import LONGEST, Chunk, ScheduleEvent
from .columns import Columns
from .csv_file import CsvFile, Remark, Row
from .normalize import LANGUAGES
from .schedule_rows import ScheduleReader, Unread

NEAR = 6  # days ahead, within which a weekday is enough

# Rooms that are called by a common noun take an article in English.
_ARTICLE = re.compile(
    r"^(?!the )(?!.* \w$).*(hall|auditorium|theatre|theater|lounge|area|foyer|gallery|library|"
    r"garden|lobby|terrace|restaurant|room|desk|cafe|courtyard)$",
    re.IGNORECASE,
)


class TableChunks(NamedTuple):
    """The chunks of a table in one language, and what its author should know."""

    chunks: list[Chunk]
    mistakes: list[Remark]
    warnings: list[Remark]


def read(text: str) -> CsvFile:
    """Return the rows of a CSV file. It separates by comma, semicolon, tab or bar."""
    return csv_file.read(text, schedule_rows.is_heading)


def read_rows(rows: Iterable[Row]) -> CsvFile:
    """Return the rows of a spreadsheet or a calendar like those of a CSV file."""
    return csv_file.table(rows, schedule_rows.is_heading)


def is_programme(file: CsvFile) -> bool:
    """Return whether the columns are those of a programme. A start may carry the date."""
    columns = Columns(file.headings)
    missing = columns.missing()
    if missing != ["date"]:
        return not missing and bool(file.rows)
    starts = columns.find("start", "")
    return any(_has_date(row.cells[starts[0]]) for row in file.rows)


def _has_date(cell: str) -> bool:
    try:
        return read_stamp(cell, day_first=True).day is not None
    except UnclearError:
        return False


def table(text: str, language: str, source: str) -> list[Chunk]:
    """Return a chunk per row, in one language."""
    return chunks(read(text), language, source).chunks


def chunks(file: CsvFile, language: str, source: str) -> TableChunks:
    """Return a chunk per row. A programme's row that has no date or time is plain text."""
    mistakes, warnings = list(file.mistakes), list(file.warnings)
    programme = is_programme(file)
    spoken = programme and language in LANGUAGES  # other languages have no sentences for it
    reader = ScheduleReader(file, language)
    found: list[Chunk] = []
    for row in file.rows:
        event = reader.event(row) if programme else Unread([])
        if isinstance(event, Unread):
            mistakes += event.remarks
        if isinstance(event, ScheduleEvent) and spoken:
            found.append(_of_event(event, reader, row, language, source))
        elif chunk := _of_row(file, row, language, source):
            found.append(chunk)
    if programme:
        warnings += schedule_rows.unread_columns(file)
    else:
        warnings += schedule_rows.almost(file)
    return TableChunks(found, mistakes, warnings)


def _of_row(file: CsvFile, row: Row, language: str, source: str) -> Chunk | None:
    """Return a row as text, or None for one without a heading over any cell."""
    named = [(n, c) for n, c in zip(file.headings, row.cells, strict=True) if n and c]
    if not named:
        return None
    text = ". ".join(f"{name}: {cell}" for name, cell in named)
    return Chunk(
        id=f"{source}:{row.line}",
        title=named[0][1],
        text=f"{text}."[:LONGEST],
        language=language,
        source=source,
        place=f"row {row.line}",
    )


def _of_event(
    event: ScheduleEvent, reader: ScheduleReader, row: Row, language: str, source: str
) -> Chunk:
    text = [sentence(event, language), reader.text(row, "about"), track(event, language)]
    also = (each.strip() for each in reader.text(row, "also").split(";"))
    return Chunk(
        id=f"{source}:{row.line}",
        title=event.title,
        text=" ".join(part for part in text if part)[:LONGEST],
        language=language,
        also=tuple(each for each in also if each),
        source=source,
        place=f"row {row.line}",
        event=event,
    )


_STATUS = {
    "cancelled": {"en": "is cancelled", "it": "è annullato", "es": "se ha cancelado"},
    "postponed": {"en": "is postponed", "it": "è rinviato", "es": "se ha aplazado"},
}


def day(event: ScheduleEvent, language: str, now: dt.datetime | None = None) -> str:
    """Return the weekday; the date if `now` is known and the day is not among the next six."""
    if now is None or not event.date:
        return calendar.say_weekday(event.weekday, language)
    date = dt.date.fromisoformat(event.date)
    if 0 <= (date - now.date()).days <= NEAR:
        return calendar.say_weekday(event.weekday, language)
    return calendar.say_date(date, language, year=date.year != now.year)


def is_over(event: ScheduleEvent, now: dt.datetime) -> bool:
    """Return whether an event has ended. One without a date takes place every week."""
    if not event.date:
        return False
    begins, ends = span(event.start, event.end)
    midnight = dt.datetime.combine(dt.date.fromisoformat(event.date), dt.time())
    return midnight + dt.timedelta(minutes=max(ends, begins + 1)) <= now.replace(tzinfo=None)


def verb(event: ScheduleEvent, language: str, now: dt.datetime | None = None) -> str:
    """Return is, or was for an event that is over."""
    if now is not None and is_over(event, now):
        return {"en": "was", "it": "è stato", "es": "fue"}[language]
    return {"en": "is", "it": "è", "es": "es"}[language]


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


def hours(event: ScheduleEvent, language: str, now: dt.datetime | None = None) -> str:
    """On Monday from 9 am to 10 am; without an end, on Monday at 9 am."""
    return _hours(event, language, day(event, language, now))


def _hours(event: ScheduleEvent, language: str, on: str) -> str:
    if not event.end:
        return f"{on} {calendar.say_time(event.start, language)}"
    start, end = (calendar.clock(time, language) for time in (event.start, event.end))
    between = {"en": f"from {start} to {end}", "it": f"dalle {start} alle {end}"}
    return f"{on} {between.get(language, f'de {start} a {end}')}"


def dated(chunk: Chunk) -> str:
    """Return the chunk's text with the date of its event, for a reader that gets the text alone.

    The chunk's own text has the weekday, which is what people ask for and hear.
    """
    event = chunk.event
    if event is None or not event.date:
        return chunk.text
    day = calendar.say_date(dt.date.fromisoformat(event.date), chunk.language, year=True)
    by_weekday, rest = sentence(event, chunk.language), chunk.text
    return sentence(event, chunk.language, on=day) + rest.removeprefix(by_weekday)


def sentence(
    event: ScheduleEvent, language: str, now: dt.datetime | None = None, *, on: str | None = None
) -> str:
    """Return everything about an event that has a place in a programme, to be spoken.

    Without `now` the day is a weekday, as texts that are kept for long need it. `on` is the day in
    other words.
    """
    when = _hours(event, language, on or day(event, language, now))
    where = place(event, language)
    if event.status:
        return f"{event.title}, {when}, {_STATUS[event.status][language]}."
    who = speakers(event, language)
    is_ = verb(event, language, now)
    said = f"{event.title} {is_} {' '.join(filter(None, (when, where)))}."
    if who:
        by = {"en": "The speaker is", "it": "Parla", "es": "Habla"}[language]
        if who != event.speaker.strip():
            by = {"en": "The speakers are", "it": "Parlano", "es": "Hablan"}[language]
        said += f" {by} {who}."
    return said


def track(event: ScheduleEvent, language: str) -> str:
    names = {"en": "Track", "it": "Percorso", "es": "Bloque"}
    return f"{names[language]}: {event.track}." if event.track else ""
