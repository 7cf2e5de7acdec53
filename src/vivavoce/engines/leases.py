"""Lend a few workers to many: each to one user at a time. First come, first served."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Generic, Protocol, TypeVar

from ..errors import EngineError


class WaitObserver(Protocol):
    """Sees each wait for a worker begin and end. Times are the loop's, in seconds."""

    def joined(self, who: object, now: float) -> None: ...

    def left(self, who: object, now: float) -> object: ...


class NullWaitObserver:
    """A queue without an observer."""

    def joined(self, who: object, now: float) -> None: ...

    def left(self, who: object, now: float) -> None: ...


class Lent(Protocol):
    """A worker, whose process may have had to be killed."""

    def reap(self) -> Awaitable[object]: ...

    async def stop(self) -> None:
        """End its process."""


W = TypeVar("W", bound=Lent)


class Leases(Generic[W]):
    """Lend each worker to one user. After `wait_s`, a user gets the error `busy` with `code`."""

    def __init__(
        self,
        workers: Sequence[W],
        *,
        wait_s: float,
        busy: str,
        code: str,
        queue: WaitObserver | None = None,
    ) -> None:
        self.workers = tuple(workers)
        self._idle = list(workers)
        self._room = asyncio.Semaphore(len(workers))
        self._wait_s = wait_s
        self._busy = busy
        self._code = code
        self._queue = queue or NullWaitObserver()

    @property
    def taken(self) -> int:
        return len(self.workers) - len(self._idle)

    async def stop(self) -> None:
        """End the processes of all workers."""
        async with asyncio.TaskGroup() as tasks:
            for worker in self.workers:
                tasks.create_task(worker.stop())

    @asynccontextmanager
    async def lease(self, fitness: Callable[[W], int]) -> AsyncIterator[W]:
        """Lend the fittest of the free workers. Raises `EngineError`."""
        await self._turn()
        worker = max(self._idle, key=fitness)
        self._idle.remove(worker)
        try:
            yield worker
        finally:
            try:
                await worker.reap()
            finally:
                self._idle.append(worker)
                self._room.release()

    async def _turn(self) -> None:
        who, clock = object(), asyncio.get_running_loop().time
        self._queue.joined(who, clock())
        try:
            async with asyncio.timeout(self._wait_s):
                await self._room.acquire()
        except TimeoutError:
            raise EngineError(self._busy, self._code) from None
        finally:
            self._queue.left(who, clock())
