"""The port of retrieval: find passages of an assistant's knowledge for a brain."""

from __future__ import annotations

from typing import Protocol

import msgspec


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

    async def search(self, query: str, language: str, k: int) -> tuple[Passage, ...]:
        """Return at most `k` passages in this language, the best one first.

        Any text is a valid query. The event loop is not blocked. Raises `EngineError` if the
        knowledge cannot be searched.
        """
