"""Keep events and their deliveries in SQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal,
    null,
    select,
    update,
)

from ..events import Delivery, EventRow, StoredEvent
from .database_threads import DatabaseThreads
from .schema import events_outbox, webhook_deliveries

_EVENT = ("id", "type", "at", "data", "call_id", "assistant", "subject")
_INSERT = insert(events_outbox)
_of_event = webhook_deliveries.c.position == events_outbox.c.position
_waiting = webhook_deliveries.alias("waiting")
_DELIVERIES = select(
    events_outbox,
    webhook_deliveries.c.webhook,
    webhook_deliveries.c.attempts,
    webhook_deliveries.c.next_at,
    webhook_deliveries.c.dead_at,
    webhook_deliveries.c.error,
).join(webhook_deliveries, _of_event)
_FIRST = (
    select(func.min(_waiting.c.position))
    .where(_waiting.c.webhook == bindparam("webhook"), _waiting.c.dead_at.is_(None))
    .group_by(func.coalesce(_waiting.c.call_id, ""))
)
_DUE = (
    _DELIVERIES.where(
        webhook_deliveries.c.webhook == bindparam("webhook"),
        webhook_deliveries.c.position.in_(_FIRST),
        webhook_deliveries.c.next_at <= bindparam("now"),
    )
    .order_by(webhook_deliveries.c.position)
    .limit(bindparam("most"))
)
_NEXT_DUE = select(func.min(webhook_deliveries.c.next_at)).where(
    webhook_deliveries.c.webhook == bindparam("webhook"), webhook_deliveries.c.position.in_(_FIRST)
)
_this = (webhook_deliveries.c.webhook == bindparam("which"),
         webhook_deliveries.c.position == bindparam("at_position"))  # fmt: skip


class SqlEventOutbox:
    def __init__(self, writer: DatabaseThreads, readers: DatabaseThreads) -> None:
        self._writer = writer
        self._readers = readers

    async def after(self, position: int, *, limit: int = 500) -> list[StoredEvent]:
        query = (
            select(events_outbox)
            .where(events_outbox.c.position > position)
            .order_by(events_outbox.c.position)
            .limit(limit)
        )
        rows = await self._readers.run(lambda connection: connection.execute(query).all())
        return [_stored(row) for row in rows]

    async def last(self) -> int:
        query = select(func.max(events_outbox.c.position))
        return await self._readers.run(lambda connection: connection.execute(query).scalar()) or 0

    async def due(self, webhook: str, now: datetime, *, limit: int = 32) -> list[Delivery]:
        values = {"webhook": webhook, "now": now, "most": limit}
        rows = await self._readers.run(lambda connection: connection.execute(_DUE, values).all())
        return [_delivery(row) for row in rows]

    async def next_due(self, webhook: str) -> datetime | None:
        values = {"webhook": webhook}
        found: datetime | None = await self._readers.run(
            lambda connection: connection.execute(_NEXT_DUE, values).scalar()
        )
        return found

    async def delivered(self, delivery: Delivery) -> None:
        values = _key(delivery)
        gone = delete(webhook_deliveries).where(*_this)
        await self._writer.run(lambda connection: connection.execute(gone, values))

    async def failed(self, delivery: Delivery) -> None:
        values = _key(delivery)
        changed = (
            update(webhook_deliveries)
            .where(*_this)
            .values(
                attempts=delivery.attempts,
                next_at=delivery.next_at,
                dead_at=delivery.dead_at,
                error=delivery.error,
            )
        )
        await self._writer.run(lambda connection: connection.execute(changed, values))

    async def dead(self, *, limit: int = 100) -> list[Delivery]:
        query = (
            _DELIVERIES.where(webhook_deliveries.c.dead_at.is_not(None))
            .order_by(webhook_deliveries.c.position.desc())
            .limit(limit)
        )
        rows = await self._readers.run(lambda connection: connection.execute(query).all())
        return [_delivery(row) for row in rows]

    async def counts(self) -> dict[str, tuple[int, int]]:
        dead = func.count(webhook_deliveries.c.dead_at)
        query = select(webhook_deliveries.c.webhook, func.count(), dead).group_by(
            webhook_deliveries.c.webhook
        )
        rows = await self._readers.run(lambda connection: connection.execute(query).all())
        return {webhook: (every - given_up, given_up) for webhook, every, given_up in rows}

    async def forget(self, before: datetime, webhooks: Collection[str]) -> None:
        waits = exists().where(_of_event)

        def work(connection: Connection) -> None:
            known = webhook_deliveries.c.webhook.not_in(list(webhooks))
            connection.execute(delete(webhook_deliveries).where(known))
            connection.execute(delete(events_outbox).where(events_outbox.c.at < before, ~waits))

        await self._writer.run(work)


def add(connection: Connection, events: Sequence[EventRow]) -> None:
    """Insert events, and a delivery of each to every webhook that gets it."""
    connection.execute(_INSERT, [{name: getattr(e, name) for name in _EVENT} for e in events])
    for event in events:
        for webhook in event.webhooks:
            found = select(
                literal(webhook), events_outbox.c.position, events_outbox.c.call_id,
                literal(0), events_outbox.c.at, null(), null(),
            ).where(events_outbox.c.id == event.id)  # fmt: skip
            names = ["webhook", "position", "call_id", "attempts", "next_at", "dead_at", "error"]
            connection.execute(insert(webhook_deliveries).from_select(names, found))


def _key(delivery: Delivery) -> dict[str, Any]:
    return {"which": delivery.webhook, "at_position": delivery.stored.position}


def _stored(row: Row[Any]) -> StoredEvent:
    found = row._mapping
    return StoredEvent(found["position"], EventRow(**{name: found[name] for name in _EVENT}))


def _delivery(row: Row[Any]) -> Delivery:
    found = row._mapping
    more = {name: found[name] for name in ("attempts", "next_at", "dead_at", "error")}
    return Delivery(found["webhook"], _stored(row), **more)
