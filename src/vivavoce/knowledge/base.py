"""The port of retrieval: find passages of an assistant's knowledge for a brain."""

from __future__ import annotations

from typing import Protocol

import msgspec


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of one source that helps to answer a query."""

    text: str
    title: str = ""
    source: str  # the file or address that it was read from
    place: str = ""  # where in the source, such as "page 3" or "row 12"
    revision: str  # changes when the source changes
    score: float  # 0 to 1: how much of the query's meaning it covers


class Retriever(Protocol):
    """Search the knowledge of one assistant. All its calls share one retriever."""

    async def search(self, query: str, language: str, k: int) -> tuple[Passage, ...]:
        """Return at most `k` passages in this language, the best one first.

        Any text is a valid query. The event loop is not blocked. Raises `EngineError` if the
        knowledge cannot be searched.
        """
