"""Define the rows of events for programs outside: the outbox, and its deliveries to webhooks."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """Hold one event. `data`: a JSON object as text. `webhooks`: the URLs that get it."""

    id: str  # `evt_…`
    type: str
    at: datetime
    data: str
    call_id: str | None = None
    assistant: str | None = None
    subject: str | None = None
    webhooks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """Hold an event with its position. Positions grow, and none is used twice."""

    position: int
    event: EventRow


@dataclass(frozen=True, slots=True)
class Delivery:
    """Hold what a webhook has not received. `dead_at`: when the server gave up."""

    webhook: str
    stored: StoredEvent
    attempts: int = 0
    next_at: datetime | None = None
    dead_at: datetime | None = None
    error: str | None = None


class EventOutbox(Protocol):
    """Keep events until they are delivered. `Store.commit` adds them, as a part of a `Change`."""

    async def after(self, position: int, *, limit: int = 500) -> list[StoredEvent]:
        """List the events after this position, the oldest first."""

    async def last(self) -> int:
        """Return the position of the newest event, or 0."""

    async def due(self, webhook: str, now: datetime, *, limit: int = 32) -> list[Delivery]:
        """List deliveries that are due: the oldest one of each call, and of events without call.

        A call whose oldest delivery is not due yet has none in the list, so that its events keep
        their order.
        """

    async def next_due(self, webhook: str) -> datetime | None:
        """Return when the earliest delivery is due. None: none waits."""

    async def delivered(self, delivery: Delivery) -> None:
        """Remove a delivery, because the webhook has it."""

    async def failed(self, delivery: Delivery) -> None:
        """Store the attempts, the error, and the time of the next attempt or of giving up."""

    async def dead(self, *, limit: int = 100) -> list[Delivery]:
        """List the deliveries that were given up, the newest first."""

    async def counts(self) -> dict[str, tuple[int, int]]:
        """Return for each webhook how many deliveries wait, and how many were given up."""

    async def forget(self, before: datetime, webhooks: Collection[str]) -> None:
        """Delete older events, unless one of these webhooks waits for them.

        Deliveries to other webhooks are deleted too: the operator has removed those.
        """
