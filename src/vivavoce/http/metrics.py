"""Serve `GET /metrics` for Prometheus (docs/reference/metrics.md)."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from ..access.policy import EVERYTHING
from ..runtime.metrics import TYPE
from ..runtime.refusals import CallRefused
from .services import At, by_key

router = APIRouter(tags=["health"])


@router.get("/metrics", summary="Counts and times of the whole server, for Prometheus")
async def metrics(request: Request, at: At) -> Response:
    """Require a key that sees every assistant, unless `server.public_metrics` is set."""
    if not at.public_metrics and at.policy.scope(await by_key(request, at)) != EVERYTHING:
        raise CallRefused(403, "forbidden", "Metrics cover all assistants; this key is for one.")
    return Response(at.metrics(), media_type=TYPE)
