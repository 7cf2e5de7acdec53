"""Serve the sources of an answer to callers that may see its conversation."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter
from pydantic import BaseModel

from ...runtime.refusals import CallRefused
from ..services import At, ByEither

router = APIRouter(prefix="/api/items", tags=["conversations"])


class SourceInfo(BaseModel):
    id: str
    source: str
    place: str
    title: str
    score: float
    revision: str


class SourceList(BaseModel):
    data: list[SourceInfo]


@router.get("/{item_id}/sources", summary="The sources of an answer, the best one first")
async def of_item(at: At, caller: ByEither, item_id: str) -> SourceList:
    for conversation, sources in await at.store.sources(item_id):
        if at.policy.may_see(caller, conversation):
            return SourceList(data=[SourceInfo(**msgspec.structs.asdict(each)) for each in sources])
    message = f"There is no answer '{item_id[:60]}' with sources."
    raise CallRefused(404, "item_not_found", message)
