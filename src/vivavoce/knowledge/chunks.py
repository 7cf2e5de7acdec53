"""Cut an assistant's knowledge into pieces that each answer one kind of question.

Markdown is cut at its headings. Other ways to ask for a piece are written under its heading:

    ## Wireless network
    Also asked: how do I get online; is there internet

    The network is called …
"""

from __future__ import annotations

import re

import msgspec

from ..text.folding import fold

CHUNK_CHARACTERS = 1200  # a longer section is cut between paragraphs: only a part is an answer
LONGEST = 4 * CHUNK_CHARACTERS  # a longer paragraph is cut too: a question looks at all of a chunk

_HEADING = re.compile(r"^#{1,6}(?=\s)")
_ALSO = re.compile(
    r"^(?:also asked(?: as)?|anche chiesto(?: come)?|altre domande|tambien se pregunta|"
    r"otras preguntas)\s*:\s*(.*)$"
)
_FENCE = re.compile(r"^(```|~~~)")
_LINK = re.compile(r"!?\[([^\[\]]{0,500})\]\([^()\[\]]{0,1000}\)")
_MARKS = re.compile(r"[*_`]{1,3}(?=\S)|(?<=\S)[*_`]{1,3}")
_BULLET = re.compile(r"^\s*(?:[-*+]|\d+[.)])\s+")


class ScheduleEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a programme. Times are HH:MM, the date is ISO or empty; "" is not known."""

    title: str
    weekday: int  # 0 is Monday
    date: str = ""
    start: str
    end: str = ""
    room: str = ""
    speaker: str = ""
    track: str = ""
    kind: str = ""  # talk, workshop, keynote, …


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    title: str
    text: str
    language: str
    also: tuple[str, ...] = ()  # other ways people ask for it
    source: str = ""  # the file it was written in
    event: ScheduleEvent | None = None  # if it is a row of a programme


def markdown(text: str, language: str, source: str) -> list[Chunk]:
    """Return the sections of a Markdown file that have a text, each with its heading."""
    chunks: list[Chunk] = []
    names = _Names(source)
    title, also, lines = _stem_of(source), list[str](), list[str]()

    def close() -> None:
        chunks.extend(
            Chunk(
                id=names.next(title),
                title=title,
                text=part,
                language=language,
                also=tuple(also),
                source=source,
            )
            for part in _parts(lines)
        )

    fenced = False
    for line in _without_front_matter(text).splitlines():
        fenced ^= bool(_FENCE.match(line.strip()))
        if not fenced and (heading := _heading(line)):
            close()
            title, also, lines = _plain(heading), [], []
        elif asked := _ALSO.match(fold(_plain(line))):
            # Folding may change the length, so the examples stay folded: they are only compared.
            examples = (example.strip(" \"'“”«»") for example in re.split(r"[;|]", asked[1]))
            also += [example for example in examples if example]
        elif not _FENCE.match(line.strip()):
            lines.append(line)
    close()
    return chunks


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


def _heading(line: str) -> str:
    """Return the text of a heading without the hashes that close it; "" for another line."""
    if not _HEADING.match(line):
        return ""
    text = line.lstrip("#").strip()
    bare = text.rstrip("#")
    return bare.rstrip() if bare != text and bare[-1:].isspace() else text


def _without_front_matter(text: str) -> str:
    if not text.startswith("---\n"):
        return text
    end = text.find("\n---", 4)
    return text if end < 0 else text[end + 4 :]


def _parts(lines: list[str]) -> list[str]:
    """Return the lines as speech would say them, in pieces of at most some `CHUNK_CHARACTERS`."""
    paragraphs, current = list[str](), list[str]()
    for line in [*lines, ""]:
        if line.strip():
            item = _BULLET.match(line)
            said = _plain(_BULLET.sub("", line)).strip().lstrip(">").strip()
            current.append(said if not item or said.endswith((".", "!", "?")) else f"{said}.")
        elif current:
            paragraphs += cut(" ".join(current))
            current = []
    parts: list[str] = []
    for paragraph in paragraphs:
        if parts and len(parts[-1]) + len(paragraph) < CHUNK_CHARACTERS:
            parts[-1] += f" {paragraph}"
        else:
            parts.append(paragraph)
    return parts


def cut(text: str) -> list[str]:
    """Cut a long text into pieces of at most `LONGEST` characters, after a sentence or a word."""
    pieces: list[str] = []
    start = 0
    while len(text) - start > LONGEST:
        ends = (text.rfind(mark, start + LONGEST // 2, start + LONGEST) for mark in (". ", " "))
        end = next((at + 1 for at in ends if at >= 0), start + LONGEST)
        pieces.append(text[start:end].strip())
        start = end
    return [piece for piece in (*pieces, text[start:].strip()) if piece]


def _plain(line: str) -> str:
    return _MARKS.sub("", _LINK.sub(r"\1", line))


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", fold(title)).strip("-") or "text"


def _stem_of(source: str) -> str:
    return source.rsplit("/", 1)[-1].split(".")[0].replace("_", " ").replace("-", " ")
