"""Refuse translation sessions with their own error code (protocol §1.7)."""

from __future__ import annotations

from fastapi import APIRouter, Response

from ...runtime.refusals import no_translation
from ..services import ByKey

router = APIRouter(prefix="/v1/realtime/translations", tags=["v1"])


@router.post("/client_secrets", summary="Not supported: 501")
@router.post("/calls", summary="Not supported: 501")
async def translate(caller: ByKey) -> Response:
    raise no_translation()
