"""Keep events and their deliveries in memory."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime

from .events import Delivery, EventRow, StoredEvent


class MemoryEventOutbox:
    def __init__(self) -> None:
        self._last = 0
        self._events: dict[int, StoredEvent] = {}
        self._deliveries: dict[tuple[str, int], Delivery] = {}

    def add(self, events: Iterable[EventRow]) -> None:
        for event in events:
            self._last += 1
            stored = StoredEvent(self._last, replace(event, webhooks=()))
            self._events[self._last] = stored
            for webhook in event.webhooks:
                new = Delivery(webhook, stored, next_at=event.at)
                self._deliveries[webhook, self._last] = new

    def has(self, event_id: str) -> bool:
        return any(stored.event.id == event_id for stored in self._events.values())

    async def after(self, position: int, *, limit: int = 500) -> list[StoredEvent]:
        return [s for at, s in sorted(self._events.items()) if at > position][:limit]

    async def last(self) -> int:
        return max(self._events, default=0)

    async def due(self, webhook: str, now: datetime, *, limit: int = 32) -> list[Delivery]:
        return [d for d in self._first(webhook) if d.next_at and d.next_at <= now][:limit]

    async def next_due(self, webhook: str) -> datetime | None:
        return min((d.next_at for d in self._first(webhook) if d.next_at), default=None)

    def _first(self, webhook: str) -> list[Delivery]:
        """Return the oldest waiting delivery of each call."""
        first: dict[str | None, Delivery] = {}
        for (to, _), delivery in sorted(self._deliveries.items()):
            if to == webhook and delivery.dead_at is None:
                first.setdefault(delivery.stored.event.call_id, delivery)
        return sorted(first.values(), key=lambda delivery: delivery.stored.position)

    async def delivered(self, delivery: Delivery) -> None:
        self._deliveries.pop((delivery.webhook, delivery.stored.position), None)

    async def failed(self, delivery: Delivery) -> None:
        key = (delivery.webhook, delivery.stored.position)
        if key in self._deliveries:
            self._deliveries[key] = delivery

    async def dead(self, *, limit: int = 100) -> list[Delivery]:
        found = [d for d in self._deliveries.values() if d.dead_at is not None]
        return sorted(found, key=lambda d: -d.stored.position)[:limit]

    async def counts(self) -> dict[str, tuple[int, int]]:
        found: dict[str, tuple[int, int]] = {}
        for delivery in self._deliveries.values():
            waiting, dead = found.get(delivery.webhook, (0, 0))
            gone = delivery.dead_at is not None
            found[delivery.webhook] = (waiting + (not gone), dead + gone)
        return found

    async def forget(self, before: datetime, webhooks: Collection[str]) -> None:
        kept = {key: each for key, each in self._deliveries.items() if key[0] in webhooks}
        self._deliveries = kept
        wanted = {position for _, position in kept}
        self._events = {
            position: stored
            for position, stored in self._events.items()
            if stored.event.at >= before or position in wanted
        }
