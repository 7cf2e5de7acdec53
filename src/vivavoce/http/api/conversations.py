"""Serve conversations and their items. A user reads and deletes only their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import msgspec
from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from ...access import audit
from ...core.types import Caller
from ...errors import EngineError
from ...protocol.items import Message
from ...runtime.refusals import CallRefused
from ...store.base import ConversationRow, ItemRow
from ...store.tool_runs import ToolRunRow
from ...tools.base import ToolContext
from ..services import At, ByEither
from .calls import Responses, response_info
from .sources import SourceInfo
from .tool_runs import ToolRunList, tool_run

router = APIRouter(prefix="/api/conversations", tags=["conversations"])


PIECE_BYTES = 64 * 1024
BEGINNING = 120  # characters
SEARCH_WORDS = 8  # the words after them are ignored


class ConversationInfo(BaseModel):
    id: str
    assistant: str
    user: str | None
    language: str | None
    created_at: datetime
    updated_at: datetime
    title: str | None = Field(description="Given by the user")


class ListedConversation(ConversationInfo):
    beginning: str | None = Field(description="Of the user's first message, 120 characters")


class ConversationChanges(BaseModel):
    model_config = ConfigDict(extra="forbid")

    title: str | None = Field(max_length=120, description="`null` takes the title away")


class ItemInfo(BaseModel):
    item: dict[str, Any]
    generated: str | None
    sent_ms: int | None
    heard_ms: int | None
    input_method: str | None
    model: str | None
    voice: str | None
    created_at: datetime
    sources: list[SourceInfo] = Field(description="Of an answer, the best one first")


class ConversationDetail(ConversationInfo):
    items: list[ItemInfo]


class Conversations(BaseModel):
    data: list[ListedConversation]
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
    search: str = Query("", max_length=200, description="Words of the user or the assistant"),
) -> Conversations:
    scope = at.policy.scope(caller).narrowed(assistant, user)
    page = await at.store.conversations(
        assistants=scope.assistants, subject=scope.subject, before=before, limit=limit,
        search=search.split()[:SEARCH_WORDS],
    )  # fmt: skip
    first = await at.store.first_messages([row.id for row in page.data])
    data = [
        ListedConversation(**row.shown(), beginning=_beginning(first.get(row.id)))
        for row in page.data
    ]
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


@router.get("/{conversation_id}/tools", summary="The tool runs that its page may show")
async def tools(at: At, caller: ByEither, conversation_id: str) -> ToolRunList:
    row = await _found(at, caller, conversation_id)
    runs = await at.ledger.records.of_conversation(conversation_id)
    shown = await _shown_tools(at, row)
    return ToolRunList(data=[tool_run(run) for run in runs if _is_shown(run, shown)])


@router.get("/{conversation_id}/responses", summary="The latest responses, with their latency")
async def latest_responses(at: At, caller: ByEither, conversation_id: str) -> Responses:
    await _found(at, caller, conversation_id)
    rows = await at.store.latest_responses(conversation_id)
    return Responses(data=[response_info(row) for row in rows])


@router.patch("/{conversation_id}", summary="Rename a conversation")
async def change(
    at: At, caller: ByEither, conversation_id: str, body: ConversationChanges
) -> ConversationInfo:
    await _found(at, caller, conversation_id)
    title = " ".join((body.title or "").split()) or None
    act = audit.act("conversation_renamed", audit.actor(caller), conversation_id, at.now())
    if await at.store.rename_conversation(conversation_id, title, act):
        audit.log_act(act)
    return ConversationInfo(**(await _found(at, caller, conversation_id)).shown())


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


def _beginning(row: ItemRow | None) -> str | None:
    """Return the first words of a message. None: it has no text."""
    if row is None or not isinstance(row.item, Message):
        return None
    texts = (part.text or part.transcript or "" for part in row.item.content)
    words = " ".join(" ".join(texts).split())
    return words[:BEGINNING] or None


async def _shown_tools(at: At, row: ConversationRow) -> dict[str, bool]:
    """Return which tools a page may show, by name. Of an assistant that is gone, none."""
    assistant = at.catalogue.get(row.assistant)
    if assistant is None:
        return {}
    shown: dict[str, bool] = {}
    try:
        runners = await at.tools(assistant)
        for role in assistant.roles:
            context = ToolContext(assistant=assistant.name, subject=row.subject, role=role)
            rules = runners.rules(context).items()
            shown |= {name: rule.show and shown.get(name, True) for name, rule in rules}
    except EngineError:
        return {}
    return shown


def _is_shown(run: ToolRunRow, shown: dict[str, bool]) -> bool:
    """Show what the events of a call show: no hidden tool, unless it needs an approval."""
    return run.approve != "never" or shown.get(run.tool, False)


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
    return {name: getattr(row, name) for name in ItemInfo.model_fields}  # sources are Structs
