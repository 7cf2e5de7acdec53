"""Refuse calls over WebRTC with their own error code (protocol §1.4)."""

from __future__ import annotations

from fastapi import APIRouter, Response

from ...runtime.refusals import no_webrtc

router = APIRouter(prefix="/v1/realtime", tags=["v1"])


@router.post("/calls", summary="Not supported: 501")
async def call() -> Response:
    raise no_webrtc()
