"""Own what the adapters of all calls share: worker processes, connections, models, knowledge."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

import msgspec

from ..assistants import Assistant
from ..config import Settings
from ..errors import AssistantError, EngineError
from ..knowledge import ingest
from ..knowledge.base import Retriever
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
        """Return what belongs to this assistant. Make it for the first caller."""
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

    async def retriever(self, assistant: Assistant, language: str) -> Retriever | None:
        """Return the search in its knowledge files; None: it has none. Raises `EngineError`.

        A language without files of its own gets those of all others: a model can translate them.
        """
        chunks = await self.knowledge(assistant)
        base = language.partition("-")[0]
        if not chunks or any(chunk.language == base for chunk in chunks):
            return await self.for_assistant("vivavoce.retriever", assistant, self._index)

        async def translated(_: Assistant) -> Retriever | None:
            return await _indexed([msgspec.structs.replace(c, language=base) for c in chunks])

        return await self.for_assistant(f"vivavoce.retriever.{base}", assistant, translated)

    async def _index(self, assistant: Assistant) -> Retriever | None:
        return await _indexed(await self.knowledge(assistant))

    def count_busy(self, pool: WorkerPool) -> None:
        """Include the pool of a `limited` adapter in the metric of busy recognisers."""
        self._pools.append(pool)

    @property
    def busy_workers(self) -> int:
        return sum(pool.busy for pool in self._pools)


async def _indexed(chunks: Sequence[Chunk]) -> Retriever | None:
    from ..knowledge.memory import MemoryRetriever  # its libraries are for knowledge only

    return await asyncio.to_thread(MemoryRetriever, chunks) if chunks else None


async def _read(assistant: Assistant) -> tuple[Chunk, ...]:
    """Read the files again: they may have changed since the assistant was checked."""
    try:
        found = await asyncio.to_thread(
            lambda: ingest.read_files(assistant.knowledge_files(), assistant.languages)
        )
    except AssistantError as error:
        log.error("knowledge_broken", extra={"assistant": assistant.name, "mistakes": str(error)})
        raise EngineError("the knowledge of this assistant has mistakes") from None
    if found.mistakes:
        first = str(found.mistakes[0])
        told = {"assistant": assistant.name, "mistakes": len(found.mistakes), "first": first}
        log.warning("knowledge_has_mistakes", extra=told)
    return found.chunks
