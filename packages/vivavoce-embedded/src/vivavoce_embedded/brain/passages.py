"""The sentences of a text in the forms that the rules compare with a question.

They depend on the knowledge only, so a chunk's passage is read once for all questions.
"""

from __future__ import annotations

import datetime as dt
import re
from functools import cached_property

from vivavoce.knowledge import schedule
from vivavoce.knowledge.chunks import Chunk
from vivavoce.knowledge.normalize import synonyms, terms
from vivavoce.text.folding import fold
from vivavoce.text.sentences import sentences

from . import measures, questions
from .utterance import UserUtterance

FRONTED = 3  # characters; a place that begins there stands before its sentence's subject
PLACE_WORDS = 3  # that belong to a place: "of the harbour"
_WORD = re.compile(r"[a-z0-9]+")


class Sentence:
    """A sentence: `folded`, its stems, and the stems that may mean the same."""

    def __init__(self, text: str, language: str) -> None:
        self.text = text
        self.language = language
        self._shown: dict[str, bool] = {}

    @cached_property
    def folded(self) -> str:
        return fold(self.text)

    @cached_property
    def stems(self) -> frozenset[str]:
        return frozenset(terms(self.text, self.language))

    @cached_property
    def reached(self) -> frozenset[str]:
        same = synonyms(self.language)
        return self.stems.union(*(same.get(word, frozenset()) for word in self.stems))

    def answers(self, said: UserUtterance) -> bool:
        """Return whether the sentence has each fact that the question names exactly."""
        strict = said.strict
        if "hours" in strict and "end" in said.kinds and not questions.tells_closing(self.folded):
            return False
        return all(map(self.shows, strict)) and (
            "many" not in strict or measures.counts(said.folded, self.stems, self.language)
        )

    def shows(self, kind: str) -> bool:
        """Look for a fact of that kind."""
        if kind not in self._shown:
            self._shown[kind] = questions.shows(kind, self.text, self.folded)
        return self._shown[kind]

    @cached_property
    def goes_on(self) -> bool:
        """True if it gives the place of what the sentence before is about: "It is …"."""
        return questions.goes_on(self.folded) and self.shows("where")

    def places(self, subject: set[str]) -> bool:
        """Return whether the sentence says where a subject is, and not what is at that place.

        "Taxis stop in front of the entrance" places taxis. The subject stands before the words of
        a place, or well behind them: "At the desk, we lend wheelchairs".
        """
        found = questions.place(self.folded)
        if found is None:
            return False
        start, end = found
        places = [at for at, stems in self._stems_at if stems & subject]
        if start > FRONTED:
            return any(at <= start for at in places)
        behind = [match.start() for match in _WORD.finditer(self.folded, end)][PLACE_WORDS:]
        return bool(behind) and any(at >= behind[0] for at in places)

    @cached_property
    def _stems_at(self) -> list[tuple[int, frozenset[str]]]:
        """The stems of each word, by its first character."""
        same = synonyms(self.language)
        return [
            (match.start(), same.get(word, frozenset()) | {word})
            for match in _WORD.finditer(self.folded)
            for word in terms(match[0], self.language)
        ]


class Passage:
    """A text of the knowledge, in sentences."""

    def __init__(self, text: str, language: str) -> None:
        self.text = text
        self.sentences = tuple(Sentence(each, language) for each in sentences(text, language))

    @cached_property
    def reached(self) -> frozenset[str]:
        return frozenset().union(*(sentence.reached for sentence in self.sentences))

    def shows(self, kind: str) -> bool:
        return any(sentence.shows(kind) for sentence in self.sentences)


class Passages:
    """The passages of an assistant's chunks. They are as many as the chunks."""

    def __init__(self) -> None:
        self._read: dict[str, Passage] = {}
        self._beyond: dict[str, Passage] = {}

    def of(self, chunk: Chunk) -> Passage:
        if chunk.text not in self._read:
            self._read[chunk.text] = Passage(chunk.text, chunk.language)
        return self._read[chunk.text]

    def beyond(self, chunk: Chunk) -> Passage:
        """Return a chunk's passage; of an event, what goes beyond its place in the programme."""
        if chunk.event is None:
            return self.of(chunk)
        if chunk.text not in self._beyond:
            written = schedule.sentence(chunk.event, chunk.language)
            text = chunk.text.removeprefix(written)
            self._beyond[chunk.text] = Passage(text, chunk.language)
        return self._beyond[chunk.text]

    def told(self, chunk: Chunk, now: dt.datetime) -> Passage:
        """Return a chunk's passage, with the date of an event that is not near."""
        if chunk.event is None:
            return self.of(chunk)
        written = schedule.sentence(chunk.event, chunk.language)
        said = schedule.sentence(chunk.event, chunk.language, now)
        if said == written or not chunk.text.startswith(written):
            return self.of(chunk)
        return Passage(said + chunk.text[len(written) :], chunk.language)
