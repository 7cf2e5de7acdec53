"""Publish the events of calls, and pass them to subscribers in this process."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ..failures import log_failure
from ..protocol.server import ServerEvent
from .cluster import CallRef, EventBus, PublishedEvent, Subscription

log = logging.getLogger(__name__)


class CallPublisher:
    """Publishes the events of one call. A bus that raises loses events, and the call goes on.

    The log names the first of several failures in a row.
    """

    def __init__(self, bus: EventBus, call: CallRef) -> None:
        self._bus = bus
        self._call = call
        self._failing = False

    def __call__(self, event: ServerEvent) -> None:
        try:
            self._bus.publish(event, self._call)
        except BaseException as error:  # a synchronous function cannot be cancelled
            if not self._failing:
                log_failure(log, "event_not_published", error, call=self._call.call_id)
            self._failing = True
        else:
            self._failing = False


class InProcessEventBus:
    """The `EventBus` of a single process.

    Each subscriber has a queue of its own. A slow one loses its oldest events, and the next event
    that it reads says how many. It slows neither the call nor other subscribers.
    """

    def __init__(self) -> None:
        self._queues: set[_Queue] = set()

    def publish(self, event: ServerEvent, call: CallRef) -> None:
        for queue in self._queues:
            queue.put(event, call)

    @asynccontextmanager
    async def subscribe(
        self,
        *,
        call_id: str | None = None,
        types: tuple[type[ServerEvent], ...] = (),
        size: int = 1024,
    ) -> AsyncIterator[Subscription]:
        queue = _Queue(call_id, types, size)
        self._queues.add(queue)
        try:
            yield queue
        finally:
            self._queues.discard(queue)


class _Queue:
    """The events that wait for one subscriber."""

    def __init__(
        self, call_id: str | None, types: tuple[type[ServerEvent], ...], size: int
    ) -> None:
        self._call_id = call_id
        self._types = types
        self._size = size
        self._events: deque[tuple[ServerEvent, CallRef]] = deque()
        self._lost = 0  # events dropped since the subscriber last read one
        self._ready = asyncio.Event()

    def put(self, event: ServerEvent, call: CallRef) -> None:
        if self._call_id not in (None, call.call_id):
            return
        if self._types and not isinstance(event, self._types):
            return
        if len(self._events) >= self._size:
            self._events.popleft()
            self._lost += 1
        self._events.append((event, call))
        self._ready.set()

    def __aiter__(self) -> AsyncIterator[PublishedEvent]:
        return self

    async def __anext__(self) -> PublishedEvent:
        while not self._events:
            self._ready.clear()
            await self._ready.wait()
        event, call = self._events.popleft()
        lost, self._lost = self._lost, 0
        return PublishedEvent(call, event, lost)
