"""Read Markdown as a person would read it aloud: sections of paragraphs, without marks.

The parser is markdown-it-py, so its rules decide what is a mark: in code, addresses and links,
nothing is. Comments and deleted text (`~~`) are not read. The words inside of HTML tags are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from html.parser import HTMLParser
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

NESTING = 60  # lists and quotes inside of each other; the parser drops deeper ones
_END = (".", "!", "?", "…", ":", ";", ",", "。")
_KEY = re.compile(r"[\w .-]{1,60}:(?:\s|$)")
_META = re.compile(r"[\w .-]{1,60}:(?:\s|$)|\s|- |#|$")
_NOTE = re.compile(r"\[\^[^\]\s]{1,60}\]:? ?")
_TASK = re.compile(r"\[[ xX]\]\s+")
_SILENT_TAGS = ("script", "style", "template")
OPEN, CLOSE = "<!--", "-->"


class Section(NamedTuple):
    """A heading with its paragraphs, each a list of lines. `line` counts from 1."""

    title: str
    line: int
    paragraphs: list[list[str]]


class Document(NamedTuple):
    """The sections of a text, and what its author should know: line and sentence."""

    sections: list[Section]
    mistakes: list[tuple[int, str]]


def read(text: str) -> Document:
    """Return the sections of a text. The first one, before any heading, has no title."""
    skipped, text = _without_front_matter(_lines(text))
    reader = _Reader(skipped)
    reader.blocks(_parser().parse(text))
    return reader.document()


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt  # 60 ms, which a server without knowledge need not wait

    parser = MarkdownIt("commonmark", {"html": True, "maxNesting": NESTING})
    return parser.enable(["table", "strikethrough"])


def _lines(text: str) -> str:
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _without_front_matter(text: str) -> tuple[int, str]:
    """Return how many lines of `key: value` stand at the beginning, and the text after them.

    Between two rules of dashes there may also be knowledge, which is not cut off.
    """
    if not text.startswith("---\n"):
        return 0, text
    lines = text.split("\n")
    if not _KEY.match(lines[1]):
        return 0, text
    for number, line in enumerate(lines[1:], 1):
        if line.rstrip() in ("---", "..."):
            return number + 1, "\n".join(lines[number + 1 :])
        if not _META.match(line):
            break
    return 0, text


class _Reader:
    """Walk through the parser's tokens, and collect what is read."""

    def __init__(self, skipped: int) -> None:
        self._skipped = skipped  # lines before the text that was parsed
        self._sections = [Section("", 1, [])]
        self._mistakes: list[tuple[int, str]] = []
        self._hidden: int | None = None  # the line of a comment that is still open
        self._line = 1
        self._table: list[list[str]] = []  # the rows of the table that is being read
        self._headings = False  # True if the table's first row has the names of its columns
        self._in_table = False
        self._items = 0  # lists that are open

    def document(self) -> Document:
        if self._hidden is not None:
            message = f'a comment begins here and has no end ("{CLOSE}"): the rest is not read'
            self._mistakes.append((self._hidden, message))
        return Document(self._sections, self._mistakes)

    def blocks(self, tokens: Sequence[Token]) -> None:
        heading = False
        for token in tokens:
            if token.map:
                self._line = token.map[0] + 1 + self._skipped
            match token.type:
                case "heading_open":
                    heading = True
                case "heading_close":
                    heading = False
                case "bullet_list_open" | "ordered_list_open":
                    self._items += 1
                case "bullet_list_close" | "ordered_list_close":
                    self._items -= 1
                case "table_open":
                    self._table, self._headings, self._in_table = [], False, True
                case "thead_open":
                    self._headings = True
                case "tr_open":
                    self._table.append([])
                case "table_close":
                    self._in_table = False
                    self._add(_rows(self._table, headings=self._headings))
                case "inline":
                    self._inline(token, heading=heading)
                case "fence" | "code_block":
                    self._add(token.content.split("\n"))
                case "html_block":
                    self._html(token.content)

    def _inline(self, token: Token, *, heading: bool) -> None:
        hidden = self._hidden is not None
        words = self._words(token.children or ())
        lines = [" ".join(line.split()) for line in words.split("\n")]
        if self._in_table:
            self._table[-1].append(" ".join(filter(None, lines)))
        elif heading:
            if not hidden:
                self._sections.append(Section(words.replace("\n", " ").strip(), self._line, []))
        elif self._items and lines:
            lines[0] = _TASK.sub("", lines[0], count=1) if lines[0].startswith("[") else lines[0]
            said = [line for line in lines if line]
            if said and not said[-1].endswith(_END):
                said[-1] += "."
            self._keep(said)
        else:
            self._keep(lines)

    def _add(self, lines: Sequence[str]) -> None:
        """Append a paragraph, unless it is in a comment."""
        if self._hidden is None:
            self._keep(lines)

    def _keep(self, lines: Sequence[str]) -> None:
        if said := [line for line in lines if line.strip()]:
            self._sections[-1].paragraphs.append(said)

    def _html(self, content: str) -> None:
        if content.lstrip().startswith(OPEN) and CLOSE not in content:
            self._hidden = self._line
            return
        self._add([" ".join(line.split()) for line in html_words(content).split("\n")])

    def _words(self, tokens: Sequence[Token]) -> str:
        """Return the text of a line's tokens. Deleted text and comments are left out."""
        said: list[str] = []
        deleted = 0
        for token in tokens:
            deleted += (token.type == "s_open") - (token.type == "s_close")
            if not deleted:
                said += self._shown(token)
        return "".join(said)

    def _shown(self, token: Token) -> Iterator[str]:
        if token.type in ("text", "text_special"):
            yield from self._outside_comments(_NOTE.sub("", token.content))
        elif self._hidden is not None:
            return
        elif token.type in ("code_inline", "image"):
            yield token.content
        elif token.type in ("softbreak", "hardbreak"):
            yield "\n"
        elif token.type == "html_inline":
            yield " " if re.match(r"</?(?:br|p|li|div|td|tr)\b", token.content, re.I) else ""

    def _outside_comments(self, text: str) -> Iterator[str]:
        """Leave out a comment whose paragraph ends before it does: the parser takes it for text."""
        while text:
            mark = OPEN if self._hidden is None else CLOSE
            before, found, text = text.partition(mark)
            if self._hidden is None:
                yield before
                self._hidden = self._line if found else None
            elif found:
                self._hidden = None


def _rows(table: Sequence[Sequence[str]], *, headings: bool) -> list[str]:
    """Return a sentence for each row, with the names of its columns."""
    names = table[0] if headings and table else ()
    return [said for row in (table[1:] if headings else table) if (said := row_words(names, row))]


def row_words(names: Sequence[str], cells: Sequence[str]) -> str:
    """Return a row of a table as a sentence: "Room: Oak, Floor: 1."."""
    named = [*names, *[""] * (len(cells) - len(names))]
    said = [f"{n.rstrip(':')}: {c}" if n else c for n, c in zip(named, cells, strict=False) if c]
    sentence = ", ".join(said)
    return sentence if not sentence or sentence.endswith((".", "!", "?", "…")) else f"{sentence}."


class _Words(HTMLParser):
    """Collect the words between tags, with entities decoded."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.said: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent += tag in _SILENT_TAGS
        self.said.append(" ")

    def handle_endtag(self, tag: str) -> None:
        self._silent = max(self._silent - (tag in _SILENT_TAGS), 0)
        self.said.append(" ")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.said.append(data)


def html_words(html: str) -> str:
    """Return the words of HTML without its tags and comments."""
    parser = _Words()
    parser.feed(html)
    parser.close()
    return "".join(parser.said)
