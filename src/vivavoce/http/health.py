"""Report whether the process answers, and whether it could serve a call."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from .services import At

router = APIRouter(tags=["health"])


class Health(BaseModel):
    status: Literal["ok"] = "ok"


@router.get("/healthz", summary="The process answers")
async def healthz() -> Health:
    return Health()


@router.get("/readyz", summary="The server can serve a call: the store writes")
async def readyz(at: At) -> Health:
    await at.ready()
    return Health()
