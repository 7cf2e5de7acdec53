"""What was said: conversations and their items. A user sees and deletes their own."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from fastapi import APIRouter, Query
from pydantic import BaseModel

from ...core.values import Caller
from ...runtime.refusals import Refused
from ...store.base import ConversationRow, Row
from ..services import At, ByEither

router = APIRouter(prefix="/api/conversations", tags=["conversations"])


class Conversation(BaseModel):
    id: str
    assistant: str
    user: str | None
    language: str | None
    created_at: datetime
    updated_at: datetime


class Item(BaseModel):
    item: dict[str, Any]
    generated: str | None
    sent_ms: int | None
    heard_ms: int | None
    input_method: str | None
    model: str | None
    voice: str | None
    created_at: datetime


class Whole(Conversation):
    items: list[Item]


class Conversations(BaseModel):
    data: list[Conversation]
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
    if caller.assistant is not None:
        if assistant not in (None, caller.assistant):
            return Conversations(data=[], has_more=False, last_id=None)
        assistant = caller.assistant
    if caller.credential == "cookie":
        user = caller.subject
    page = await at.store.conversations(
        assistant=assistant, subject=user, before=before, limit=limit
    )
    data = [Conversation(**_told(row)) for row in page.data]
    return Conversations(data=data, has_more=page.has_more, last_id=data[-1].id if data else None)


@router.get("/{conversation_id}", summary="One conversation with its items")
async def one(at: At, caller: ByEither, conversation_id: str) -> Whole:
    row = await _found(at, caller, conversation_id)
    items = await at.store.items(conversation_id)
    return Whole(**_told(row), items=[_item(item) for item in items])


@router.delete("/{conversation_id}", status_code=204, summary="Forget a conversation")
async def delete(at: At, caller: ByEither, conversation_id: str) -> None:
    await _found(at, caller, conversation_id)
    # A call would go on writing to it.
    if not await at.hub.take_over(conversation_id, why="conversation_deleted"):
        raise Refused(409, "conversation_busy", "A call in this conversation does not end.",
                      type="server_error")  # fmt: skip
    await at.store.delete_conversation(conversation_id)


async def _found(at: At, caller: Caller, conversation_id: str) -> ConversationRow:
    row = await at.store.conversation(conversation_id)
    theirs = row is not None and (
        caller.assistant in (None, row.assistant)
        if caller.credential == "key"
        else caller.subject == row.subject
    )
    if row is None or not theirs:
        raise Refused(
            404, "conversation_not_found", f"There is no conversation '{conversation_id[:60]}'."
        )
    return row


def _told(row: ConversationRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "assistant": row.assistant,
        "user": row.subject,
        "language": row.language,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def _item(row: Row) -> Item:
    return Item(
        item=msgspec.to_builtins(row.item),
        generated=row.generated,
        sent_ms=row.sent_ms,
        heard_ms=row.heard_ms,
        input_method=row.input_method,
        model=row.model,
        voice=row.voice,
        created_at=row.created_at,
    )
