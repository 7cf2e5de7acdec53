"""What an assistant knows, in pieces that each answer one kind of question.

Markdown is cut at its headings. Other ways to ask for a piece are written under its heading:

    ## Wireless network
    Also asked: how do I get online; is there internet

    The network is called …
"""

from __future__ import annotations

import re

import msgspec

from .words import fold

CHUNK_CHARACTERS = 1200  # a longer section is cut between paragraphs: only a part is an answer

_HEADING = re.compile(r"^(#{1,6})\s+(.+?)\s*#*\s*$")
_ALSO = re.compile(
    r"^(?:also asked(?: as)?|anche chiesto(?: come)?|altre domande|tambien se pregunta|"
    r"otras preguntas)\s*:\s*(.*)$"
)
_FENCE = re.compile(r"^(```|~~~)")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_MARKS = re.compile(r"[*_`]{1,3}(?=\S)|(?<=\S)[*_`]{1,3}")
_BULLET = re.compile(r"^\s*(?:[-*+]|\d+[.)])\s+")


class Event(msgspec.Struct, frozen=True, kw_only=True):
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
    event: Event | None = None  # if it is a row of a programme


def markdown(text: str, language: str, source: str) -> list[Chunk]:
    """The sections of a Markdown file, each with its heading; what has no text is left out."""
    chunks: list[Chunk] = []
    title, also, lines = _stem_of(source), list[str](), list[str]()

    def close() -> None:
        for part in _parts(lines):
            name = f"{source}#{_slug(title)}"
            taken = sum(c.id == name or c.id.startswith(f"{name}-") for c in chunks)
            chunks.append(
                Chunk(
                    id=f"{name}-{taken + 1}" if taken else name,
                    title=title,
                    text=part,
                    language=language,
                    also=tuple(also),
                    source=source,
                )
            )

    fenced = False
    for line in _without_front_matter(text).splitlines():
        fenced ^= bool(_FENCE.match(line.strip()))
        if not fenced and (heading := _HEADING.match(line)):
            close()
            title, also, lines = _plain(heading[2]), [], []
        elif asked := _ALSO.match(fold(_plain(line))):
            # Folding may change the length, so the examples stay folded: they are only compared.
            examples = (example.strip(" \"'“”«»") for example in re.split(r"[;|]", asked[1]))
            also += [example for example in examples if example]
        elif not _FENCE.match(line.strip()):
            lines.append(line)
    close()
    return chunks


def _without_front_matter(text: str) -> str:
    if not text.startswith("---\n"):
        return text
    end = text.find("\n---", 4)
    return text if end < 0 else text[end + 4 :]


def _parts(lines: list[str]) -> list[str]:
    """The lines as speech would say them, in pieces of at most some `CHUNK_CHARACTERS`."""
    paragraphs, current = list[str](), list[str]()
    for line in [*lines, ""]:
        if line.strip():
            item = _BULLET.match(line)
            said = _plain(_BULLET.sub("", line)).strip().lstrip(">").strip()
            current.append(said if not item or said.endswith((".", "!", "?")) else f"{said}.")
        elif current:
            paragraphs.append(" ".join(current))
            current = []
    parts: list[str] = []
    for paragraph in paragraphs:
        if parts and len(parts[-1]) + len(paragraph) < CHUNK_CHARACTERS:
            parts[-1] += f" {paragraph}"
        else:
            parts.append(paragraph)
    return parts


def _plain(line: str) -> str:
    return _MARKS.sub("", _LINK.sub(r"\1", line))


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", fold(title)).strip("-") or "text"


def _stem_of(source: str) -> str:
    return source.rsplit("/", 1)[-1].split(".")[0].replace("_", " ").replace("-", " ")
