"""Turn the rows of a schedule into events, and name each cell that is not clear."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple

from ..text.clock import DAY, UnclearError, span
from ..text.dates import Day, Stamp, day_first, read_stamp
from ..text.folding import fold
from .chunks import ScheduleEvent
from .columns import REQUIRED, Columns
from .csv_file import CsvFile, Remark, Row

LONGEST = 16 * 60  # minutes; an event that seems longer ends before it starts

_STATES = {
    "cancelled": (
        "cancelled canceled called_off no annullato annullata cancellato cancellata cancelado "
        "cancelada suspendido suspendida anulado anulada abgesagt entfallt fallt_aus"
    ),
    "postponed": (
        "postponed rescheduled rinviato rinviata posticipato aplazado aplazada pospuesto verschoben"
    ),
    "": (
        "confirmed ok yes scheduled planned active published on open full sold_out live "
        "confermato confermata confirmado confirmada programado bestatigt geplant"
    ),
}
_STATE = {word: state for state, words in _STATES.items() for word in words.split()}


class Unread(NamedTuple):
    """A row that is not an event, with the reasons."""

    remarks: list[Remark]


class ScheduleReader:
    """Read the rows of one file in one language."""

    def __init__(self, file: CsvFile, language: str) -> None:
        self._file = file
        self._columns = Columns(file.headings)
        self._language = language
        self._day_first = {
            at: day_first(row.cells[at] for row in file.rows)
            for name in ("date", "start", "end", "end_date")
            for at in self._columns.find(name, language)
        }

    def text(self, row: Row, name: str) -> str:
        """Return the cell of a column, in this language if it has it."""
        cells = (row.cells[at] for at in self._columns.find(name, self._language))
        return next(filter(None, cells), "")

    def event(self, row: Row) -> ScheduleEvent | Unread:
        """Return the event of a row, or what is unclear in it."""
        unclear: list[Remark] = []
        day = self._day(row, unclear)
        start = self._stamp(row, "start", unclear)
        end = self._stamp(row, "end", unclear)
        ends_on = self._stamp(row, "end_date", unclear)
        state = self._state(row, unclear)
        title = self.text(row, "title")
        if not title:
            unclear.append(Remark(row.line, self._name("title"), "is empty"))
        if start is not None and not start.start:
            unclear.append(Remark(row.line, self._name("start"), "has no time"))
        if day is None and start is not None:
            day = start.day
            if day is None and not unclear:
                unclear.append(Remark(row.line, self._name("date"), "is empty"))
        if unclear or day is None or start is None:
            return Unread(unclear or [Remark(row.line, self._name("start"), "is empty")])
        ends = end.start if end else start.end
        unclear += self._contradictions(row, day, start, end, ends_on)
        if unclear:
            return Unread(unclear)
        return ScheduleEvent(
            title=title,
            date=day.date,
            weekday=day.weekday,
            start=start.start,
            end=ends,
            room=self.text(row, "room"),
            speaker=self.text(row, "speaker"),
            track=self.text(row, "track"),
            kind=fold(self.text(row, "kind")),
            status=state,
        )

    def _name(self, name: str) -> str:
        """Return the author's heading of a column."""
        found = self._columns.find(name, self._language)
        return self._file.headings[found[0]] if found else name

    def _stamp(self, row: Row, name: str, unclear: list[Remark]) -> Stamp | None:
        """Read the first cell of a column that is not empty."""
        for at in self._columns.find(name, self._language):
            if cell := row.cells[at]:
                return self._read(row, at, cell, unclear)
        if name == "start":
            unclear.append(Remark(row.line, self._name("start"), "is empty"))
        return None

    def _read(self, row: Row, at: int, cell: str, unclear: list[Remark]) -> Stamp | None:
        try:
            return read_stamp(cell, day_first=self._day_first[at])
        except UnclearError as error:
            unclear.append(Remark(row.line, self._file.headings[at], str(error)))
            return None

    def _day(self, row: Row, unclear: list[Remark]) -> Day | None:
        """Read the date. A second column, such as the weekday, must agree with it."""
        found: Day | None = None
        for at in self._columns.find("date", self._language):
            if not row.cells[at]:
                continue
            stamp = self._read(row, at, row.cells[at], unclear)
            if stamp is None:
                continue
            heading = self._file.headings[at]
            if stamp.day is None or stamp.start not in ("", "00:00"):
                message = f'"{row.cells[at]}" is not only a date'
                unclear.append(Remark(row.line, heading, message))
            elif found is None or (stamp.day.date and not found.date):
                found, other = stamp.day, found
                if other is not None and other.weekday != found.weekday:
                    unclear.append(Remark(row.line, heading, "is another weekday"))
            elif stamp.day.weekday != found.weekday or stamp.day.date not in ("", found.date):
                message = f'"{row.cells[at]}" is not the day of the other column'
                unclear.append(Remark(row.line, heading, message))
        return found

    def _state(self, row: Row, unclear: list[Remark]) -> str:
        """Return "cancelled", "postponed", or "" for an event that takes place."""
        written = self.text(row, "status")
        state = _STATE.get(fold(written).strip(" .!").replace(" ", "_"), None if written else "")
        if state is None:
            message = f'"{written}" is not a status such as confirmed, cancelled or postponed'
            unclear.append(Remark(row.line, self._name("status"), message))
        return state or ""

    def _contradictions(
        self, row: Row, day: Day, start: Stamp, end: Stamp | None, ends_on: Stamp | None
    ) -> list[Remark]:
        found: list[tuple[str, str]] = []
        if start.day is not None and start.day != day and day.date:
            found.append(("start", "is on another day than the date"))
        if end is not None:
            if not end.start or end.end:
                found.append(("end", "is not one time"))
            elif start.end and start.end != end.start:
                found.append(("end", f"is not {start.end}, which the start says"))
        if found:
            return [Remark(row.line, self._name(name), message) for name, message in found]
        ends = end.start if end else start.end
        begins, until = span(start.start, ends)
        if until - begins > LONGEST:
            found.append(("end", f"{ends} is before the start, {start.start}"))
        last = ends_on.day if ends_on else end.day if end else None
        if last is not None and last.date and day.date and not _reaches(day, last, until):
            found.append(("end", f"is on {last.date}, not in the night after {day.date}"))
        return [Remark(row.line, self._name(name), message) for name, message in found]


def _reaches(day: Day, last: Day, until: int) -> bool:
    """Return whether an event of this day that lasts until this minute ends on the last day."""
    days = (dt.date.fromisoformat(last.date) - dt.date.fromisoformat(day.date)).days
    return (days == 0 and until <= DAY) or (days == 1 and until >= DAY)


def is_heading(cells: Sequence[str]) -> bool:
    """Recognise the heading line of a schedule. Its start may be a date with a time."""
    missing = Columns(cells).missing()
    return not missing or missing == ["date"]


def unread_columns(file: CsvFile) -> list[Remark]:
    """Name the columns of a schedule that are not read."""
    return [
        Remark(file.line, name, "this column is not read")
        for name in Columns(file.headings).unknown()
    ]


def almost(file: CsvFile) -> list[Remark]:
    """Name the columns that a table lacks, if it has two of the three of a schedule."""
    missing = Columns(file.headings).missing()
    if len(missing) != 1 or not file.rows:
        return []
    message = (
        f"is read as plain text: a programme needs columns for {', '.join(REQUIRED)}, "
        f"and {missing[0]} is missing"
    )
    return [Remark(file.line, "", message)]
