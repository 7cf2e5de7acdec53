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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

import msgspec
from rapidfuzz import fuzz, process

from ..text.folding import fold
from .chunks import Chunk
from .normalize import sound, stem, synonyms, terms

K1, B = 1.2, 0.75  # BM25's customary values
TITLE_WEIGHT, ALSO_WEIGHT = 3, 2
SYNONYM = 0.8  # of a word's own worth
HOMOPHONE, SPELLED = 0.75, 65  # its worth, and how like (0 to 100) its spelling must be
STEM = 5  # letters; an unknown word that begins with a known stem of this length is a form of it
SOUNDS = 3  # consonants; with fewer, unrelated words sound alike
ALIKE = 86  # ratio (0 to 100) from which a misheard word counts; below, other words creep in
ASKED_CHARACTERS = 500  # of a question, by which it is known to be one that was written down
QUERY_TERMS = 40  # a longer question is cut


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    chunk: Chunk
    score: float
    confidence: float  # 0 to 1
    matched: int  # how many different words of the question, of full weight
    titled: float  # how much of the title, or of the speaker's name, they are, 0 to 1
    missed: tuple[str, ...] = ()  # stems of the question, of full weight, that the chunk has not


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
        self._postings = dict(self._postings)  # a look-up may not grow it
        self._vocabulary = sorted(self._postings)
        self._sounds: dict[str, list[str]] = defaultdict(list)
        for word in self._vocabulary:
            self._sounds[sound(word)].append(word)
        self._mean = sum(self._lengths) / len(self._lengths) if self._lengths else 1.0

    def __contains__(self, term: str) -> bool:
        return term in self._postings

    def asked(self, text: str) -> Chunk | None:
        """Return the chunk whose author wrote this very question."""
        return self._asked.get(_plain(text))

    def idf(self, term: str) -> float:
        """Return the weight of a stem. An unknown one has a little more than the average."""
        count = len(self._postings.get(term, ()))
        if not count:
            return 0.65 * math.log(2 + len(self.chunks))
        return math.log(1 + (len(self.chunks) - count + 0.5) / (count + 0.5))

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
        weight = {word: (weights or {}).get(word, 1.0) for word in asked}
        readings = {word: self._readings(word) for word in asked}
        # A word that we only know by another is worth what that one is.
        worth = {word: self.idf(readings[word][0][0] if readings[word] else word) for word in asked}
        meaning = sum(worth[word] * weight[word] for word in asked)
        scores: dict[int, float] = defaultdict(float)
        covered: dict[int, float] = defaultdict(float)
        matched: Counter[int] = Counter()
        reached: dict[int, set[str]] = defaultdict(set)
        met: dict[int, set[str]] = defaultdict(set)
        for word in asked:
            for number, (gain, likeness, term) in self._gains(readings[word]).items():
                scores[number] += gain * weight[word]
                covered[number] += likeness * worth[word] * weight[word]
                matched[number] += weight[word] == 1.0
                reached[number].add(term)
                met[number].add(word)
        for number in scores:
            title = self._titles[number]
            scores[number] *= 1 + 0.4 * len(title & set(asked)) / (len(title) or 1)
        example = self._also.get(frozenset(asked)) if asked else None
        if example is not None:
            scores[example] = 2 * max(scores.values(), default=1.0)
        best = sorted(scores, key=lambda number: (-scores[number], number))[:limit]
        return [
            Hit(
                chunk=self.chunks[n],
                score=scores[n],
                confidence=1.0 if n == example else min(1.0, covered[n] / (meaning or 1.0)),
                matched=matched[n],
                titled=max(
                    _share(self._titles[n], reached[n]), _share(self._speakers[n], reached[n])
                ),
                missed=tuple(w for w in asked if weight[w] == 1.0 and w not in met[n]),
            )
            for n in best
        ]

    def _gains(self, readings: list[tuple[str, float]]) -> dict[int, tuple[float, float, str]]:
        """For each chunk what one word of the question adds, how much it was meant, and as what."""
        gains: dict[int, tuple[float, float, str]] = {}
        for term, worth in readings:
            idf = self.idf(term)
            for number, count in self._postings[term]:
                length = 1 - B + B * self._lengths[number] / self._mean
                gain = worth * idf * count * (K1 + 1) / (count + K1 * length)
                if number not in gains or gain > gains[number][0]:
                    gains[number] = (gain, worth, term)
        return gains

    def _readings(self, word: str) -> list[tuple[str, float]]:
        """Return the known stems that a word may stand for, each with its likelihood."""
        same = synonyms(self.language).get(word, frozenset())
        readings = [(term, SYNONYM) for term in sorted(same) if term in self._postings]
        if word in self._postings:
            return [(word, 1.0), *readings]
        if not readings and len(word) > 3:
            cutoff = ALIKE if len(word) > 4 else 88
            for term, ratio, _ in process.extract(
                word, self._vocabulary, scorer=fuzz.ratio, score_cutoff=cutoff, limit=2
            ):
                if sound(term[0]) == sound(word[0]):  # "mother" is not "other"
                    readings.append((term, ratio / 100))
        if not readings and len(key := sound(word)) >= SOUNDS:
            same_sound = self._sounds.get(key, ())
            readings = [(t, HOMOPHONE) for t in same_sound if fuzz.ratio(t, word) >= SPELLED]
        if not readings and len(word) > STEM:
            readings = [(term, SYNONYM) for term in _beginnings(word) if term in self._postings]
        return readings

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


def _beginnings(word: str) -> Iterator[str]:
    """Stems that are a good half of a word, and stand at its beginning."""
    for length in range(max(STEM, len(word) // 2), len(word) + 1):
        yield word[:length]
