"""Own what the adapters of all calls share: worker processes, connections, models, knowledge."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

from ..assistants import Assistant
from ..config import Settings
from ..errors import AssistantError, EngineError
from ..knowledge import ingest
from ..knowledge.chunks import Chunk
from .leases import NullWaitObserver, WaitObserver

log = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")


class WorkerPool(Protocol):
    """A few worker processes, each of which serves one call at a time."""

    @property
    def busy(self) -> int:
        """The number of workers that serve a call now."""


class AdapterResources:
    """Open while the server serves; use it by `async with`.

    `cache` is a folder for files that can be made again. `observer` sees each wait for a worker.
    """

    def __init__(
        self, settings: Settings, cache: Path, observer: WaitObserver | None = None
    ) -> None:
        self.settings = settings
        self.cache = cache
        self.observer: WaitObserver = observer or NullWaitObserver()
        self._stack = AsyncExitStack()
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._shared: dict[str, Any] = {}
        self._of_assistants: dict[tuple[str, str], tuple[Assistant, Any]] = {}
        self._pools: list[WorkerPool] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def once(self, key: str, opened: Callable[[], AbstractAsyncContextManager[R]]) -> R:
        """Open a resource for the first caller, and return the same one to all others.

        Prefix `key` with the name of your package. The server closes the resource when it stops.
        """
        async with self._locks[key]:
            if key not in self._shared:
                self._shared[key] = await self._stack.enter_async_context(opened())
            shared: R = self._shared[key]
            return shared

    async def for_assistant(
        self, key: str, assistant: Assistant, make: Callable[[Assistant], Awaitable[T]]
    ) -> T:
        """Return what was made for this assistant. Make it again after its folder was reloaded."""
        place = key, assistant.name
        async with self._locks[key]:
            held = self._of_assistants.get(place)
            if held is None or held[0] is not assistant:
                held = self._of_assistants[place] = assistant, await make(assistant)
            made: T = held[1]
            return made

    async def knowledge(self, assistant: Assistant) -> tuple[Chunk, ...]:
        """Return the texts of the assistant's knowledge files. Raises `EngineError`."""
        return await self.for_assistant("vivavoce.knowledge", assistant, _read)

    def count_busy(self, pool: WorkerPool) -> None:
        """Include the pool of a `limited` adapter in the metric of busy recognisers."""
        self._pools.append(pool)

    @property
    def busy_workers(self) -> int:
        return sum(pool.busy for pool in self._pools)


async def _read(assistant: Assistant) -> tuple[Chunk, ...]:
    """Read the files again: they may have changed since the assistant was checked."""
    try:
        return await asyncio.to_thread(
            lambda: ingest.load(assistant.knowledge_files(), assistant.languages)
        )
    except AssistantError as error:
        log.error("knowledge_broken", extra={"assistant": assistant.name, "mistakes": str(error)})
        raise EngineError("the knowledge of this assistant has mistakes") from None
