"""Stream events to programs, and show what webhooks have not received."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from ...access.auth_failure import AuthFailure
from ...core.types import Caller
from ...runtime.credentials_in_use import credential_ids
from ...runtime.event_log import EVENT_TYPES, payload
from ...runtime.refusals import CallRefused
from ...store.events import StoredEvent
from ..services import At, ByKey, Services, by_key

router = APIRouter(prefix="/api", tags=["events"])

LOOK_EVERY_S = 1.0  # whether the server stops
CHECK_EVERY_S = 15.0  # the key, with a comment: proxies close a quiet stream
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class DeadDelivery(BaseModel):
    event_id: str
    type: str
    call_id: str | None
    attempts: int
    error: str | None
    given_up_at: datetime | None


class WebhookInfo(BaseModel):
    url: str
    events: list[str] = Field(description="Empty: all types")
    waiting: int = Field(description="Deliveries that are attempted again")
    dead: int = Field(description="Deliveries that were given up")
    dead_deliveries: list[DeadDelivery] = Field(description="The newest of them")


class WebhookList(BaseModel):
    data: list[WebhookInfo]


@router.get(
    "/events",
    summary="Events as they happen, as server-sent events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}}},
)
async def stream(
    at: At,
    caller: ByKey,
    request: Request,
    types: Annotated[str, Query(description="Types with commas; empty: all")] = "",
    call_id: str | None = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> StreamingResponse:
    wanted = frozenset(each.strip() for each in types.split(",") if each.strip())
    if unknown := sorted(wanted - set(EVENT_TYPES)):
        message = f"There is no type of event '{unknown[0][:60]}'."
        raise CallRefused(400, "invalid_value", message, param="types")
    position = await _position(at, last_event_id)
    body = _frames(at, caller, request, position, wanted, call_id)
    return StreamingResponse(body, media_type="text/event-stream", headers=HEADERS)


async def _position(at: Services, last_event_id: str | None) -> int:
    """Return where the stream goes on. Without an id it begins with the next event."""
    if last_event_id is None:
        return await at.events.outbox.last()
    if not last_event_id.isdecimal() or len(last_event_id) > 18:
        message = "Last-Event-ID must be the id of an event of this stream."
        raise CallRefused(400, "invalid_value", message, param="Last-Event-ID")
    return int(last_event_id)


class _Stream:
    """A stream that ends when its key is revoked."""

    def __init__(self) -> None:
        self.revoked = False

    def revoke(self, why: AuthFailure) -> None:
        self.revoked = True


async def _frames(
    at: Services,
    caller: Caller,
    request: Request,
    position: int,
    types: frozenset[str],
    call_id: str | None,
) -> AsyncIterator[bytes]:
    """Yield the events that the caller may see, and comments.

    The stream ends when the key is revoked or expires, or the server stops.
    """
    yield b": events\n\n"
    scope, stream, clock = at.policy.scope(caller), _Stream(), asyncio.get_running_loop().time
    release = at.registry.in_use.hold(credential_ids(caller), stream)
    check_at = clock() + CHECK_EVERY_S
    try:
        while not at.registry.shutting_down:
            if clock() >= check_at:  # however much happens
                yield b": still here\n\n"
                await by_key(request, at)
                check_at = clock() + CHECK_EVERY_S
            signal = at.events.next_change
            found = await at.events.outbox.after(position)
            for stored in found:
                if stream.revoked:
                    return
                position, event = stored.position, stored.event
                owner = _Owner(event.assistant or "", event.subject)
                chosen = (not types or event.type in types) and call_id in (None, event.call_id)
                if chosen and scope.covers(owner):
                    yield _frame(stored)
            if not found:
                await at.events.changed(signal, LOOK_EVERY_S)
            if stream.revoked:
                return
    except CallRefused:
        return
    finally:
        release()


@dataclass(frozen=True, slots=True)
class _Owner:
    """The assistant and the user of an event, for the scope of a caller."""

    assistant: str
    subject: str | None


def _frame(stored: StoredEvent) -> bytes:
    event = stored.event
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (
        stored.position, event.type.encode(), payload(event),
    )  # fmt: skip


@router.get("/webhooks", summary="The webhooks, and what they have not received")
async def webhooks(at: At, caller: ByKey) -> WebhookList:
    if caller.assistant is not None:
        raise CallRefused(403, "forbidden", "This takes a key for all assistants.")
    counts, dead = await at.events.outbox.counts(), await at.events.outbox.dead()
    return WebhookList(
        data=[
            WebhookInfo(
                url=each.url,
                events=list(each.events),
                waiting=counts.get(each.url, (0, 0))[0],
                dead=counts.get(each.url, (0, 0))[1],
                dead_deliveries=[
                    DeadDelivery(
                        event_id=d.stored.event.id,
                        type=d.stored.event.type,
                        call_id=d.stored.event.call_id,
                        attempts=d.attempts,
                        error=d.error,
                        given_up_at=d.dead_at,
                    )
                    for d in dead
                    if d.webhook == each.url
                ],
            )
            for each in at.webhooks
        ]
    )
