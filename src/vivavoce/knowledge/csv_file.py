"""Read CSV as spreadsheets write it: any separator, `sep=`, blank lines and a title above.

The reader skips nothing without a word: each row that does not fit is a mistake with its line.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import NamedTuple

from .chunks import LONGEST

SEPARATORS = ",;\t|"
HEAD = 10  # rows in which the names of the columns are looked for
SAMPLE = 4000  # characters by which the separator is found, if no heading line is known
_SEP = re.compile(r'"?sep=(.)"?[ \t]*(?:\r\n|\r|\n|$)', re.IGNORECASE)

IsHeading = Callable[[Sequence[str]], bool]


class UnreadableCsvError(ValueError):
    """A file is not CSV from this line on, such as after a quote that is not closed."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


class Remark(NamedTuple):
    """A sentence for the author, with its line and the name of its column."""

    line: int
    column: str
    message: str


class Row(NamedTuple):
    line: int
    cells: list[str]


class CsvFile(NamedTuple):
    """The names of the columns, the rows below them, and what the author should know."""

    headings: list[str]
    line: int  # of the headings
    rows: list[Row]
    mistakes: list[Remark]
    warnings: list[Remark]


def read(text: str, is_heading: IsHeading) -> CsvFile:
    """Return the rows of a file. `is_heading` knows the heading line of a schedule.

    Raises `UnreadableCsvError`.
    """
    text = text.removeprefix("\ufeff")
    skipped, separator = _declared(text)
    separator = separator or _separator(text, is_heading)
    first_line = 2 if skipped else 1
    return table(_rows(text[skipped:], separator, first_line), is_heading)


def table(found: Iterable[Row], is_heading: IsHeading) -> CsvFile:
    """Return rows of any origin as a file: the headings, and the rows that fit below them."""
    rows = [row for row in found if any(row.cells)]
    at = _heading(rows, is_heading)
    if at is None:
        return CsvFile([], 0, [], [], [])
    warnings = [Remark(row.line, "", "is above the headings and is not read") for row in rows[:at]]
    headings = rows[at]
    fitting, unfit = _fitting(rows[at + 1 :], headings.cells)
    return CsvFile(headings.cells, headings.line, fitting, [*_twice(headings), *unfit], warnings)


def _declared(text: str) -> tuple[int, str]:
    """Return the end of a line such as `sep=;`, and the separator."""
    match = _SEP.match(text)
    return (match.end(), match[1]) if match else (0, "")


def _separator(text: str, is_heading: IsHeading) -> str:
    """Choose the separator that gives a known heading line, or the most columns."""
    sample = _whole_lines(text)

    def fitness(separator: str) -> tuple[bool, int]:
        rows: list[list[str]] = []
        with suppress(UnreadableCsvError):  # a quote goes on after the sample
            rows += (row.cells for row in islice(_rows(sample, separator), HEAD))
        wide = (sum(map(bool, cells)) for cells in rows)
        return any(map(is_heading, rows)), next((width for width in wide if width > 1), 0)

    return max(SEPARATORS, key=fitness)


def _whole_lines(text: str) -> str:
    """Cut a sample at the end of a line."""
    if len(text) <= SAMPLE:
        return text
    end = text.rfind("\n", 0, SAMPLE)
    return text[: end + 1] if end >= 0 else text[:SAMPLE]


def _rows(text: str, separator: str, line: int = 1) -> Iterator[Row]:
    """Yield each row with its first line. The text begins at `line`."""
    source = io.StringIO(text, newline="")
    reader = csv.reader(source, delimiter=separator, strict=True, skipinitialspace=True)
    before = line - 1
    try:
        for cells in reader:
            yield Row(line, [" ".join(cell.split()) for cell in cells])
            line = before + reader.line_num + 1
    except csv.Error as error:
        raise UnreadableCsvError(line, f"cannot be read from here on: {error}") from None


def _heading(rows: Sequence[Row], is_heading: IsHeading) -> int | None:
    """Return the index of the heading line: a known one, or the first with several cells."""
    for at, row in enumerate(rows[:HEAD]):
        if is_heading(row.cells):
            return at
    several = (at for at, row in enumerate(rows[:HEAD]) if sum(map(bool, row.cells)) > 1)
    return next(several, 0 if rows else None)


def _fitting(rows: Sequence[Row], headings: Sequence[str]) -> tuple[list[Row], list[Remark]]:
    """Return the rows that have a heading for each cell, and a mistake for each other one."""
    fitting: list[Row] = []
    mistakes: list[Remark] = []
    for row in rows:
        row, cut = _bounded(row)
        mistakes += cut
        if row.cells == headings:  # repeated on each page
            continue
        if any(row.cells[len(headings) :]):
            mistakes.append(
                Remark(
                    row.line,
                    "",
                    f"has {len(row.cells)} cells, and the headings are {len(headings)}: "
                    "put quotes around a text that contains the separator",
                )
            )
            continue
        cells = row.cells[: len(headings)]
        fitting.append(Row(row.line, cells + [""] * (len(headings) - len(cells))))
        mistakes += [
            Remark(row.line, "", f"column {number} has no heading, so {cell!r} is not read")
            for number, (name, cell) in enumerate(zip(headings, cells, strict=False), 1)
            if cell and not name
        ]
    return fitting, mistakes


def _bounded(row: Row) -> tuple[Row, list[Remark]]:
    """Cut cells that are longer than an answer can be."""
    if all(len(cell) <= LONGEST for cell in row.cells):
        return row, []
    message = f"has a cell of more than {LONGEST} characters, of which the rest is not read"
    return Row(row.line, [c[:LONGEST] for c in row.cells]), [Remark(row.line, "", message)]


def _twice(headings: Row) -> list[Remark]:
    names = [name.casefold() for name in headings.cells if name]
    doubled = {name for name in names if names.count(name) > 1}
    return [Remark(headings.line, name, "is the heading of two columns") for name in doubled]
