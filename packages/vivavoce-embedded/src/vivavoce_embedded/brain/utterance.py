"""An utterance in the three forms that the rules need, and the reply to it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property
from typing import Literal

import msgspec

from vivavoce.knowledge.normalize import terms
from vivavoce.knowledge.search import Hit
from vivavoce.text.folding import fold

from . import questions
from .numbers import digits

_JUNK = re.compile(r"[^\w\s@.:'/+-]|(?<=\W)[.'](?=\W)|[.:](?=\s|$)")
_WHERE = re.compile(r"^(?:wear|ware|were) (?=(?:is|are|can|do|does|was)\b)")  # as it is heard
_GAP = "\0"  # in no word: it is junk
TEXT_CHARACTERS = 2000  # of one utterance; the rest is not looked at


class UserUtterance:
    """An utterance in the forms that the rules read.

    `text`: as it arrived. `folded`: in small letters, without accents and punctuation. `digits`:
    `folded` with its numbers as digits. `terms`: the stems that carry its meaning. `hits`: what the
    search for it has found, once it was searched.
    """

    def __init__(self, text: str, language: str) -> None:
        self.text = text[:TEXT_CHARACTERS].strip()
        self.language = language
        self.hits: list[Hit] | None = None

    @cached_property
    def folded(self) -> str:
        folded = fold(self.text)[: 2 * TEXT_CHARACTERS]  # one character may become eighteen
        return _WHERE.sub("where ", " ".join(_JUNK.sub(" ", f" {folded} ").split()))

    @cached_property
    def digits(self) -> str:
        return digits(self.folded, self.language)

    @cached_property
    def terms(self) -> list[str]:
        return terms(self.digits, self.language)

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of facts that it wants, the most particular first."""
        return tuple(questions.kinds(self.folded))

    @cached_property
    def strict(self) -> frozenset[str]:
        """The kinds of facts that a sentence must have to be an answer."""
        return questions.STRICT.intersection(self.kinds)

    @cached_property
    def yes_or_no(self) -> bool:
        """True if it asks if something is so."""
        if questions.wants_yes_or_no(self.folded):
            return True
        return self.text.endswith("?") and not questions.has_question_word(self.folded)

    def original(self, folded: str) -> str:
        """Return a piece of `folded` as it was written, with its capitals and accents."""
        wanted = folded.split()
        at = self._plain.find(_tokens(wanted)) if wanted else -1
        if at < 0:
            return folded
        first = self._plain.count(_GAP, 0, at + 1) - 1
        return " ".join(self._written[first : first + len(wanted)]).strip(" .,;:!?¿¡\"'")

    @cached_property
    def _written(self) -> list[str]:
        return self.text.split()

    @cached_property
    def _plain(self) -> str:
        """Each written word as it is in `folded`, between gaps."""
        return _tokens(" ".join(_JUNK.sub(" ", f" {fold(w)} ").split()) for w in self._written)


def _tokens(words: Iterable[str]) -> str:
    return _GAP + _GAP.join(words) + _GAP


class BrainReply(msgspec.Struct, frozen=True, kw_only=True):
    """Either text to say or a tool to call. `chunk_id` names what the text was taken from.

    `score`: how much of the question that chunk covers. 1 if it was taken without a search. Of an
    unknown answer: that of the chunk which is nearest.
    """

    kind: Literal[
        "answer", "programme", "small", "unknown", "ask", "call", "result", "approve", "decline"
    ]
    language: str
    text: str = ""
    chunk_id: str | None = None
    score: float = 1.0
    name: str = ""
    call_id: str = ""  # of the tool call that the user approved or declined
    arguments: dict[str, object] = msgspec.field(default_factory=dict)
