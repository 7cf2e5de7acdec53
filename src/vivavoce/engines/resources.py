"""Own what the adapters of all calls share: worker processes, connections, models, knowledge."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self, TypeVar

from ..assistants import Assistant
from ..config import Settings
from ..errors import AssistantError, EngineError
from ..knowledge.base import Embedder, Retriever
from ..knowledge.chunks import Chunk
from ..knowledge.live import LiveKnowledge
from .leases import NullWaitObserver, WaitObserver

log = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")


@dataclass(slots=True)
class _ReadRevision:
    """The revision of the knowledge that a factory has read. None: it has read none."""

    revision: int | None = None


class _Held(NamedTuple):
    """An object that was made for an assistant, and the revision of the knowledge in it."""

    assistant: Assistant
    made: Any
    revision: int | None


_read_revision: ContextVar[_ReadRevision | None] = ContextVar("read_revision", default=None)


MakeEmbedder = Callable[[Assistant], Awaitable[Embedder | None]]
"""Make the embedder that an assistant names. None: it names none, or none that can be used."""


async def _no_embedder(_: Assistant) -> None: ...


class WorkerPool(Protocol):
    """A few worker processes, each of which serves one call at a time."""

    @property
    def busy(self) -> int:
        """The number of workers that serve a call now."""


class AdapterResources:
    """Open while the server serves; use it by `async with`.

    `cache` is a folder for files that can be made again. `observer` sees each wait for a worker.
    `make_embedder` makes what embeds an assistant's knowledge.
    """

    def __init__(
        self,
        settings: Settings,
        cache: Path,
        observer: WaitObserver | None = None,
        make_embedder: MakeEmbedder = _no_embedder,
    ) -> None:
        self.settings = settings
        self.cache = cache
        self.observer: WaitObserver = observer or NullWaitObserver()
        self._make_embedder = make_embedder
        self._stack = AsyncExitStack()
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._shared: dict[str, Any] = {}
        self._of_assistants: dict[tuple[str, str], _Held] = {}
        self._live: dict[str, LiveKnowledge] = {}  # by the name of the assistant
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
        """Return what belongs to this assistant. Make it for the first caller.

        An object whose `make` asks for `knowledge` is made again once the knowledge has changed.
        """
        place = key, assistant.name
        async with self._locks[key]:
            held = self._of_assistants.get(place)
            if held is None or held.assistant is not assistant or self._is_old(held):
                read = _ReadRevision()
                token = _read_revision.set(read)
                try:
                    made = await make(assistant)
                    held = self._of_assistants[place] = _Held(assistant, made, read.revision)
                finally:
                    _read_revision.reset(token)
            kept: T = held.made
            return kept

    def _is_old(self, held: _Held) -> bool:
        return held.revision is not None and held.revision != self.revision(held.assistant)

    async def knowledge(self, assistant: Assistant) -> tuple[Chunk, ...]:
        """Return the texts of the assistant's knowledge files as they are now.

        A file that cannot be read is named in the log, and the others are used. Raises
        `EngineError` if the folder cannot be listed.
        """
        snapshot = (await self.live_knowledge(assistant)).snapshot
        if (read := _read_revision.get()) is not None:
            read.revision = snapshot.revision
        return snapshot.chunks

    def revision(self, assistant: Assistant) -> int:
        """Return a number that changes with the knowledge. 0: nothing was read yet."""
        live = self._live.get(assistant.name)
        return live.snapshot.revision if live is not None else 0

    async def live_knowledge(self, assistant: Assistant) -> LiveKnowledge:
        """Return the knowledge that follows its files, the same one for all calls.

        Raises `EngineError`.
        """
        async with self._locks[f"vivavoce.knowledge.{assistant.name}"]:
            live = self._live.get(assistant.name)
            if live is None or live.assistant is not assistant:
                embedder = await self._make_embedder(assistant)
                live = LiveKnowledge(assistant, self.cache / "knowledge", embedder=embedder)
                await refreshed(live)
                self._live[assistant.name] = live
            return live

    async def retriever(self, assistant: Assistant) -> Retriever:
        """Return the search in its knowledge, which follows its files. Raises `EngineError`.

        A language without files of its own gets those of all others: a model can translate them.
        """
        return await self.live_knowledge(assistant)

    @property
    def all_knowledge(self) -> list[LiveKnowledge]:
        """The knowledge of every assistant that was asked for."""
        return list(self._live.values())

    def count_busy(self, pool: WorkerPool) -> None:
        """Include the pool of a `limited` adapter in the metric of busy recognisers."""
        self._pools.append(pool)

    @property
    def busy_workers(self) -> int:
        return sum(pool.busy for pool in self._pools)


async def refreshed(live: LiveKnowledge, changed: Collection[Path] | None = None) -> bool:
    """Read what has changed, and log what cannot be read. Raises `EngineError`.

    Return True if anything is different now.
    """
    name = live.assistant.name
    before = live.snapshot
    try:
        different = await live.refresh(changed)
    except AssistantError as error:
        log.error("knowledge_broken", extra={"assistant": name, "mistakes": str(error)})
        raise EngineError("the knowledge of this assistant has mistakes") from None
    after = live.snapshot
    if after.unreadable and after.unreadable != before.unreadable:
        told = "\n".join(map(str, after.unreadable))
        log.error("knowledge_broken", extra={"assistant": name, "mistakes": told})
    if after.mistakes and after.mistakes != before.mistakes:
        first = str(after.mistakes[0])
        about = {"assistant": name, "mistakes": len(after.mistakes), "first": first}
        log.warning("knowledge_has_mistakes", extra=about)
    return different
