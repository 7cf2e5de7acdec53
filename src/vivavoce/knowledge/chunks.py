"""Cut an assistant's knowledge into pieces that each answer one kind of question.

Markdown is cut at its headings. Other ways to ask for a piece are written under its heading:

    ## Wireless network
    Also asked: how do I get online; is there internet

    The network is called …
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from ..text import markdown as reader
from ..text.folding import fold
from ..text.sentences import sentences
from .documents.parsed import DocumentSection, ParsedDocument

CHUNK_CHARACTERS = 1200  # a longer section is cut between paragraphs: only a part is an answer
LONGEST = 4 * CHUNK_CHARACTERS  # a longer paragraph is cut too: a question looks at all of a chunk

_END = (".", "!", "?", "…", ":", ";", ",", ")", "”", '"')
_ALSO = re.compile(
    r"^(?:also asked(?: as)?|anche chiesto(?: come)?|altre domande|tambien se pregunta|"
    r"otras preguntas|auch gefragt)\s*:\s*(.*)$"
)


class ScheduleEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a programme. Times are HH:MM, the date is ISO or empty; "" is not known.

    An end before the start is on the next day. `24:00` is the midnight that ends the day.
    """

    title: str
    weekday: int  # 0 is Monday
    date: str = ""
    start: str
    end: str = ""
    room: str = ""
    speaker: str = ""
    track: str = ""
    kind: str = ""  # talk, workshop, keynote, …
    status: str = ""  # cancelled, postponed, or "" if it takes place


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    title: str
    text: str
    language: str
    also: tuple[str, ...] = ()  # other ways people ask for it
    source: str = ""  # the file it was written in
    place: str = ""  # where in the file, such as "page 3" or "row 12"
    event: ScheduleEvent | None = None  # if it is a row of a programme


def markdown(text: str, language: str, source: str) -> list[Chunk]:
    """Return the sections of a Markdown file that have a text, each with its heading."""
    return sections(reader.read(text), language, source)


def sections(document: reader.Document, language: str, source: str) -> list[Chunk]:
    """Return a chunk or more for each section that has a text."""
    chunks: list[Chunk] = []
    names = _Names(source)
    for section in document.sections:
        title = section.title or _stem_of(source)
        also, paragraphs = _also_asked(section.paragraphs)
        chunks.extend(
            Chunk(
                id=names.next(title),
                title=title,
                text=part,
                language=language,
                also=also,
                source=source,
            )
            for part in _parts(paragraphs)
        )
    return chunks


def document(parsed: ParsedDocument, language: str, source: str) -> list[Chunk]:
    """Return the sections of a document. A page without a heading has the document's title."""
    chunks: list[Chunk] = []
    names = _Names(source)
    for section in parsed.sections:
        title = section.title or parsed.title or _stem_of(source)
        name = f"{title} {section.place}" if section.place else title
        chunks.extend(
            Chunk(
                id=names.next(name),
                title=title,
                text=part,
                language=language,
                source=source,
                place=section.place,
            )
            for part in _parts(section.paragraphs)
        )
    return chunks


def plain_text(text: str, language: str, source: str) -> list[Chunk]:
    """Return the paragraphs of a plain text, which blank lines separate."""
    paragraphs = (" ".join(each.split()) for each in re.split(r"\n[ \t]*\n", text))
    section = DocumentSection("", tuple(filter(None, paragraphs)))
    return document(ParsedDocument(sections=(section,)), language, source)


def _also_asked(paragraphs: list[list[str]]) -> tuple[tuple[str, ...], list[str]]:
    """Take the lines of examples out of the paragraphs, and join the other lines of each."""
    also: list[str] = []
    kept: list[str] = []
    for lines in paragraphs:
        said: list[str] = []
        for line in lines:
            if asked := _ALSO.match(fold(line)):
                # Folding may change the length, so the examples stay folded: they are only compared
                examples = (each.strip(" \"'“”«»") for each in re.split(r"[;|]", asked[1]))
                also += [each for each in examples if each]
            else:
                said.append(line)
        if said:
            kept.append(" ".join(said))
    return tuple(also), kept


class _Names:
    """Ids for the chunks of one file, by their titles and, where those are alike, a number."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._taken: dict[str, int] = {}

    def next(self, title: str) -> str:
        name = f"{self._source}#{_slug(title)}"
        number = self._taken.get(name, 0) + 1
        found = name if number == 1 else f"{name}-{number}"
        while found in self._taken and number > 1:  # another title is spelled so
            number += 1
            found = f"{name}-{number}"
        self._taken[name] = number
        self._taken.setdefault(found, 1)
        return found


def _parts(paragraphs: Sequence[str]) -> list[str]:
    """Join the paragraphs into pieces of at most some `CHUNK_CHARACTERS`."""
    parts: list[str] = []
    *before, last = paragraphs or ("",)
    ended = [each if each.endswith(_END) else f"{each}." for each in before]
    for paragraph in (piece for each in (*ended, last) for piece in cut(each)):
        if parts and len(parts[-1]) + len(paragraph) < CHUNK_CHARACTERS:
            parts[-1] += f" {paragraph}"
        else:
            parts.append(paragraph)
    return parts


def cut(text: str) -> list[str]:
    """Cut a long text into pieces of at most `LONGEST` characters, after a sentence or a word."""
    if len(text) <= LONGEST:
        return [text.strip()] if text.strip() else []
    pieces = [""]
    for sentence in sentences(text, longest=LONGEST):
        if len(pieces[-1]) + len(sentence) < LONGEST:
            pieces[-1] = f"{pieces[-1]} {sentence}".strip()
        else:
            pieces.append(sentence)
    return [piece for piece in pieces if piece]


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", fold(title)).strip("-") or "text"


def _stem_of(source: str) -> str:
    return source.rsplit("/", 1)[-1].split(".")[0].replace("_", " ").replace("-", " ")
