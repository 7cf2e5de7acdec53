"""Read a Word document (DOCX): headings, paragraphs, and tables row by row."""

from __future__ import annotations

import io

import docx
from docx.table import Table
from docx.text.paragraph import Paragraph

from . import archive
from .parsed import DocumentSection, ParsedDocument, failed


def read(data: bytes) -> ParsedDocument:
    """Return a section for each heading."""
    try:
        archive.check(data)
        document = docx.Document(io.BytesIO(data))
        sections = _sections(document.iter_inner_content())
        title = " ".join((document.core_properties.title or "").split())
    except archive.UnfitArchiveError as error:
        return failed(str(error))
    except Exception as error:  # the parser raises many types for a damaged file
        return failed(f"is damaged ({type(error).__name__})")
    return ParsedDocument(title=title, sections=tuple(sections))


def _sections(blocks: object) -> list[DocumentSection]:
    sections: list[DocumentSection] = []
    title, paragraphs = "", list[str]()
    for block in blocks:  # type: ignore[attr-defined]
        if isinstance(block, Table):
            paragraphs += _rows(block)
            continue
        assert isinstance(block, Paragraph)
        text = " ".join(block.text.split())
        if text and _is_heading(block):
            sections.append(DocumentSection(title, tuple(paragraphs)))
            title, paragraphs = text, []
        elif text:
            paragraphs.append(text)
    sections.append(DocumentSection(title, tuple(paragraphs)))
    return [each for each in sections if each.paragraphs]


def _is_heading(paragraph: Paragraph) -> bool:
    """Return True for a style that is a heading in any language of Word: its id is English."""
    style = paragraph.style
    return style is not None and style.style_id.startswith(("Heading", "Title"))


def _rows(table: Table) -> list[str]:
    """Return each row below the first one as a sentence: "Room: Oak, Floor: 1."."""
    rows = [[" ".join(cell.text.split()) for cell in row.cells] for row in table.rows]
    if len(rows) < 2:
        return [", ".join(filter(None, row)) for row in rows if any(row)]
    heads, *below = rows
    named = ([f"{h}: {c}" if h else c for h, c in zip(heads, row, strict=False) if c]
             for row in below)  # fmt: skip
    return [f"{', '.join(cells)}." for cells in named if cells]
