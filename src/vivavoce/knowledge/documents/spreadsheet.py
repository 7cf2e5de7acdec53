"""Read an Excel workbook (XLSX): the rows of each visible sheet, with the values that it shows."""

from __future__ import annotations

import datetime as dt
import io
import warnings
from typing import TYPE_CHECKING

import openpyxl

from . import archive
from .parsed import DocumentRemark, DocumentRow, DocumentTable, ParsedDocument, failed

if TYPE_CHECKING:
    from openpyxl.worksheet._read_only import ReadOnlyWorksheet

ROWS = 20_000  # of one sheet
COLUMNS = 100
EMPTY_ROWS = 1000  # in a row: a sheet may claim a million of them


def read(data: bytes) -> ParsedDocument:
    """Return a table for each sheet that has rows."""
    warnings.simplefilter("ignore")  # of drawings and formats that are not read
    try:
        archive.check(data)
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
    except archive.UnfitArchiveError as error:
        return failed(str(error))
    except Exception as error:  # the parser raises many types for a damaged file
        return failed(f"is damaged ({type(error).__name__})")
    tables: list[DocumentTable] = []
    mistakes: list[DocumentRemark] = []
    for sheet in book.worksheets:
        if sheet.sheet_state != "visible":
            continue
        rows = _rows(sheet, mistakes)
        if rows:
            tables.append(DocumentTable(tuple(rows), sheet.title))
    return ParsedDocument(tables=tuple(tables), mistakes=tuple(mistakes))


def _rows(sheet: ReadOnlyWorksheet, mistakes: list[DocumentRemark]) -> list[DocumentRow]:
    """Return the rows that hold anything. Add a mistake for what cannot be read."""
    rows: list[DocumentRow] = []
    empty = number = 0
    try:
        found = sheet.iter_rows(max_col=COLUMNS, values_only=True)
        for number, values in enumerate(found, 1):
            cells = tuple(_shown(value) for value in values)
            empty = 0 if any(cells) else empty + 1
            if any(cells):
                rows.append(DocumentRow(number, _trimmed(cells)))
            if empty > EMPTY_ROWS:
                break
            if len(rows) >= ROWS:
                message = f"has more rows than {ROWS}, of which the rest is not read"
                mistakes.append(DocumentRemark(message, f'sheet "{sheet.title}"', number))
                break
    except Exception as error:  # a damaged part, or a row of it
        message = f"cannot be read from here on ({type(error).__name__})"
        mistakes.append(DocumentRemark(message, f'sheet "{sheet.title}"', number + 1))
    return rows


def _trimmed(cells: tuple[str, ...]) -> tuple[str, ...]:
    last = max(at for at, cell in enumerate(cells) if cell)
    return cells[: last + 1]


def _shown(value: object) -> str:
    """Return a value as a CSV file would have it. Dates and times are ISO 8601."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case dt.datetime():
            if value.time() == dt.time():
                return f"{value:%Y-%m-%d}"
            return f"{value:%Y-%m-%d} {_clock(value.time())}"
        case dt.date():
            return value.isoformat()
        case dt.time():
            return _clock(value)
        case dt.timedelta():  # a time of day beyond midnight, such as 24:00
            minutes = round(value.total_seconds() / 60)
            return f"{minutes // 60:02}:{minutes % 60:02}"
        case float() if value.is_integer():
            return str(int(value))
        case _:
            return " ".join(str(value).split())


def _clock(time: dt.time) -> str:
    """Round to minutes: Excel keeps a time as a fraction of a day."""
    minutes = round(time.hour * 60 + time.minute + (time.second + time.microsecond / 1e6) / 60)
    return f"{minutes // 60:02}:{minutes % 60:02}"
