"""Which of an assistant's languages somebody spoke.

A call has a language, and single words ("no", "taxi") exist in several: another one must be clearly
better to win.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ....knowledge.search import Index
from ....knowledge.words import FILLER, fold, stem

MARGIN = 1.0  # in words
_WORD = re.compile(r"[a-z0-9]+")
_SPANISH = re.compile(r"[ñ¿¡]")
_GRAVE = re.compile(r"[àèìòù]")
_ACUTE = re.compile(r"[áíóú]")


def detect(text: str, indexes: Mapping[str, Index], usual: str) -> str:
    """One of the languages of `indexes`; `usual` unless another is better by `MARGIN`."""
    words = _WORD.findall(fold(text))[:60]
    scores = {language: _score(words, text, index) for language, index in indexes.items()}
    best = max(scores, key=lambda language: scores[language])
    return best if scores[best] >= scores.get(usual, 0.0) + MARGIN else usual


def _score(words: list[str], text: str, index: Index) -> float:
    language = index.language
    score = 0.0
    for word in words:
        if word in FILLER[language]:
            score += 1.0
        elif stem(word, language) in index:
            score += 0.6
    low = text.lower()
    if language == "es":
        score += 2 * bool(_SPANISH.search(low)) + bool(_ACUTE.search(low))
    if language == "it":
        score += bool(_GRAVE.search(low))
    return score
