"""Vectors without a model: each group of three letters adds to one of the numbers.

Texts with the same spelling in parts are near each other, so a misspelt word is found. Texts of the
same meaning in other words are not near. The vectors are the same on every machine.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

DIMENSION = 512


def vectors(texts: Iterable[str], dimension: int = DIMENSION) -> NDArray[np.float32]:
    """Return a vector of length 1 for each text, or of length 0 for a text without a letter."""
    rows = [_vector(text, dimension) for text in texts]
    return np.stack(rows) if rows else np.zeros((0, dimension), np.float32)


def _vector(text: str, dimension: int) -> NDArray[np.float32]:
    counts = np.zeros(dimension, np.float32)
    for word in re.findall(r"\w+", text.lower()):
        spaced = f" {word} "
        for start in range(len(spaced) - 2):
            code = zlib.crc32(spaced[start : start + 3].encode("utf-8", "replace"))
            counts[code % dimension] += 1
    length = float(np.linalg.norm(counts))
    return counts / np.float32(length) if length else counts
