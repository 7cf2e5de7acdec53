"""Read an iCalendar file (ICS) as the rows of a programme."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from icalendar import Calendar, Event

from .parsed import (
    DocumentRemark,
    DocumentRow,
    DocumentSection,
    DocumentTable,
    ParsedDocument,
    failed,
)

EVENTS = 5000
HEADINGS = ("date", "start", "end", "title", "room", "speaker", "about", "status")
_STATUS = {"CANCELLED": "cancelled", "CONFIRMED": "confirmed", "TENTATIVE": "planned"}


def read(data: bytes) -> ParsedDocument:
    """Return a row for each event with times, and a section for each one of whole days.

    A rule of repetition is a warning.
    """
    try:
        calendars = Calendar.from_ical(data, multiple=True)
        if not calendars:
            return failed("is not an iCalendar file")
        parts = [each for found in calendars for each in found.walk("VEVENT")]
    except Exception as error:  # the parser raises many types for a damaged file
        return failed(f"is not an iCalendar file ({type(error).__name__})")
    events = [each for each in parts if isinstance(each, Event)]
    rows: list[DocumentRow] = [DocumentRow(1, HEADINGS)]
    days: list[DocumentSection] = []
    mistakes: list[DocumentRemark] = []
    warnings: list[DocumentRemark] = []
    for number, event in enumerate(events[:EVENTS], 1):
        place = f"event {number}"
        try:
            if isinstance(event.start, dt.datetime):
                rows.append(DocumentRow(number + 1, tuple(_cells(event, event.start))))
            else:
                days.append(_day(event, place))
        except Exception as error:
            mistakes.append(DocumentRemark(f"cannot be read ({type(error).__name__})", place))
            continue
        if "RRULE" in event:
            warnings.append(DocumentRemark("repeats; only its first date is read", place))
    if len(events) > EVENTS:
        message = f"has {len(events)} events; at most {EVENTS} are read"
        mistakes.append(DocumentRemark(message))
    return ParsedDocument(
        sections=tuple(days),
        tables=(DocumentTable(tuple(rows)),) if len(rows) > 1 else (),
        mistakes=tuple(mistakes),
        warnings=tuple(warnings),
    )


def _cells(event: Event, start: dt.datetime) -> Iterator[str]:
    """Yield the cells of one event. Times are those of the place, so a zone is left out."""
    end = event.end
    yield f"{start:%Y-%m-%d}"
    yield f"{start:%H:%M}"
    yield f"{end:%H:%M}" if isinstance(end, dt.datetime) and end != start else ""
    for name in ("SUMMARY", "LOCATION"):
        yield _text(event.get(name))
    yield _speaker(event)
    yield _text(event.get("DESCRIPTION"))
    yield _STATUS.get(_text(event.get("STATUS")).upper(), "")


def _day(event: Event, place: str) -> DocumentSection:
    """Return an event of whole days as a text: a schedule has times."""
    first, after = event.start, event.end
    last = after - dt.timedelta(1)
    when = f"{first:%Y-%m-%d}" if last <= first else f"{first:%Y-%m-%d} – {last:%Y-%m-%d}"
    status = _STATUS.get(_text(event.get("STATUS")).upper(), "")
    about = (when, _text(event.get("LOCATION")), status, _text(event.get("DESCRIPTION")))
    title = _text(event.get("SUMMARY"))
    return DocumentSection(title, (". ".join(filter(None, (title, *about))),), place)


def _speaker(event: Event) -> str:
    organiser = event.get("ORGANIZER")
    name = organiser.params.get("CN", "") if organiser is not None else ""
    return _text(name)


def _text(value: object) -> str:
    return "" if value is None else " ".join(str(value).split())
