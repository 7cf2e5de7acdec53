"""Serve the log of calls, and of each call's responses with their latency and usage."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from ...access import audit
from ...assistants import Assistant
from ...core.types import Caller
from ...errors import EngineError
from ...runtime.refusals import CallRefused
from ...runtime.running_prompt import ChoiceChanges
from ...store.base import CallRow, ResponseRow
from ...store.feedback import FeedbackRow, Score
from ..services import At, ByKey, Services
from . import feedback as ratings
from .feedback import FeedbackInfo
from .tool_runs import ToolRunList, tool_run

router = APIRouter(prefix="/api/calls", tags=["calls"])


class CallInfo(BaseModel):
    id: str
    conversation_id: str
    assistant: str
    user: str | None
    transport: str
    engine: str
    started_at: datetime
    ended_at: datetime | None
    ending: str | None
    live: bool
    feedback: FeedbackInfo | None = Field(description="What the user thinks of it")


class PromptInfo(BaseModel):
    at: datetime
    role: str
    language: str
    instructions: str


class CallDetail(CallInfo):
    prompts: list[PromptInfo] = Field(
        description="The instructions that the server rendered for it, the oldest first"
    )


class CallChanges(BaseModel):
    model_config = {"extra": "forbid"}

    language: str | None = Field(None, description="One of the assistant's languages")
    role: str | None = Field(None, description="One of the assistant's roles")
    variables: dict[str, Any] = Field(
        default_factory=dict, description="Values for this call alone", max_length=100
    )


class CallList(BaseModel):
    data: list[CallInfo]
    has_more: bool
    last_id: str | None


class ResponseInfo(BaseModel):
    id: str
    status: str
    reason: str | None
    usage: dict[str, Any] | None
    created_at: datetime
    speech_stopped_at: datetime | None
    first_audio_ms: float | None
    stt_ms: float | None
    brain_ms: float | None
    tts_ms: float | None


class Responses(BaseModel):
    data: list[ResponseInfo]


@router.get("", summary="Calls, newest first")
async def listed(
    at: At,
    caller: ByKey,
    feedback: Score | None = None,
    before: str | None = None,
    limit: int = Query(20, ge=1, le=100),
) -> CallList:
    scope = at.policy.scope(caller)
    rows = await at.store.calls(
        assistants=scope.assistants,
        subject=scope.subject,
        score=feedback,
        before=before,
        limit=limit + 1,
    )
    given = await at.store.feedback.of_calls([row.id for row in rows])
    data = [_call(at, row, given.get(row.id)) for row in rows[:limit]]
    return CallList(data=data, has_more=len(rows) > limit, last_id=data[-1].id if data else None)


@router.get("/{call_id}", summary="One call")
async def one(at: At, caller: ByKey, call_id: str) -> CallDetail:
    return await _detail(at, await _found(at, caller, call_id))


@router.patch("/{call_id}", summary="Change the language, role or variables of a running call")
async def change(at: At, caller: ByKey, call_id: str, body: CallChanges) -> CallDetail:
    """Render the call's prompt again: the assistant's next responses follow it."""
    prompt = at.call_setup.find(caller, call_id).prompt
    if prompt is None:
        raise CallRefused(409, "no_prompt", "This call has no prompt: it transcribes, or begins.")
    act = audit.act("call_changed", audit.actor(caller), call_id, at.now())
    try:
        changed = await prompt.change(at.now(), _asked(prompt.assistant, body), act=act)
    except EngineError as error:
        raise CallRefused(503, error.code, str(error), type="server_error") from error
    if changed:
        audit.log_act(act)
    return await _detail(at, await _found(at, caller, call_id))


def _asked(assistant: Assistant, body: CallChanges) -> ChoiceChanges:
    """Return the changes. Raises `InvalidRequest` for a wrong language, role or value."""
    values = assistant.values(body.variables)
    return ChoiceChanges(
        role=None if body.role is None else assistant.pick_role(body.role),
        language=None if body.language is None else assistant.require_language(body.language),
        variables={name: str(values[name]) for name in body.variables},
    )


@router.get("/{call_id}/events", summary="A call's responses: the latency of each turn, and usage")
async def events(at: At, caller: ByKey, call_id: str) -> Responses:
    await _found(at, caller, call_id)
    return Responses(data=[response_info(row) for row in await at.store.responses(call_id)])


@router.get("/{call_id}/tools", summary="A call's tool runs, the oldest first")
async def tools(at: At, caller: ByKey, call_id: str) -> ToolRunList:
    await _found(at, caller, call_id)
    return ToolRunList(data=[tool_run(row) for row in await at.ledger.records.of_call(call_id)])


async def _found(at: At, caller: Caller, call_id: str) -> CallRow:
    row = await at.store.call(call_id)
    if row is None or not at.policy.scope(caller).covers(row):
        raise CallRefused(404, "call_id_not_found", f"There is no call '{call_id[:60]}'.")
    return row


def _call(at: At, row: CallRow, given: FeedbackRow | None) -> CallInfo:
    return CallInfo(
        id=row.id,
        conversation_id=row.conversation_id,
        assistant=row.assistant,
        user=row.subject,
        transport=row.transport,
        engine=row.engine,
        started_at=row.started_at,
        ended_at=row.ended_at,
        ending=row.ending,
        live=at.registry.get(row.id) is not None,
        feedback=None if given is None else ratings.info(given),
    )


async def _detail(at: Services, row: CallRow) -> CallDetail:
    prompts = [
        PromptInfo(at=p.at, role=p.role, language=p.language, instructions=p.instructions)
        for p in await at.store.prompts.of_call(row.id)
    ]
    given = (await at.store.feedback.of_calls([row.id])).get(row.id)
    return CallDetail(**_call(at, row, given).model_dump(), prompts=prompts)


def response_info(row: ResponseRow) -> ResponseInfo:
    return ResponseInfo(
        id=row.id,
        status=row.status,
        reason=row.reason,
        usage=row.usage,
        created_at=row.created_at,
        speech_stopped_at=row.speech_stopped_at,
        first_audio_ms=row.first_audio_ms,
        stt_ms=row.stt_ms,
        brain_ms=row.brain_ms,
        tts_ms=row.tts_ms,
    )
