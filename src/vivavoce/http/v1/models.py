"""Serve the assistants as models, for clients that can name only a model."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from ..services import At, ByKey

router = APIRouter(tags=["v1"])


class Model(BaseModel):
    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "vivavoce"


class Models(BaseModel):
    object: Literal["list"] = "list"
    data: list[Model]


@router.get("/v1/models", summary="The assistants, as models")
async def models(at: At, caller: ByKey) -> Models:
    allowed = [one.name for one in at.catalogue if at.policy.may_list(caller, one.name)]
    return Models(data=[Model(id=name) for name in allowed])
