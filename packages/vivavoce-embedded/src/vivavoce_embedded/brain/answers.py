"""Answer a question in the words of the knowledge itself.

The rules find a chunk, and in it the sentences that hold the fact. The brain makes nothing up: if
the best chunk covers too little of the question, the brain gives no answer.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from vivavoce.knowledge.chunks import Chunk
from vivavoce.knowledge.normalize import terms
from vivavoce.knowledge.search import Hit, KnowledgeIndex
from vivavoce.text.calendar import MONTHS

from . import questions, schedule_answers
from .passages import Passage, Passages, Sentence
from .phrases import PHRASES
from .relevance import HALF, Relevance
from .utterance import BrainReply, UserUtterance

CLOSE = 0.97  # of the best score: a chunk so close, with the kind of fact asked for, is preferred
NEAR_TERMS = 12  # of a question, with which its nearest subjects are searched
KIND = 6.0  # what a fact of the kind asked for adds to a sentence: about two rare words
LATER = 0.3  # what each sentence before takes away
SENTENCES, CHARACTERS = 3, 320  # what one can listen to


class Answers:
    """The knowledge of an assistant in one language."""

    def __init__(self, index: KnowledgeIndex) -> None:
        self.index = index
        self.passages = Passages()
        self.relevance = Relevance(index, self.passages)
        self.programme = schedule_answers.Programme(index)
        months = terms(" ".join(MONTHS[index.language]), index.language)
        told = [chunk for chunk in index.chunks if chunk.event is None] or index.chunks
        self._subjects = list(dict.fromkeys(chunk.title for chunk in told))
        self._dates = dict.fromkeys([*months, *map(str, range(1, 32))], 0.0)

    def find(self, said: UserUtterance) -> Hit | None:
        """Return the chunk that answers, if it covers enough of the question."""
        hits = self._hits(said)
        if not hits:
            return None
        best, wanted = hits[0], said.kinds[:1]
        for hit in hits[1:]:
            close = hit.score >= CLOSE * best.score and hit.confidence >= best.confidence
            if close and wanted and self._holds(hit, wanted[0]) > self._holds(best, wanted[0]):
                best = hit
        rival = max((hit.score for hit in hits if hit is not best), default=0.0)
        if self.relevance.is_rivalled(best, rival / best.score):
            return None
        return best if self.relevance.answers(best, said) else None

    def _hits(self, said: UserUtterance) -> list[Hit]:
        """Search once for an utterance: its nearest subjects are among the same chunks."""
        if said.hits is None:
            weights = questions.weights(said.terms, said.language)
            said.hits = self.index.search_terms(said.terms, weights=weights)
        return said.hits

    def _holds(self, hit: Hit, kind: str) -> bool:
        return self.passages.of(hit.chunk).shows(kind)

    def answer(
        self,
        said: UserUtterance,
        earlier: Sequence[UserUtterance],
        last_said: str,
        now: dt.datetime,
    ) -> BrainReply | None:
        """`earlier` and `last_said`: what a question may lean on, if it was just spoken."""
        if written := self.index.asked(said.text):
            return self._told(written, said, now)
        leaning = questions.leans(said.folded)
        if text := self.programme.answer(said, earlier, now):
            return BrainReply(kind="programme", language=said.language, text=text)
        kinds = said.kinds
        own = self.relevance.subject(said)
        hit = self.find(said) if own else None
        named = self._new(own) or (hit is not None and hit.titled >= HALF and not leaning)
        if not named and (kinds or leaning) and (topic := self.topic(last_said)):
            reply = self.say(topic, said, now, strict=True)
            if reply is not None or leaning:
                return reply
        elif (
            not named
            and leaning
            and earlier
            and (text := self.programme.answer(earlier[-1], (), now))
        ):  # the last answer was a list, which has the places
            return BrainReply(kind="programme", language=said.language, text=text)
        return self.say(hit.chunk, said, now) if hit else None

    def _new(self, own: Sequence[str]) -> bool:
        """Return whether the words name a subject of their own."""
        weights = questions.kind_weights(self.index.language)
        return any(word not in weights and word not in self.relevance.days for word in own)

    def topic(self, said: str) -> Chunk | None:
        """Return the chunk that one of the assistant's sentences was taken from."""
        if not said:
            return None
        hits = self.index.search(said[:400], limit=1, weights=self._dates)
        return hits[0].chunk if hits and hits[0].confidence > 0.75 else None

    def more(self, last_said: str, language: str, now: dt.datetime) -> BrainReply | None:
        """Return the sentences of the last topic that the assistant has left out."""
        chunk = self.topic(last_said)
        if chunk is None:
            return None
        every = self.passages.told(chunk, now).sentences
        rest = [each.text for each in every if each.text not in last_said]
        text = _fit(rest) or PHRASES[language].no_more
        return BrainReply(kind="answer", language=language, text=text, chunk_id=chunk.id)

    def titles(self, most: int) -> list[str]:
        """Return some subjects that people can ask about: texts before a programme's rows."""
        step = max(1, len(self._subjects) // most)
        return self._subjects[::step][:most]

    def near(self, said: UserUtterance, most: int) -> list[str]:
        """Return the subjects nearest to a question, and then any others."""
        hits: list[Hit] = []
        if len(said.terms) <= NEAR_TERMS:  # a search for many unknown words takes long
            hits = self._hits(said)
        close = [hit.chunk.title for hit in hits if hit.titled and not hit.chunk.event]
        return list(dict.fromkeys([*close, *self.titles(most)]))[:most]

    def say(
        self, chunk: Chunk, said: UserUtterance, now: dt.datetime, *, strict: bool = False
    ) -> BrainReply | None:
        """Return what a chunk answers. `strict`: nothing without a fact of the wanted kind."""
        kinds = said.kinds
        text = ""
        if chunk.event and not kinds:
            return self._told(chunk, said, now)
        if chunk.event:
            text = schedule_answers.about(chunk.event, kinds, said.language, now)
            if not text and strict:
                return None
        text = text or self._extract(said, strict, self.passages.told(chunk, now))
        if not text:
            return None
        return self._reply(chunk, said, text)

    def _told(self, chunk: Chunk, said: UserUtterance, now: dt.datetime) -> BrainReply:
        """Read a chunk from its beginning."""
        text = _fit([each.text for each in self.passages.told(chunk, now).sentences])
        return self._reply(chunk, said, text)

    def _reply(self, chunk: Chunk, said: UserUtterance, text: str) -> BrainReply:
        found = (hit.confidence for hit in said.hits or () if hit.chunk is chunk)
        return BrainReply(
            kind="answer",
            language=said.language,
            text=text,
            chunk_id=chunk.id,
            score=next(found, 1.0),
        )

    def score(self, said: UserUtterance) -> float:
        """Return how much of a question the nearest chunk covers. 0 for a long question."""
        hits = self._hits(said) if len(said.terms) <= NEAR_TERMS else []
        return max((hit.confidence for hit in hits), default=0.0)

    def _extract(self, said: UserUtterance, strict: bool, passage: Passage) -> str:
        every, kinds = passage.sentences, said.kinds
        if strict and kinds and not any(map(passage.shows, kinds)):
            return ""
        if (
            not kinds
            and sum(len(each.text) for each in every) <= CHARACTERS
            and len(every) <= SENTENCES
        ):
            return " ".join(each.text for each in every)
        worth = [self._worth(each, said) - LATER * place for place, each in enumerate(every)]
        best = max(range(len(every)), key=lambda i: worth[i])
        also = [
            i for i in range(len(every))
            if (i != best and worth[i] >= 0.75 * worth[best] > 0) or (not kinds and i == best + 1)
        ]  # fmt: skip
        kept = sorted([best, *sorted(also, key=lambda i: -worth[i])[: SENTENCES - 1]])
        return _fit([every[i].text for i in kept], must=every[best].text)

    def _worth(self, sentence: Sentence, said: UserUtterance) -> float:
        """Return how much a sentence answers: by the words it shares, and its kinds of facts."""
        weights = questions.kind_weights(said.language)
        shared = sentence.stems.intersection(said.terms)
        value = sum(self.index.idf(word) * weights.get(word, 1.0) for word in shared)
        facts = sum(map(sentence.shows, said.kinds)) + sentence.answers(said)
        return value + KIND * facts


def _fit(chosen: Sequence[str], must: str = "") -> str:
    said: list[str] = []
    for sentence in chosen[:SENTENCES]:
        size = sum(map(len, said)) + len(sentence)
        if not said or sentence == must or size <= CHARACTERS:
            said.append(sentence)
    return " ".join(said)
