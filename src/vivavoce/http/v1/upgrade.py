"""Answer requests for a WebSocket that arrive without an upgrade (protocol §1.10)."""

from __future__ import annotations

import logging

from fastapi import APIRouter, Response

from ...runtime.refusals import upgrade_required

log = logging.getLogger(__name__)

router = APIRouter(prefix="/v1/realtime", tags=["v1"])
azure_preview = APIRouter(prefix="/realtime", tags=["v1"])


@router.get("", include_in_schema=False)
@router.get("/translations", include_in_schema=False)
@azure_preview.get("", include_in_schema=False)
async def without_upgrade() -> Response:
    """Refuse it. A proxy that drops the header `Upgrade` is the usual cause."""
    log.warning("upgrade_missing")
    raise upgrade_required()
