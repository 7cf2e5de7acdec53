"""The content of a document, as its parser returns it to the server."""

from __future__ import annotations

import msgspec


class DocumentSection(msgspec.Struct, frozen=True):
    """A heading with its paragraphs. `place` is where they stand, such as "page 3"."""

    title: str
    paragraphs: tuple[str, ...]
    place: str = ""


class DocumentRow(msgspec.Struct, frozen=True):
    """A row of a table. `number` counts from 1, as a spreadsheet shows it."""

    number: int
    cells: tuple[str, ...]


class DocumentTable(msgspec.Struct, frozen=True):
    """The rows of one sheet or calendar. `place` is its name, empty for the only one."""

    rows: tuple[DocumentRow, ...]
    place: str = ""


class DocumentRemark(msgspec.Struct, frozen=True):
    """A sentence for the author that begins with the name of the file."""

    message: str
    place: str = ""
    row: int = 0


class ParsedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """All that could be read. `mistakes`: what could not. `warnings`: what was left out."""

    title: str = ""
    sections: tuple[DocumentSection, ...] = ()
    tables: tuple[DocumentTable, ...] = ()
    mistakes: tuple[DocumentRemark, ...] = ()
    warnings: tuple[DocumentRemark, ...] = ()


def failed(message: str, place: str = "") -> ParsedDocument:
    """Return a document of which nothing could be read."""
    return ParsedDocument(mistakes=(DocumentRemark(message, place),))
