"""Read a saved web page (HTML): headings, paragraphs and tables. Scripts and styles are not read.

What a reader of the page does not see is not read either: hidden elements, comments, navigation. So
a page cannot carry sentences that only a language model would find.
"""

from __future__ import annotations

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

from ...text.encodings import decode
from .parsed import DocumentSection, ParsedDocument, failed

_META = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{1,40})", re.I)
_DROPPED = (
    "script, style, template, noscript, iframe, object, embed, svg, canvas, nav, form, button, "
    "select, [hidden], [aria-hidden=true], head > *:not(title)"
)
_INVISIBLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?![.\d])")
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_BLOCKS = ("p", "li", "dt", "dd", "blockquote", "pre", "figcaption", "caption", "td", "th", "div",
           "section", "article", "main", "body", "address", "summary", "details", "ul", "ol", "dl",
           "header", "footer", "aside", "figure", "br", "hr")  # fmt: skip
DEPTH = 500  # of elements inside each other


def read(data: bytes) -> ParsedDocument:
    """Return a section for each heading."""
    page = LexborHTMLParser(_text(data))
    for node in page.css(_DROPPED):
        node.decompose()
    for node in page.css("[style]"):
        if _INVISIBLE.search((node.attributes.get("style") or "").lower()):
            node.decompose()
    title = page.css_first("title")
    if page.body is None:
        return failed("has no text")
    reader = _Reader()
    reader.read(page.body)
    name = " ".join(title.text().split()) if title is not None else ""
    return ParsedDocument(title=name, sections=tuple(reader.finish()))


def _text(data: bytes) -> str:
    """Decode a page as it says, or as its bytes look."""
    declared = _META.search(data[:4096])
    if declared:
        try:
            return data.decode(declared[1].decode("ascii"), "replace").replace("\0", "")
        except LookupError:
            pass
    return decode(data).text.replace("\0", "")


class _Reader:
    """Collects the sections of a page, from top to bottom."""

    def __init__(self) -> None:
        self._sections: list[DocumentSection] = []
        self._title = ""
        self._paragraphs: list[str] = []
        self._words: list[str] = []

    def read(self, node: LexborNode, depth: int = 0) -> None:
        """Read what is inside of an element."""
        for child in node.iter(include_text=True):
            tag = child.tag
            if tag == "-text":
                self._words.append(child.text_content or "")
            elif tag in _HEADINGS:
                self._section(" ".join(child.text(deep=True).split()))
            elif tag == "tr":
                self._paragraph()
                self._row(child)
            elif tag == "img":
                self._words.append(f" {child.attributes.get('alt') or ''} ")
            elif depth < DEPTH:
                block = tag in _BLOCKS
                if block:
                    self._paragraph()
                self.read(child, depth + 1)
                if block:
                    self._paragraph()

    def finish(self) -> list[DocumentSection]:
        """Return the sections that have a text."""
        self._section("")
        return [each for each in self._sections if each.paragraphs]

    def _row(self, row: LexborNode) -> None:
        cells = (" ".join(cell.text(deep=True).split()) for cell in row.css("td, th"))
        if text := ", ".join(filter(None, cells)):
            self._paragraphs.append(text)

    def _paragraph(self) -> None:
        if text := " ".join("".join(self._words).split()):
            self._paragraphs.append(text)
        self._words.clear()

    def _section(self, title: str) -> None:
        self._paragraph()
        self._sections.append(DocumentSection(self._title, tuple(self._paragraphs)))
        self._title, self._paragraphs = title, []
