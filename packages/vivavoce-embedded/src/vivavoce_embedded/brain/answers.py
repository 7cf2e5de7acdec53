"""Answer a question in the words of the knowledge itself.

The rules find a chunk, and in it the sentences that hold the fact. The brain makes nothing up: if
the best chunk covers too little of the question, the brain gives no answer.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from vivavoce.knowledge import schedule
from vivavoce.knowledge.chunks import Chunk
from vivavoce.knowledge.normalize import sound, synonyms, terms
from vivavoce.knowledge.search import Hit, KnowledgeIndex
from vivavoce.text.calendar import MONTHS, WEEKDAYS
from vivavoce.text.folding import fold
from vivavoce.text.sentences import sentences

from . import questions, schedule_answers
from .phrases import PHRASES
from .utterance import BrainReply, UserUtterance

SURE = 0.62  # confidence from which one matching word is enough
SURE_TITLED, HALF = 0.45, 0.4  # … if it is about half of the title
LIKELY = 0.4  # … and from which two words are
CERTAIN = 0.8  # from which a chunk is read without a fact of the wanted kind
CLOSE = 0.97  # of the best score: a chunk so close, with the kind of fact asked for, is preferred
TIMED = frozenset({"hours", "long"})  # kinds of facts that every event has
NEAR_TERMS = 12  # of a question, with which its nearest subjects are searched
KIND = 6.0  # what a fact of the kind asked for adds to a sentence: about two rare words
SENTENCES, CHARACTERS = 3, 320  # what one can listen to


class Answers:
    """The knowledge of an assistant in one language."""

    def __init__(self, index: KnowledgeIndex) -> None:
        self.index = index
        self.programme = schedule_answers.Programme(index)
        months = terms(" ".join(MONTHS[index.language]), index.language)
        self._dates = dict.fromkeys([*months, *map(str, range(1, 32))], 0.0)
        self._days = frozenset(terms(" ".join(WEEKDAYS[index.language]), index.language))

    def find(self, said: UserUtterance) -> Hit | None:
        """Return the chunk that answers, if it covers enough of the question."""
        hits = self.index.search(said.digits, weights=questions.weights(said.terms, said.language))
        kinds = questions.kinds(said.folded)
        if not hits:
            return None
        best = hits[0]
        for hit in hits[1:]:
            close = hit.score >= CLOSE * best.score and hit.confidence >= best.confidence
            if close and kinds and _holds(hit.chunk, kinds) and not _holds(best.chunk, kinds):
                best = hit
        if not self._about(best, said, kinds):
            return None
        enough = SURE_TITLED if best.titled >= HALF else SURE
        sure = best.confidence >= enough or (best.confidence >= LIKELY and best.matched >= 2)
        return best if sure else None

    def _about(self, hit: Hit, said: UserUtterance, kinds: Sequence[str]) -> bool:
        """Return whether a chunk is about what was asked, and not only shares words with it."""
        chunk = hit.chunk
        sure = hit.confidence >= CERTAIN and "where" not in kinds
        if kinds and not _holds(chunk, kinds) and not sure and not chunk.event:
            return False
        if chunk.event and not hit.titled and hit.matched < 2:
            return False  # a word of an abstract
        if len(said.terms) == 1 and not hit.titled and " " not in said.folded:
            return "?" in said.text  # a lone word such as "stop" asks for nothing
        strict = questions.STRICT.intersection(kinds)
        missed = _missed(hit)
        if (strict or "who" in kinds) and missed:
            return bool(chunk.event) and hit.titled >= HALF
        if missed and "where" in kinds and questions.within(said.folded):
            return False
        weak = hit.matched < 2
        if weak and (missed or chunk.event) and questions.wants_yes_or_no(said.folded):
            return False
        if weak and missed and not kinds and hit.titled < HALF:
            return False
        if not strict or (chunk.event and strict <= TIMED):
            return True
        fitting = [
            each
            for each in sentences(_abstract(chunk), chunk.language)
            if questions.answers(said.folded, kinds, each, said.language)
        ]
        if hit.titled or hit.confidence >= 1.0 > hit.matched:
            return bool(fitting)
        own = {word for word in self._own(said) if word not in hit.missed}
        return any(own & _reached(each, said.language) for each in fitting)

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
        kinds = questions.kinds(said.folded)
        own = self._own(said)
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

    def _own(self, said: UserUtterance) -> list[str]:
        """Return the words that say what a question is about, rather than what it wants to know."""
        weights = questions.kind_weights(said.language)
        words = [w for w in said.terms if w not in self._days and not w.isdigit()]
        subject = [w for w in words if w not in weights]
        return subject or [w for w in said.terms if w in self.index]

    def _new(self, own: Sequence[str]) -> bool:
        """Return whether the words name a subject of their own."""
        weights = questions.kind_weights(self.index.language)
        return any(word not in weights and word not in self._days for word in own)

    def topic(self, said: str) -> Chunk | None:
        """Return the chunk that one of the assistant's sentences was taken from."""
        hits = self.index.search(said[:400], limit=1, weights=self._dates)
        return hits[0].chunk if hits and hits[0].confidence > 0.75 else None

    def more(self, last_said: str, language: str, now: dt.datetime) -> BrainReply | None:
        """Return the sentences of the last topic that the assistant has left out."""
        chunk = self.topic(last_said)
        if chunk is None:
            return None
        rest = [s for s in sentences(told(chunk, now), language) if s not in last_said]
        text = _fit(rest) or PHRASES[language].no_more
        return BrainReply(kind="answer", language=language, text=text, chunk_id=chunk.id)

    def near(self, said: UserUtterance, most: int) -> list[str]:
        """Return the subjects nearest to a question, and then any others."""
        hits: list[Hit] = []
        if len(said.terms) <= NEAR_TERMS:  # a search for many unknown words takes long
            weights = questions.weights(said.terms, said.language)
            hits = self.index.search(said.digits, weights=weights)
        close = [hit.chunk.title for hit in hits if hit.titled and not hit.chunk.event]
        return list(dict.fromkeys([*close, *titles(self.index, most)]))[:most]

    def say(
        self, chunk: Chunk, said: UserUtterance, now: dt.datetime, *, strict: bool = False
    ) -> BrainReply | None:
        """Return what a chunk answers. `strict`: nothing without a fact of the wanted kind."""
        kinds = questions.kinds(said.folded)
        text = ""
        if chunk.event and not kinds:
            return self._told(chunk, said, now)
        if chunk.event:
            text = schedule_answers.about(chunk.event, kinds, said.language, now)
            if not text and strict:
                return None
        text = text or self._extract(told(chunk, now), said, kinds, strict)
        if not text:
            return None
        return BrainReply(kind="answer", language=said.language, text=text, chunk_id=chunk.id)

    def _told(self, chunk: Chunk, said: UserUtterance, now: dt.datetime) -> BrainReply:
        """Read a chunk from its beginning."""
        text = _fit(sentences(told(chunk, now), chunk.language))
        return BrainReply(kind="answer", language=said.language, text=text, chunk_id=chunk.id)

    def _extract(self, text: str, said: UserUtterance, kinds: Sequence[str], strict: bool) -> str:
        every = sentences(text, said.language)
        if strict and kinds and not any(
            questions.shows(kind, s, fold(s)) for s in every for kind in kinds
        ):  # fmt: skip
            return ""
        if not kinds and sum(map(len, every)) <= CHARACTERS and len(every) <= SENTENCES:
            return " ".join(every)
        asked = set(said.terms)
        weights = questions.kind_weights(said.language)
        worth: list[float] = []
        for position, sentence in enumerate(every):
            shared = asked & set(terms(sentence, said.language))
            value = sum(self.index.idf(w) * weights.get(w, 1.0) for w in shared)
            shows = [kind for kind in kinds if questions.shows(kind, sentence, fold(sentence))]
            shows += ["all"] * questions.answers(said.folded, kinds, sentence, said.language)
            worth.append(value + KIND * len(shows) - 0.3 * position)
        best = max(range(len(every)), key=lambda i: worth[i])
        also = [
            i for i in range(len(every))
            if (i != best and worth[i] >= 0.75 * worth[best] > 0) or (not kinds and i == best + 1)
        ]  # fmt: skip
        kept = sorted([best, *sorted(also, key=lambda i: -worth[i])[: SENTENCES - 1]])
        return _fit([every[i] for i in kept], must=every[best])


def _fit(chosen: Sequence[str], must: str = "") -> str:
    said: list[str] = []
    for sentence in chosen[:SENTENCES]:
        size = sum(map(len, said)) + len(sentence)
        if not said or sentence == must or size <= CHARACTERS:
            said.append(sentence)
    return " ".join(said)


def _abstract(chunk: Chunk) -> str:
    """Return a chunk's text; of an event, what goes beyond its place in the programme."""
    if chunk.event is None:
        return chunk.text
    return chunk.text.removeprefix(schedule.sentence(chunk.event, chunk.language))


def told(chunk: Chunk, now: dt.datetime) -> str:
    """Return a chunk's text, with the date of an event that is not near."""
    if chunk.event is None:
        return chunk.text
    written = schedule.sentence(chunk.event, chunk.language)
    if not chunk.text.startswith(written):
        return chunk.text
    return schedule.sentence(chunk.event, chunk.language, now) + chunk.text[len(written) :]


def _missed(hit: Hit) -> list[str]:
    """Return the words of a question that a chunk has not, and its title's misheard ones not."""
    heard = {sound(word) for word in terms(hit.chunk.title, hit.chunk.language)}
    return [word for word in hit.missed if sound(word) not in heard]


def _reached(sentence: str, language: str) -> set[str]:
    """Return the stems of a sentence, and those that may mean the same."""
    same = synonyms(language)
    words = set(terms(sentence, language))
    return words.union(*(same.get(word, frozenset()) for word in words))


def _holds(chunk: Chunk, kinds: Sequence[str]) -> bool:
    return any(questions.shows(kinds[0], s, fold(s)) for s in sentences(chunk.text, chunk.language))


def titles(index: KnowledgeIndex, most: int) -> list[str]:
    """Return some subjects that people can ask about: texts before a programme's rows."""
    chunks = [c for c in index.chunks if c.event is None] or index.chunks
    step = max(1, len(chunks) // most)
    return list(dict.fromkeys(chunk.title for chunk in chunks[::step]))[:most]
