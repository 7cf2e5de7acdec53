"""Read the text of a PDF, page by page."""

from __future__ import annotations

import io
import logging
import re

from pypdf import PageObject, PdfReader
from pypdf.errors import PyPdfError

from .parsed import DocumentRemark, DocumentSection, ParsedDocument, failed

PAGES = 2000
_HYPHEN = re.compile(r"(?<=[^\W\d_])[-\u00ad\u2010]\n(?=[^\W\d_])")
_PARAGRAPH = re.compile(r"\n\s*\n")


def read(data: bytes) -> ParsedDocument:
    """Return a section for each page that has text."""
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it quotes the document
    try:
        reader = PdfReader(io.BytesIO(data), strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            return failed("has a password, so that it cannot be read")
        pages = len(reader.pages)
    except Exception as error:  # the parser raises many types for a damaged file
        return failed(f"is damaged ({type(error).__name__})")
    sections: list[DocumentSection] = []
    mistakes: list[DocumentRemark] = []
    empty: list[int] = []
    for number in range(min(pages, PAGES)):
        place = f"page {number + 1}"
        try:
            paragraphs = _paragraphs(reader.pages[number])
        except Exception as error:
            mistakes.append(DocumentRemark(f"cannot be read ({type(error).__name__})", place))
            continue
        if paragraphs:
            sections.append(DocumentSection("", paragraphs, place))
        else:
            empty.append(number + 1)
    warnings = [
        DocumentRemark("has no text, only a picture or nothing", f"page {n}") for n in empty
    ]
    if pages > PAGES:
        mistakes.append(DocumentRemark(f"has {pages} pages; at most {PAGES} are read"))
    return ParsedDocument(
        title=_title(reader),
        sections=tuple(sections),
        mistakes=tuple(mistakes),
        warnings=tuple(warnings),
    )


def _paragraphs(page: PageObject) -> tuple[str, ...]:
    """Join the lines of a page to paragraphs, and the halves of a word at a line's end."""
    text = _HYPHEN.sub("", page.extract_text().replace("\r", "\n").replace("\0", ""))
    found = (" ".join(each.split()) for each in _PARAGRAPH.split(text))
    return tuple(each for each in found if each)


def _title(reader: PdfReader) -> str:
    try:
        title = reader.metadata.title if reader.metadata else None
    except (PyPdfError, ValueError, TypeError, KeyError, AttributeError):
        return ""
    return " ".join(title.split()) if isinstance(title, str) else ""
