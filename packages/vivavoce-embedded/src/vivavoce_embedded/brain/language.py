"""Detect which of an assistant's languages the user speaks.

A call has a language, and single words ("no", "taxi") exist in several: another one must be clearly
better to win.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from vivavoce.knowledge.normalize import FILLER, stem
from vivavoce.knowledge.search import KnowledgeIndex
from vivavoce.text.folding import fold

MARGIN = 1.0  # in words
CHARACTERS = 240  # of a text, by which its language is known
_WORD = re.compile(r"[a-z0-9]+")
_ANYWHERE = {"ok", "okay", "no"}
_MARKS = {"es": re.compile(r"[áíóúñ]"), "it": re.compile(r"[àèìòù]")}
_UPSIDE_DOWN = re.compile(r"[¿¡]")


def detect(text: str, indexes: Mapping[str, KnowledgeIndex], usual: str) -> str:
    """One of the languages of `indexes`; `usual` unless another is better by `MARGIN`."""
    words = [word for word in _WORD.findall(fold(text[:CHARACTERS])) if word not in _ANYWHERE]
    scores = {language: _score(words, text, index) for language, index in indexes.items()}
    best = max(scores, key=lambda language: scores[language])
    return best if scores[best] >= scores.get(usual, 0.0) + MARGIN else usual


def _score(words: list[str], text: str, index: KnowledgeIndex) -> float:
    language = index.language
    score = 0.0
    for word in words:
        if word in FILLER[language]:
            score += 1.0
        elif stem(word, language) in index:
            score += 0.6
    # Marks of a language; letters with accents count little, since names have them everywhere.
    marks = _MARKS.get(language)
    if marks and marks.search(text.lower()):
        score += 0.5
    if language == "es" and _UPSIDE_DOWN.search(text):
        score += 2.0
    return score
