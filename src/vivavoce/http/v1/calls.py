"""Control running calls over HTTP, with an API key (protocol §1.5)."""

from __future__ import annotations

from typing import NoReturn

from fastapi import APIRouter, Response

from ...access import audit
from ...core.types import Caller
from ...runtime.refusals import CallRefused
from ..services import At, ByKey

router = APIRouter(prefix="/v1/realtime/calls/{call_id}", tags=["v1"])


@router.post("/hangup", summary="End a running call, on any transport")
async def hangup(at: At, caller: ByKey, call_id: str) -> Response:
    live = at.call_setup.find(caller, call_id)
    async with at.registry.in_use.while_valid(caller):
        await at.registry.hang_up(live)
    act = audit.act("call_hung_up", audit.actor(caller), call_id, at.now())
    await audit.record(at.store, act)
    return Response()


@router.post("/accept", summary="Answer a ringing telephone call")
async def accept(at: At, caller: ByKey, call_id: str) -> Response:
    _not_a_telephone_call(at, caller, call_id, "accepted")


@router.post("/reject", summary="Decline a ringing telephone call")
async def reject(at: At, caller: ByKey, call_id: str) -> Response:
    _not_a_telephone_call(at, caller, call_id, "rejected")


@router.post("/refer", summary="Transfer a telephone call to another number")
async def refer(at: At, caller: ByKey, call_id: str) -> Response:
    _not_a_telephone_call(at, caller, call_id, "referred")


def _not_a_telephone_call(at: At, caller: Caller, call_id: str, done: str) -> NoReturn:
    live = at.call_setup.find(caller, call_id)
    raise CallRefused(
        400, "not_a_sip_call", f"Only SIP calls can be {done}; this one came by {live.transport}."
    )
