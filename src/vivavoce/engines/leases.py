"""Lend a few workers to many: each to one user at a time. First come, first served.

No person holds more than half of the workers, so that one who sends a lot leaves room for others.
A request that waits for another one of the same person does not show that the workers are too few.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Generic, Protocol, TypeVar

from ..errors import EngineError

_person: ContextVar[str | None] = ContextVar("person", default=None)


def work_for(person: str | None) -> None:
    """Say for whom this task, and the tasks that it starts, lease workers. None: no one person."""
    _person.set(person)


class WaitObserver(Protocol):
    """Sees each wait for a worker begin and end. Times are the loop's, in seconds."""

    def wait_began(self, who: object, now: float) -> None: ...

    def wait_ended(self, who: object, now: float) -> object: ...


class NullWaitObserver:
    """A observer without an observer."""

    def wait_began(self, who: object, now: float) -> None: ...

    def wait_ended(self, who: object, now: float) -> None: ...


class Lent(Protocol):
    """A worker, whose process may have had to be killed."""

    def reap(self) -> Awaitable[object]: ...

    async def stop(self) -> None:
        """End its process."""


W = TypeVar("W", bound=Lent)


class _Waiter:
    """A request for a worker. `counted`: it waits for the workers, and not for its own person."""

    def __init__(self, person: str | None) -> None:
        self.person = person
        self.counted = False
        self.granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Leases(Generic[W]):
    """Lend each worker to one user. After `wait_s`, a user gets the error `busy` with `code`."""

    def __init__(
        self,
        workers: Sequence[W],
        *,
        wait_s: float,
        busy: str,
        code: str,
        observer: WaitObserver | None = None,
    ) -> None:
        self.workers = tuple(workers)
        self._idle = list(workers)
        self._free = len(self.workers)  # workers without a granted request
        self._share = max(1, len(self.workers) // 2)  # the most that one person holds
        self._held: Counter[str] = Counter()
        self._waiters: dict[_Waiter, None] = {}  # the oldest first
        self._wait_s = wait_s
        self._busy = busy
        self._code = code
        self._observer = observer or NullWaitObserver()

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
        person = _person.get()
        await self._turn(person)
        worker = max(self._idle, key=fitness)
        self._idle.remove(worker)
        try:
            yield worker
        finally:
            try:
                await worker.reap()
            finally:
                self._idle.append(worker)
                self._release(person)

    async def _turn(self, person: str | None) -> None:
        waiter = _Waiter(person)
        self._waiters[waiter] = None
        self._grant()
        try:
            async with asyncio.timeout(self._wait_s):
                await waiter.granted
        except BaseException as error:
            if waiter.granted.done() and not waiter.granted.cancelled():
                self._release(person)
            if isinstance(error, TimeoutError):
                raise EngineError(self._busy, self._code) from None
            raise
        finally:
            self._waiters.pop(waiter, None)
            if waiter.counted:
                self._observer.wait_ended(waiter, asyncio.get_running_loop().time())

    def _grant(self) -> None:
        """Give free workers to those who wait, the oldest first, up to each one's share."""
        for waiter in list(self._waiters):
            if waiter.granted.done() or not self._has_share(waiter.person):
                continue
            if not waiter.counted:
                waiter.counted = True
                self._observer.wait_began(waiter, asyncio.get_running_loop().time())
            if self._free:
                self._free -= 1
                if waiter.person is not None:
                    self._held[waiter.person] += 1
                waiter.granted.set_result(None)

    def _has_share(self, person: str | None) -> bool:
        return person is None or self._held[person] < self._share

    def _release(self, person: str | None) -> None:
        self._free += 1
        if person is not None:
            self._held[person] -= 1
            if not self._held[person]:
                del self._held[person]
        self._grant()
