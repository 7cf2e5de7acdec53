"""Writes events for programs outside into the outbox, in the commits of the calls they tell of.

Payloads hold ids, states and counts. A program reads the words of people by their ids.
Adding an event waits for nothing: the group commit writes it. A slow subscriber reads the outbox
later, and slows no call.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Literal, get_args

import msgspec

from ..core.types import JsonObject
from ..errors import StoreError
from ..protocol import server
from ..store.base import Change
from ..store.events import EventOutbox, EventRow
from ..store.tool_runs import ToolRunRow
from ..tools.run_records import Submit
from .cluster import CallRef

log = logging.getLogger(__name__)

EventType = Literal[
    "call.started",
    "call.ended",
    "session.created",
    "session.updated",
    "response.done",
    "tool.run",
    "approval.requested",
    "error",
]
EVENT_TYPES: tuple[str, ...] = get_args(EventType)

KEPT = timedelta(hours=24)  # for subscribers that come back with `Last-Event-ID`
FORGET_EVERY_S = 600.0


@dataclass(frozen=True, slots=True)
class Subscriber:
    """A webhook, and the types of events that it gets. Empty: all of them."""

    url: str
    types: frozenset[str] = frozenset()


class EventLog:
    """The outbox of this server. `next_change` tells its readers that there is more."""

    def __init__(
        self,
        outbox: EventOutbox,
        submit: Submit,
        *,
        make_id: Callable[[str], str],
        now: Callable[[], datetime],
        webhooks: Iterable[Subscriber] = (),
    ) -> None:
        self.outbox = outbox
        self._submit = submit
        self._make_id = make_id
        self._now = now
        self._webhooks = tuple(webhooks)
        self._changed = asyncio.Event()

    def add(
        self,
        kind: EventType,
        data: JsonObject,
        *,
        call: CallRef | None = None,
        assistant: str | None = None,
        subject: str | None = None,
        call_id: str | None = None,
    ) -> None:
        """Write an event. It is on disk with the next commit."""
        if call is not None:
            call_id, assistant = call.call_id, call.assistant
            data = {"conversation_id": call.conversation_id} | data
        about: JsonObject = {"call_id": call_id, "assistant": assistant, "user": subject}
        event = EventRow(
            id=self._make_id("evt"),
            type=kind,
            at=self._now(),
            data=msgspec.json.encode(about | data).decode(),
            call_id=call_id,
            assistant=assistant,
            subject=subject,
            webhooks=tuple(w.url for w in self._webhooks if not w.types or kind in w.types),
        )
        self._submit(Change("", events=(event,)), self._settle)

    def _settle(self, failure: StoreError | None) -> None:
        if failure is not None:
            log.error("event_not_recorded")
            return
        self._changed.set()
        self._changed = asyncio.Event()

    @property
    def next_change(self) -> asyncio.Event:
        """The signal of the next events. Take it before you read, then none is missed."""
        return self._changed

    @staticmethod
    async def changed(signal: asyncio.Event, within_s: float) -> bool:
        """Return True when events were added, or False after this time."""
        try:
            async with asyncio.timeout(within_s):
                await signal.wait()
        except TimeoutError:
            return False
        return True

    # What happens

    def observer(self, call: CallRef, subject: str | None) -> Callable[[server.ServerEvent], None]:
        """Return the observer of one call. It runs for each event of the call."""

        def observe(event: server.ServerEvent) -> None:
            if isinstance(event, _TOLD):
                self.add(*_described(event), call=call, subject=subject)

        return observe

    def call_started(self, call: CallRef, subject: str | None, transport: str, engine: str) -> None:
        data: JsonObject = {"transport": transport, "engine": engine}
        self.add("call.started", data, call=call, subject=subject)

    def call_ended(self, call: CallRef, subject: str | None, ending: str) -> None:
        self.add("call.ended", {"ending": ending}, call=call, subject=subject)

    def run_changed(self, row: ToolRunRow) -> None:
        """Tell a new state of a tool run, and the request for an approval."""
        data: JsonObject = {
            "run_id": row.id,
            "tool": row.tool,
            "state": row.state,
            "item_id": row.item_id,
            "tool_call_id": row.tool_call_id,
            "arguments_sha256": row.arguments_sha256,
        }
        add = partial(self.add, call_id=row.call_id, assistant=row.assistant, subject=row.subject)
        if row.state == "requested":
            expires = row.expires_at.isoformat() if row.expires_at else None
            more: JsonObject = {"approve": row.approve, "expires_at": expires}
            add("approval.requested", data | more)
        add("tool.run", data)

    # Upkeep

    async def forget_old(self) -> None:
        """Delete old events that no webhook waits for, until cancelled."""
        urls: Sequence[str] = [each.url for each in self._webhooks]
        while True:
            try:
                await self.outbox.forget(self._now() - KEPT, urls)
            except StoreError:
                log.warning("old_events_kept")
            await asyncio.sleep(FORGET_EVERY_S)


_TOLD = (server.SessionCreated, server.SessionUpdated, server.ResponseDone, server.Error)


def _described(event: server.ServerEvent) -> tuple[EventType, JsonObject]:
    """Return the type and the payload of an event of the protocol, without words of people."""
    match event:
        case server.SessionCreated():
            return "session.created", {}
        case server.SessionUpdated():
            return "session.updated", {}
        case server.ResponseDone(response=response):
            usage = None if response.usage is None else msgspec.to_builtins(response.usage)
            return "response.done", {
                "response_id": response.id,
                "status": response.status,
                "usage": usage,
            }
        case server.Error(error=body):
            return "error", {"code": body.code, "error_type": body.type, "event_id": body.event_id}
        case _:
            raise AssertionError(type(event).__name__)


def payload(event: EventRow) -> bytes:
    """Return the JSON that subscribers read: id, type, timestamp and data."""
    return msgspec.json.encode(
        {
            "id": event.id,
            "type": event.type,
            "timestamp": event.at.isoformat(),
            "data": msgspec.Raw(event.data.encode()),
        }
    )
