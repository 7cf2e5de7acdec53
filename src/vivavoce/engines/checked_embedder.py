"""An embedder whose vectors can be trusted, and whose failures are `EngineError`s."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import EngineError
from ..knowledge.base import Embedder, TextKind
from .boundary import contained

if TYPE_CHECKING:
    from numpy.typing import NDArray

QUERY_S = 5.0  # for one question; a call waits for `budget_ms` only
PASSAGES_S = 120.0  # for some pieces of the knowledge, in the background

_MESSAGE = "The embedding model failed."


class CheckedEmbedder:
    """Bound the time of another embedder, and check and scale its vectors.

    A vector has the length 1, or 0 if the model found nothing in its text.
    """

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    @property
    def model(self) -> str:
        return self._embedder.model

    @property
    def dimension(self) -> int | None:
        return self._embedder.dimension

    async def embed(self, texts: Sequence[str], kind: TextKind) -> NDArray[np.float32]:
        """Return vectors. Raises `EngineError`: `engine_timeout` after the seconds of its kind."""
        seconds = QUERY_S if kind == "query" else PASSAGES_S
        try:
            async with asyncio.timeout(seconds):
                with contained(self._embedder, message=_MESSAGE):
                    found = await self._embedder.embed(texts, kind)
        except TimeoutError:
            message = f"The embedding model did not answer within {seconds:g} s."
            raise EngineError(message, "engine_timeout") from None
        return checked(found, len(texts), self.dimension)


def checked(found: object, texts: int, dimension: int | None) -> NDArray[np.float32]:
    """Return vectors of length 1 or 0. Raises `EngineError` for any other value.

    `texts`: how many vectors there must be. `dimension`: of each; None: any.
    """
    try:
        vectors = np.asarray(found, np.float32)
    except (TypeError, ValueError):
        raise EngineError("The embedding model returned no vectors.", "embedding") from None
    if vectors.ndim != 2 or len(vectors) != texts or not vectors.shape[1]:
        shape = " by ".join(map(str, vectors.shape))
        message = f"The embedding model returned {shape} numbers for {texts} texts."
        raise EngineError(message, "embedding_count")
    if dimension is not None and vectors.shape[1] != dimension:
        message = (
            f"The embedding model returned vectors of {vectors.shape[1]} numbers, not {dimension}."
        )
        raise EngineError(message, "embedding_dimension")
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    if not np.isfinite(lengths).all():
        raise EngineError("The embedding model returned a number that is not finite.", "embedding")
    unit: NDArray[np.float32] = (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)
    return unit
