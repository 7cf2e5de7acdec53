"""Make the words that a voice speaks from written text, and keep their places in it.

A model may write Markdown, addresses, emoji and its own reasoning. A voice would read all of it
aloud. The transcript stays as it was written: `SpokenSentence.written` translates each spoken word
back to its part of the written text, so that word times belong to the transcript.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from . import verbalize

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_REASONING = "think|thinking|thought|reasoning|reflection"
_OPEN = re.compile(rf"<(?:{_REASONING})>", re.IGNORECASE)
_CLOSE = re.compile(rf"</(?:{_REASONING})>", re.IGNORECASE)
_FENCE = re.compile(r"^\s*(?:```|~~~)[^`\n]*$")
_PICTURES = (
    "\u2300-\u23ff\u2500-\u27bf\u2b00-\u2bff\u3030\u303d\u3297\u3299\ufffc\ufffd"
    "\U0001f000-\U0001faff\U000e0020-\U000e007f"
)
_EMOJI = re.compile(f"[{_PICTURES}][{_PICTURES}\u200d\u20e3\ufe0e\ufe0f]*+|[\u20e3\ufe0e\ufe0f]")
_MARKED = re.compile(r"[*_`~<\[&\\]")
_WRITTEN_ONLY = re.compile(
    rf"[*_`~<\[&\\#>|]|://|www\.|mailto:|(?m:^)[ \t]*[-+•=]|{_EMOJI.pattern}"
)
_RULE = re.compile(r"(?m)^[ \t]*+(?:[-*_=][ \t]*+){3,}$|^[ \t]*+\|?(?:[ \t]*+:?-+:?[ \t]*+\|?)+$")
_LINE = re.compile(r"(?m)^[ \t]*+(?:#{1,6}[ \t]++|>[ \t]*+|[-*+•][ \t]++(?:\[[ xX]\][ \t]++)?)+")
_CELL = re.compile(r"(?m)^[ \t]*+\||[ \t]*\|[ \t]*$")
_BETWEEN_CELLS = re.compile(r"[ \t]*\|[ \t]*")
_ADDRESS = re.compile(
    r"(?:(?:https?|ftp|wss?)://|www\.)[^\s<>\"'`)\]]*[^\s<>\"'`)\].,;:!?…]|mailto:"
)
_LEFT = re.compile(
    r"\*{2,}|_{2,}|~{2,}|`+|(?<!\S)[*_](?=\w)|(?<=[^\W\d_])[*_](?!\S)|(?<=[.!?,;:])[*_](?!\S)"
)
_WITH_NUMBERS = re.compile(r"[\d@½⅓⅔¼¾]")
_BLANKS = re.compile(r"[ \t]{2,}")


def speakable(text: str) -> bool:
    """Return whether a voice has anything to say: a letter or a digit."""
    return any(map(str.isalnum, text))


class SpokenSentence:
    """One sentence: `text` is for the voice, and `written` returns the transcript's part."""

    def __init__(self, sentence: str, text: str, ends: Sequence[int]) -> None:
        """Make it from both texts. `ends`: for each spoken character its end in the sentence."""
        self.text = text
        self._sentence = sentence
        self._ends = ends
        self._spoken = 0  # characters of `text` that were spoken
        self._at = 0  # characters of `sentence` that were returned

    @property
    def silent(self) -> bool:
        return not speakable(self.text)

    def written(self, spoken: str) -> str:
        """Return the part of the sentence that belongs to the next spoken words."""
        self._spoken += len(spoken)
        if self._spoken >= len(self.text):
            return self.rest()
        end = max(self._ends[self._spoken - 1], self._at) if self._spoken else self._at
        part, self._at = self._sentence[self._at : end], end
        return part

    def rest(self) -> str:
        """Return the part of the sentence that no word has taken."""
        part, self._at = self._sentence[self._at :], len(self._sentence)
        return part


class SpokenText:
    """Translate the sentences of one response, in order. Reasoning may extend over several."""

    def __init__(self, numbers: str | None = None) -> None:
        """`numbers`: the language in which numbers become words. None: they stay digits."""
        self._numbers = numbers
        self._reasoning = False
        self._code = False
        self._line_begins = True

    def read(self, sentence: str) -> SpokenSentence:
        plain = not self._reasoning and not self._code
        numbers = self._numbers is not None and _WITH_NUMBERS.search(sentence) is not None
        if plain and not numbers and not _WRITTEN_ONLY.search(sentence):
            self._line_begins = sentence.endswith("\n")
            return SpokenSentence(sentence, sentence, range(1, len(sentence) + 1))
        mapped = _Mapped(sentence)
        self._drop_reasoning(mapped)
        self._drop_marks(mapped)
        if numbers and self._numbers is not None:
            mapped.edit([*verbalize.edits(mapped.text, self._numbers)])
        self._line_begins = sentence.endswith("\n")
        return SpokenSentence(sentence, mapped.text, mapped.ends)

    def _drop_reasoning(self, mapped: _Mapped) -> None:
        spans: list[tuple[int, int]] = []
        at = 0
        while at < len(mapped.text):
            mark = _CLOSE if self._reasoning else _OPEN
            found = mark.search(mapped.text, at)
            if self._reasoning:
                spans.append((at, found.end() if found else len(mapped.text)))
            if not found:
                break
            if not self._reasoning:
                spans.append(found.span())
            self._reasoning = not self._reasoning
            at = found.end()
        mapped.edit((start, end, "") for start, end in spans)

    def _drop_marks(self, mapped: _Mapped) -> None:
        if _FENCE.match(mapped.text.rstrip()):
            self._code = not self._code
            mapped.edit([(0, len(mapped.text), "")])
        elif not self._code:
            if self._line_begins or "\n" in mapped.text.strip():
                mapped.replace(_RULE, "")
                mapped.replace(_LINE, "")
                if mapped.text.lstrip().startswith("|"):
                    mapped.replace(_CELL, "")
                    mapped.replace(_BETWEEN_CELLS, ", ")
            if _MARKED.search(mapped.text):
                mapped.edit(list(_inline(mapped.text)))
                mapped.replace(_LEFT, "")
        mapped.shorten_addresses()
        mapped.replace(_EMOJI, "")
        mapped.replace(_BLANKS, " ")


class _Mapped:
    """A text that changes, and for each of its characters the end in the sentence."""

    def __init__(self, sentence: str) -> None:
        self.text = sentence
        self.ends: Sequence[int] = range(1, len(sentence) + 1)

    def edit(self, edits: Iterator[tuple[int, int, str]] | Sequence[tuple[int, int, str]]) -> None:
        """Replace spans, which are in order and do not overlap."""
        text: list[str] = []
        ends: list[int] = []
        at = 0
        for start, end, put in edits:
            text += (self.text[at:start], put)
            ends += self.ends[at:start]
            last = self.ends[max(start, end - 1)] if start < len(self.text) else len(self.text)
            ends += [last] * len(put)
            at = end
        if at or text:
            text.append(self.text[at:])
            ends += self.ends[at:]
            self.text, self.ends = "".join(text), ends

    def replace(self, pattern: re.Pattern[str], put: str) -> None:
        self.edit([(*match.span(), put) for match in pattern.finditer(self.text)])

    def shorten_addresses(self) -> None:
        found = _ADDRESS.finditer(self.text)
        self.edit([(*match.span(), _host(match.group())) for match in found])


def _host(address: str) -> str:
    """Return the name of a server, which is enough to be heard: example.org."""
    if address == "mailto:":
        return ""
    if "://" not in address:
        return address.removeprefix("www.").split("/")[0]
    try:
        host = urlsplit(address).hostname or ""
    except ValueError:
        host = ""
    return host.removeprefix("www.")


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": True}).enable("strikethrough")
    return parser.disable("text_join")  # an escape or an entity stays a token of its own


def _inline(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield the edits that leave the words of a line's tokens."""
    (line,) = _parser().parseInline(text)
    at = 0
    deleted = 0
    for token in line.children or ():
        deleted += (token.type == "s_open") - (token.type == "s_close")
        source, said = _source(token)
        if not source:
            continue
        start = text.find(source, at)
        if start < 0:
            continue
        end = start + len(source)
        if deleted or said != source:
            yield at, end, "" if deleted else said
        elif start > at:
            yield at, start, ""
        at = end
    if at < len(text) and text[at:].strip():
        yield at, len(text), ""


def _source(token: Token) -> tuple[str, str]:
    """Return how a token stands in the line, and the words that it has."""
    match token.type:
        case "text":
            return token.content, token.content
        case "text_special":
            return token.markup, token.content
        case "code_inline" | "image":
            return token.content, token.content
        case "softbreak" | "hardbreak":
            return "\n", "\n"
        case "html_inline":
            return token.content, " " if token.content.lower().startswith("<br") else ""
        case _:
            return "", ""
