"""The stems of a knowledge, and which of them a word of a question may stand for.

An unknown word may have an everyday synonym in the knowledge. Otherwise a recogniser may have
misheard it: a known stem is spelled or sounds almost alike. Otherwise it may be a longer form of a
known stem. Every index uses these rules.
"""

from __future__ import annotations

from collections.abc import Iterator

from rapidfuzz import fuzz, process

from .normalize import sound, synonyms

SYNONYM = 0.8  # of a word's own worth
HOMOPHONE, SPELLED = 0.75, 65  # its worth, and how like (0 to 100) its spelling must be
STEM = 5  # letters; an unknown word that begins with a known stem of this length is a form of it
SOUNDS = 3  # consonants; with fewer, unrelated words sound alike
ALIKE = 86  # ratio (0 to 100) from which a misheard word counts; below, other words creep in


class Vocabulary:
    """The stems of one language, in the order in which they were added."""

    def __init__(self, language: str) -> None:
        self._language = language
        self._stems: dict[str, str] = {}  # each is its own key, as `extract` takes them
        self._sounds: dict[str, dict[str, None]] = {}

    def __contains__(self, stem: str) -> bool:
        return stem in self._stems

    def add(self, stem: str) -> None:
        self._stems[stem] = stem
        self._sounds.setdefault(sound(stem), {})[stem] = None

    def remove(self, stem: str) -> None:
        del self._stems[stem]
        key = sound(stem)
        del self._sounds[key][stem]
        if not self._sounds[key]:
            del self._sounds[key]

    def readings(self, word: str) -> list[tuple[str, float]]:
        """Return the known stems that a word may stand for, each with its likelihood."""
        same = synonyms(self._language).get(word, frozenset())
        readings = [(stem, SYNONYM) for stem in sorted(same) if stem in self]
        if word in self:
            return [(word, 1.0), *readings]
        return readings or self._spelled(word) or self._sounding(word) or self._forms(word)

    def _spelled(self, word: str) -> list[tuple[str, float]]:
        if len(word) <= 3:
            return []
        cutoff = ALIKE if len(word) > 4 else 88
        found = process.extract(word, self._stems, scorer=fuzz.ratio, score_cutoff=cutoff, limit=2)
        first = sound(word[0])  # "mother" is not "other"
        return [(stem, ratio / 100) for stem, ratio, _ in found if sound(stem[0]) == first]

    def _sounding(self, word: str) -> list[tuple[str, float]]:
        if len(key := sound(word)) < SOUNDS:
            return []
        same = self._sounds.get(key, {})
        return [(stem, HOMOPHONE) for stem in same if fuzz.ratio(stem, word) >= SPELLED]

    def _forms(self, word: str) -> list[tuple[str, float]]:
        if len(word) <= STEM:
            return []
        return [(stem, SYNONYM) for stem in _beginnings(word) if stem in self]


def _beginnings(word: str) -> Iterator[str]:
    """Stems that are a good half of a word, and stand at its beginning."""
    for length in range(max(STEM, len(word) // 2), len(word) + 1):
        yield word[:length]
