"""Serve what people asked the knowledge, and whether it had an answer."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from ...store.questions import QuestionRow
from ..services import At, ByEither

router = APIRouter(prefix="/api/questions", tags=["knowledge"])


class QuestionInfo(BaseModel):
    id: str
    at: datetime
    conversation_id: str
    call_id: str
    item_id: str
    assistant: str
    user: str | None
    language: str
    text: str
    score: float | None = Field(description="Of the best passage, also of one that was left out")
    answered: bool


class QuestionList(BaseModel):
    data: list[QuestionInfo]
    has_more: bool
    last_id: str | None


@router.get("", summary="Questions to the knowledge, newest first")
async def listed(
    at: At,
    caller: ByEither,
    assistant: str | None = None,
    user: str | None = None,
    unanswered: bool = False,
    before: str | None = None,
    limit: int = Query(20, ge=1, le=100),
) -> QuestionList:
    scope = at.policy.scope(caller).narrowed(assistant, user)
    page = await at.store.questions.newest(
        assistants=scope.assistants,
        subject=scope.subject,
        unanswered=unanswered,
        before=before,
        limit=limit,
    )
    data = [_info(row) for row in page.data]
    return QuestionList(data=data, has_more=page.has_more, last_id=data[-1].id if data else None)


def _info(row: QuestionRow) -> QuestionInfo:
    values = asdict(row)
    return QuestionInfo(user=values.pop("subject"), **values)
