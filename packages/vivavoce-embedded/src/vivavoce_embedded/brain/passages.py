"""The sentences of a text in the forms that the rules compare with a question.

They depend on the knowledge only, so a chunk's passage is read once for all questions.
"""

from __future__ import annotations

import datetime as dt
from functools import cached_property

from vivavoce.knowledge import schedule
from vivavoce.knowledge.chunks import Chunk
from vivavoce.knowledge.normalize import synonyms, terms
from vivavoce.text.folding import fold
from vivavoce.text.sentences import sentences

from . import measures, questions
from .utterance import UserUtterance


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


class Passage:
    """A text of the knowledge, in sentences."""

    def __init__(self, text: str, language: str) -> None:
        self.text = text
        self.sentences = tuple(Sentence(each, language) for each in sentences(text, language))

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
