"""Find the chunk that a question is about, and how sure that is.

The score is BM25 (Robertson and Zaragoza 2009) over stems, with three additions for speech. An
unknown word may be a misheard one of the knowledge. Two words may be one ("key note"). A word may
have an everyday synonym. Confidence is not the score. It is the share of the question's meaning (by
inverse document frequency) that the chunk covers. So a question about another subject stays low,
although one of its words may occur often.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import msgspec

from ..text.folding import fold
from .chunks import Chunk
from .normalize import stem, synonyms, terms
from .vocabulary import Vocabulary

K1, B = 1.2, 0.75  # BM25's customary values
TITLE_WEIGHT, ALSO_WEIGHT = 3, 2
ASKED_CHARACTERS = 500  # of a question, by which it is known to be one that was written down
QUERY_TERMS = 40  # a longer question is cut


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    chunk: Chunk
    score: float
    confidence: float  # 0 to 1
    matched: int  # how many different words of the question, of full weight
    exact: int = 0  # how many of them stand in the chunk as the user said them
    titled: float  # how much of the title, or of the speaker's name, they are, 0 to 1
    missed: tuple[str, ...] = ()  # stems of the question, of full weight, that the chunk has not


class _AskedWord(NamedTuple):
    """A word of a question. `gains`: by chunk, what it adds to the score, and as which stem."""

    stem: str
    weight: float
    meaning: float  # its share of what the question means
    gains: dict[int, tuple[float, float, str]]


class KnowledgeIndex:
    """The chunks of one language. Immutable once built."""

    def __init__(self, chunks: Iterable[Chunk], language: str) -> None:
        self.language = language
        self.chunks = [chunk for chunk in chunks if chunk.language == language]
        self._postings: dict[str, list[tuple[int, int]]] = defaultdict(list)
        self._lengths: list[int] = []
        self._titles: list[frozenset[str]] = []
        self._speakers: list[frozenset[str]] = []
        self._also: dict[frozenset[str], int] = {}
        self._asked: dict[str, Chunk] = {}
        for number, chunk in enumerate(self.chunks):
            who = chunk.event.speaker if chunk.event else ""
            title = terms(chunk.title, language)
            also = [terms(example, language) for example in chunk.also]
            counts = Counter(terms(chunk.text, language))
            counts.update((title + terms(who, language)) * TITLE_WEIGHT)
            counts.update([word for example in also for word in example] * ALSO_WEIGHT)
            for word, count in counts.items():
                self._postings[word].append((number, count))
            self._lengths.append(counts.total())
            self._titles.append(frozenset(title))
            self._speakers.append(frozenset(terms(who, language)))
            for question in chunk.also:
                self._asked.setdefault(_plain(question), chunk)
            for example in also:
                self._also.setdefault(frozenset(example), number)
        self._titled = frozenset().union(*self._titles)
        self._postings = dict(self._postings)  # a look-up may not grow it
        self._vocabulary = Vocabulary(language)
        for word in sorted(self._postings):
            self._vocabulary.add(word)
        self._mean = sum(self._lengths) / len(self._lengths) if self._lengths else 1.0
        self._idf = {word: self._rarity(len(each)) for word, each in self._postings.items()}
        self._unknown_idf = 0.65 * math.log(2 + len(self.chunks))
        self._full_gains = {word: self._weighed(word) for word in self._postings}

    def __contains__(self, term: str) -> bool:
        return term in self._postings

    def is_titled(self, term: str) -> bool:
        """Return whether a chunk has a stem, or one of the same meaning, in its title."""
        same = synonyms(self.language).get(term, frozenset())
        return term in self._titled or not same.isdisjoint(self._titled)

    def asked(self, text: str) -> Chunk | None:
        """Return the chunk whose author wrote this very question."""
        return self._asked.get(_plain(text))

    def idf(self, term: str) -> float:
        """Return the weight of a stem. An unknown one has a little more than the average."""
        return self._idf.get(term, self._unknown_idf)

    def _rarity(self, count: int) -> float:
        return math.log(1 + (len(self.chunks) - count + 0.5) / (count + 0.5))

    def _weighed(self, term: str) -> list[tuple[int, float]]:
        """Return for each chunk what a stem adds to its score."""
        gains = []
        for number, count in self._postings[term]:
            length = 1 - B + B * self._lengths[number] / self._mean
            gains.append((number, self._idf[term] * count * (K1 + 1) / (count + K1 * length)))
        return gains

    def search(
        self, text: str, *, limit: int = 3, weights: Mapping[str, float] | None = None
    ) -> list[Hit]:
        """Return the best chunks first. `weights` (of stems, default 1) make words count less."""
        return self.search_terms(terms(text, self.language), limit=limit, weights=weights)

    def search_terms(
        self, words: Sequence[str], *, limit: int = 3, weights: Mapping[str, float] | None = None
    ) -> list[Hit]:
        """Search for the stems that `terms` gave for a text."""
        asked = self._joined(list(dict.fromkeys(words))[:QUERY_TERMS])
        given = weights or {}
        query = [self._asked_word(word, given.get(word, 1.0)) for word in asked]
        scores: dict[int, float] = {}
        for word in query:
            for number, (gain, _, _) in word.gains.items():
                scores[number] = scores.get(number, 0.0) + gain * word.weight
        said = frozenset(asked)
        for number in scores:
            title = self._titles[number]
            if shared := len(title & said):
                scores[number] *= 1 + 0.4 * shared / len(title)
        example = self._also.get(said) if asked else None
        if example is not None:
            scores[example] = 2 * max(scores.values(), default=1.0)
        best = sorted(scores, key=lambda number: (-scores[number], number))[:limit]
        return [self._hit(number, scores[number], query, number == example) for number in best]

    def _asked_word(self, word: str, weight: float) -> _AskedWord:
        readings = self._vocabulary.readings(word)
        # A word that we only know by another is worth what that one is.
        worth = self.idf(readings[0][0] if readings else word)
        return _AskedWord(word, weight, worth * weight, self._gains(readings))

    def _hit(self, number: int, score: float, query: Sequence[_AskedWord], written: bool) -> Hit:
        """Return how a chunk covers a question. `written`: its author wrote these very words."""
        met = [(word, word.gains[number]) for word in query if number in word.gains]
        full = [(word, term) for word, (_, _, term) in met if word.weight == 1.0]
        reached = {term for _, (_, _, term) in met}
        covered = sum(likeness * word.meaning for word, (_, likeness, _) in met)
        meaning = sum(word.meaning for word in query) or 1.0
        titled = _share(self._titles[number], reached), _share(self._speakers[number], reached)
        return Hit(
            chunk=self.chunks[number],
            score=score,
            confidence=1.0 if written else min(1.0, covered / meaning),
            matched=len(full),
            exact=sum(word.stem == term for word, term in full),
            titled=max(titled),
            missed=tuple(w.stem for w in query if w.weight == 1.0 and number not in w.gains),
        )

    def _gains(self, readings: list[tuple[str, float]]) -> dict[int, tuple[float, float, str]]:
        """For each chunk what one word of the question adds, how much it was meant, and as what."""
        gains: dict[int, tuple[float, float, str]] = {}
        for term, worth in readings:
            for number, full in self._full_gains[term]:
                gain = worth * full
                if number not in gains or gain > gains[number][0]:
                    gains[number] = (gain, worth, term)
        return gains

    def _joined(self, asked: Sequence[str]) -> list[str]:
        """Two words that the knowledge writes as one: "key note", "wi fi"."""
        pairs = {(a, b): stem(a + b, self.language) for a, b in pairwise(asked)}
        joined = [word for word in pairs.values() if word in self._postings]
        parts = {part for pair, word in pairs.items() if word in joined for part in pair}
        kept = [word for word in asked if word not in parts]
        return [*kept, *(word for word in joined if word not in kept)]


def _share(words: frozenset[str], reached: set[str]) -> float:
    return len(words & reached) / (len(words) or 1)


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", fold(text[:ASKED_CHARACTERS])))
