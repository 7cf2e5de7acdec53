"""The ports of retrieval: find passages of an assistant's knowledge, and embed their texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TextKind = Literal["query", "passage"]
"""What a text is: models are often trained to embed questions and passages differently."""


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of one source that helps to answer a query."""

    id: str = ""  # of the piece, the same until its source changes
    text: str
    title: str = ""
    source: str  # the file or address that it was read from
    place: str = ""  # where in the source, such as "page 3" or "row 12"
    revision: str  # changes when the source changes
    score: float  # 0 to 1: how much of the query's meaning it covers


class KnowledgeUse(msgspec.Struct, frozen=True, kw_only=True):
    """Hold the passages that one answer was given, or that its text is from.

    `answered`: whether the knowledge has an answer. None: that is not known, for example because
    the user asked nothing. `score`: of the best passage, also of one that was left out. None:
    there is none. `question`: the words that were looked up, and `item_id` the user's item that
    has them.
    """

    passages: tuple[Passage, ...] = ()
    answered: bool | None = None
    score: float | None = None
    question: str = ""
    item_id: str | None = None


class Retriever(Protocol):
    """Search the knowledge of one assistant. All its calls share one retriever."""

    async def search(
        self, query: str, language: str, k: int, *, within_s: float | None = None
    ) -> tuple[Passage, ...]:
        """Return at most `k` passages in this language, the best one first.

        Any text is a valid query. The event loop is not blocked. `within_s`: the time that the
        caller waits. A search that has a faster way takes it in time. None: there is no hurry.
        Raises `EngineError` if the knowledge cannot be searched.
        """


class Embedder(Protocol):
    """Embed texts as vectors. The smaller their angle is, the more alike the texts' meanings are.

    All calls of an assistant share one embedder.
    """

    @property
    def model(self) -> str:
        """Identify the vectors: those of another id cannot be compared, and are made again.

        So it names the model, and all settings that change a vector, such as prefixes.
        """

    @property
    def dimension(self) -> int | None:
        """Return how many numbers a vector has. None: only the model knows."""

    async def embed(self, texts: Sequence[str], kind: TextKind) -> NDArray[np.float32]:
        """Return one vector for each text, in this order: shape (texts, dimension).

        Any text is valid, and so is any number of texts. Vectors may have any length: the server
        scales them to 1. The event loop is not blocked. Raises `EngineError`.
        """
