"""Count how clients connect. A report holds neither words nor ids."""

from __future__ import annotations

import time

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from ...runtime.connection_reports import CarriedBy, Outcome, label_of
from ..services import At, peer

router = APIRouter(prefix="/api/connections", tags=["health"])

LONGEST_MS = 600_000


class ConnectionReport(BaseModel):
    model_config = ConfigDict(extra="forbid")

    outcome: Outcome
    transport: CarriedBy
    code: str | None = Field(None, max_length=40, description="Why the call did not connect")
    ms: int = Field(ge=0, le=LONGEST_MS, description="From the start of the call to this outcome")


@router.post("", status_code=204, summary="Report an attempt to connect")
async def report(at: At, request: Request, body: ConnectionReport) -> None:
    """Count the report. Beyond the limits it is dropped, and the response is the same."""
    if at.connection_reports.take(peer(request), time.monotonic()):
        code = label_of(body.code)
        at.quality.observe_connection(body.transport, body.outcome, code, body.ms / 1000)
