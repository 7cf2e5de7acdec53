"""The passages for the answers of one call: searched while the user speaks, bounded in time.

    words so far ─► prepare ─► kept
    the whole turn ─► passages ─► the kept ones of these words, or a search within the budget

The passages of other words than the last ones are not used: they would answer another question.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from ..knowledge.base import KnowledgeUse, Passage, Retriever
from . import boundary
from .boundary import contained

log = logging.getLogger("vivavoce.knowledge")

KEPT = 4  # searches of the last words


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOptions:
    """The assistant's `[knowledge]`, as a call searches. The budget is in seconds."""

    passages: int = 4
    min_score: float = 0.0
    budget_s: float = 0.12
    while_speaking: bool = True


DEFAULTS = SearchOptions()


class PassageSearch:
    """Search the knowledge for one call.

    `revision` changes with what a search would find: what was kept before is not used. None: a part
    of the search fails now, so what it finds is not kept.
    """

    def __init__(
        self,
        retriever: Retriever,
        language: str,
        options: SearchOptions = DEFAULTS,
        *,
        revision: Callable[[], Hashable],
    ) -> None:
        self._retriever = retriever
        self._language = language
        self._options = options
        self._revision = revision
        self._kept: dict[tuple[str, Hashable], KnowledgeUse] = {}

    @property
    def while_speaking(self) -> bool:
        """True if the search begins before the turn is over."""
        return self._options.while_speaking

    async def prepare(self, words: str) -> None:
        """Search for the first words of a turn, and keep the passages. More words may follow."""
        if self._key(words) not in self._kept:
            await self._search(words)

    async def passages(self, query: str) -> tuple[Passage, ...]:
        """Return the passages of `look_up`. Raises `EngineError`."""
        return (await self.look_up(query)).passages

    async def look_up(self, query: str) -> KnowledgeUse:
        """Search for a turn within the budget. If it is exceeded, `answered` is None.

        Raises `EngineError` if the knowledge cannot be searched.
        """
        if (kept := self._kept.get(self._key(query))) is not None:
            return kept
        try:
            async with asyncio.timeout(self._options.budget_s):
                return await self._search(query, self._options.budget_s)
        except TimeoutError:
            about = {"budget_ms": round(self._options.budget_s * 1000)}
            log.warning("knowledge_late", extra={**boundary.named(), **about})
            return KnowledgeUse(question=query)

    def _key(self, words: str) -> tuple[str, Hashable]:
        return " ".join(words.split()).casefold(), self._revision()

    async def _search(self, query: str, within_s: float | None = None) -> KnowledgeUse:
        key, options = self._key(query), self._options
        with contained(self._retriever):
            found = await self._retriever.search(
                query, self._language, options.passages, within_s=within_s
            )
        fit = tuple(each for each in found if each.score >= options.min_score)
        best = max((each.score for each in found), default=None)
        use = KnowledgeUse(passages=fit, answered=bool(fit), score=best, question=query)
        if key[1] is not None and key == self._key(query):
            while len(self._kept) >= KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = use
        return use
