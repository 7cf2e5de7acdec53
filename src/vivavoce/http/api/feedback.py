"""Keep what the user thinks of a call: a thumb, and one line. The line is never logged."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from ...runtime.refusals import CallRefused
from ...store.feedback import FeedbackRow, Score
from ..services import At
from .tool_runs import ByAny

router = APIRouter(prefix="/api/calls", tags=["calls"])

LONGEST = 500  # characters


class FeedbackRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    score: Score
    text: str | None = Field(None, max_length=LONGEST, description="One line")


class FeedbackInfo(BaseModel):
    score: Score
    text: str | None
    at: datetime


@router.post("/{call_id}/feedback", summary="Say how good a call was")
async def give(at: At, caller: ByAny, call_id: str, body: FeedbackRequest) -> FeedbackInfo:
    """Store the feedback. A call has one, and a later one replaces it."""
    call = await at.store.call(call_id)
    live = at.registry.get(call_id)
    in_call = live is not None and caller.secret_id in live.credential_ids
    if call is None or not at.policy.may_rate(caller, call, in_call=in_call):
        raise _no_call(call_id)
    text = " ".join((body.text or "").split()) or None
    row = FeedbackRow(call_id, body.score, text, at.now())
    if not await at.store.feedback.put(row):
        raise _no_call(call_id)
    at.quality.observe_feedback(row.score)
    return info(row)


def info(row: FeedbackRow) -> FeedbackInfo:
    return FeedbackInfo(score=row.score, text=row.text, at=row.at)


def _no_call(call_id: str) -> CallRefused:
    return CallRefused(404, "call_id_not_found", f"There is no call '{call_id[:60]}'.")
