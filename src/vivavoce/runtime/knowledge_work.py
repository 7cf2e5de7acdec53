"""Performs the searches of a relayed call. They end with the call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from ..core import effects as do
from ..core.inputs import KnowledgeFound
from ..engines import boundary
from ..engines.passages import PassageSearch
from ..errors import EngineError
from ..knowledge.base import KnowledgeUse
from ..knowledge.prompt import as_data


class KnowledgeWork:
    """The searches of one call. A newer turn ends the search of the one before."""

    def __init__(
        self,
        search: PassageSearch,
        call_id: str,
        *,
        cite: bool = False,
        on_use: Callable[[KnowledgeUse], None] = lambda use: None,
    ) -> None:
        """`cite`: the model is asked to name the documents.

        `on_use` learns what the next response is given.
        """
        self._search = search
        self._call_id = call_id
        self._cite = cite
        self._on_use = on_use
        self._found: tuple[str, KnowledgeUse] | None = None  # of the last search
        self._running: asyncio.Task[None] | None = None
        self._tasks: asyncio.TaskGroup

    def begin(self, tasks: asyncio.TaskGroup) -> None:
        self._tasks = tasks

    def replace_search(self, search: PassageSearch) -> None:
        """Search in another way for the turns that end from now on."""
        self._search = search

    def search(
        self, effect: do.SearchKnowledge, put: Callable[[KnowledgeFound], Awaitable[None]]
    ) -> None:
        """Start a search. `put` takes its passages."""
        self.end()
        self._running = self._tasks.create_task(self._find(effect, put))

    def use(self, effect: do.UseKnowledge) -> None:
        """Report what a search has found, because the next response is given it."""
        if self._found is not None and self._found[0] == effect.search_id:
            use = msgspec.structs.replace(self._found[1], item_id=effect.item_id)
            self._found = None
            self._on_use(use)

    def end(self) -> None:
        """Cancel the search, because its turn or the call is over."""
        if self._running is not None:
            self._running.cancel()
            self._running = None

    async def _find(
        self, effect: do.SearchKnowledge, put: Callable[[KnowledgeFound], Awaitable[None]]
    ) -> None:
        boundary.name(call=self._call_id, search=effect.search_id)
        try:
            use = await self._search.look_up(effect.query)
        except EngineError:  # it is in the log, and the model answers without the knowledge
            use = KnowledgeUse()
        self._found = effect.search_id, use
        await put(KnowledgeFound(effect.search_id, as_data(use.passages, cite=self._cite)))
