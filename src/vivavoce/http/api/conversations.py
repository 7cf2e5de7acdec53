"""Serve conversations and their items. A user reads and deletes only their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import msgspec
from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from ...access import audit
from ...core.types import Caller
from ...runtime.refusals import CallRefused
from ...store.base import ConversationRow, ItemRow
from ..services import At, ByEither

router = APIRouter(prefix="/api/conversations", tags=["conversations"])


PIECE_BYTES = 64 * 1024


class ConversationInfo(BaseModel):
    id: str
    assistant: str
    user: str | None
    language: str | None
    created_at: datetime
    updated_at: datetime


class ItemInfo(BaseModel):
    item: dict[str, Any]
    generated: str | None
    sent_ms: int | None
    heard_ms: int | None
    input_method: str | None
    model: str | None
    voice: str | None
    created_at: datetime


class ConversationDetail(ConversationInfo):
    items: list[ItemInfo]


class Conversations(BaseModel):
    data: list[ConversationInfo]
    has_more: bool
    last_id: str | None


@router.get("", summary="Conversations, newest first")
async def listed(
    at: At,
    caller: ByEither,
    assistant: str | None = None,
    user: str | None = None,
    before: str | None = None,
    limit: int = Query(20, ge=1, le=100),
) -> Conversations:
    scope = at.policy.scope(caller).narrowed(assistant, user)
    page = await at.store.conversations(
        assistants=scope.assistants, subject=scope.subject, before=before, limit=limit
    )
    data = [ConversationInfo(**row.shown()) for row in page.data]
    return Conversations(data=data, has_more=page.has_more, last_id=data[-1].id if data else None)


@router.get(
    "/{conversation_id}",
    summary="One conversation with its items",
    response_class=StreamingResponse,
    responses={200: {"model": ConversationDetail}},
)
async def one(at: At, caller: ByEither, conversation_id: str) -> StreamingResponse:
    row = await _found(at, caller, conversation_id)
    items = await at.store.items(conversation_id)
    return StreamingResponse(_pieces(row, items), media_type="application/json")


@router.delete("/{conversation_id}", status_code=204, summary="Delete a conversation")
async def delete(at: At, caller: ByEither, conversation_id: str) -> None:
    await _found(at, caller, conversation_id)
    async with at.registry.in_use.while_valid(caller):
        # A running call would write to the deleted conversation.
        ended = await at.registry.take_over(conversation_id, why="conversation_deleted")
    if not ended:
        raise CallRefused(409, "conversation_busy", "A call in this conversation does not end.",
                      type="server_error")  # fmt: skip
    act = audit.act("conversation_deleted", audit.actor(caller), conversation_id, at.now())
    if await at.store.delete_conversation(conversation_id, act):
        audit.log_act(act)


async def _found(at: At, caller: Caller, conversation_id: str) -> ConversationRow:
    row = await at.store.conversation(conversation_id)
    if row is None or not at.policy.may_see(caller, row):
        raise CallRefused(
            404, "conversation_not_found", f"There is no conversation '{conversation_id[:60]}'."
        )
    return row


async def _pieces(row: ConversationRow, items: list[ItemRow]) -> AsyncIterator[bytes]:
    """Yield a `ConversationDetail` as JSON, in pieces.

    It may have 64 MiB, and the server handles other requests between two pieces.
    """
    yield msgspec.json.encode(row.shown())[:-1] + b',"items":['
    piece = b""
    for number, item in enumerate(items):
        piece += (b"," if number else b"") + msgspec.json.encode(_item(item))
        if len(piece) >= PIECE_BYTES:
            yield piece
            await asyncio.sleep(0)  # because sending to a socket with room does not wait
            piece = b""
    yield piece + b"]}"


def _item(row: ItemRow) -> dict[str, Any]:
    """Return the fields of `ItemInfo`."""
    return {name: getattr(row, name) for name in ItemInfo.model_fields}
