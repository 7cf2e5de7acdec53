"""Control of running calls by whoever holds a key (protocol §1.5)."""

from __future__ import annotations

from typing import NoReturn

from fastapi import APIRouter, Response

from ...core.types import Caller
from ...runtime.refusals import CallRefused
from ..services import At, ByKey

router = APIRouter(prefix="/v1/realtime/calls/{call_id}", tags=["v1"])


@router.post("/hangup", summary="End a running call, on whatever transport")
async def hangup(at: At, caller: ByKey, call_id: str) -> Response:
    live = at.reception.find(caller, call_id)
    async with at.registry.in_use.while_valid(caller):
        await at.registry.hang_up(live)
    return Response()


@router.post("/accept", summary="Answer a telephone that rings")
async def accept(at: At, caller: ByKey, call_id: str) -> Response:
    _no_telephone(at, caller, call_id, "accepted")


@router.post("/reject", summary="Do not answer a telephone that rings")
async def reject(at: At, caller: ByKey, call_id: str) -> Response:
    _no_telephone(at, caller, call_id, "rejected")


@router.post("/refer", summary="Send a telephone call on to another number")
async def refer(at: At, caller: ByKey, call_id: str) -> Response:
    _no_telephone(at, caller, call_id, "referred")


def _no_telephone(at: At, caller: Caller, call_id: str, done: str) -> NoReturn:
    live = at.reception.find(caller, call_id)
    raise CallRefused(
        400, "not_a_sip_call", f"Only SIP calls can be {done}; this one came by {live.transport}."
    )
