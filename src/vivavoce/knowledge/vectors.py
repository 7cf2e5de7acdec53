"""Find the chunks whose vectors are nearest to that of a question.

The score is not the cosine, because what a cosine means depends on the model: with some models, all
texts have more than 0.7. An unrelated chunk is the usual case, so the median of the question's
cosines is the level of what is unrelated, and has the score 0. The same vector has the score 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .base import Passage
from .chunks import Chunk
from .memory import passage, revisions_of

LEVEL_CHUNKS = 8  # with fewer, the median may be a related chunk, and the level is 0
LEAST = 0.15  # of the score; below it, a chunk is as near as unrelated ones are by chance

Vector = NDArray[np.float32]


class VectorIndex:
    """The vectors of chunks, as one matrix of unit rows. Immutable once built."""

    def __init__(self, chunks: Sequence[Chunk] = (), vectors: Sequence[Vector] = ()) -> None:
        """`vectors`: of the chunks, in their order, each of length 1 and of one dimension."""
        self._chunks = tuple(chunks)
        self._matrix = np.stack(vectors) if vectors else np.zeros((0, 0), np.float32)
        self._revisions = revisions_of(self._chunks)
        languages = np.array([chunk.language for chunk in self._chunks])
        self._rows = {each: np.flatnonzero(languages == each) for each in set(languages.tolist())}
        self._rows[""] = np.arange(len(self))

    def __len__(self) -> int:
        return len(self._chunks)

    @property
    def dimension(self) -> int:
        return int(self._matrix.shape[1])

    def find(self, query: Vector, language: str, k: int) -> tuple[Passage, ...]:
        """Return the nearest passages of a language, the nearest one first.

        `language`: "" is all of them. It takes milliseconds; run it in a thread.
        """
        if not self._chunks or k < 1:
            return ()
        cosines = self._matrix @ query
        level = float(np.median(cosines)) if len(self) >= LEVEL_CHUNKS else 0.0
        scores = np.clip((cosines - level) / max(1.0 - level, 1e-6), 0.0, 1.0)
        rows = self._rows.get(language, self._rows.get(language.partition("-")[0]))
        if rows is None:
            return ()
        best = rows[np.argsort(-scores[rows], kind="stable")[:k]]
        return tuple(
            passage(self._chunks[row], float(scores[row]), self._revisions)
            for row in best.tolist()
            if scores[row] >= LEAST
        )
