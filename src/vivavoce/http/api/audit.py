"""Serve the audit log: what callers and operators did with credentials and records."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, Field

from ...access.policy import EVERYTHING
from ...runtime.refusals import CallRefused
from ...store.base import AuditRow
from ..services import At, ByKey

router = APIRouter(prefix="/api/audit", tags=["audit"])


class ActInfo(BaseModel):
    id: str
    at: datetime
    actor: str = Field(description="Id of a credential, or `cli:` and a user of the system")
    action: str
    target: str | None = Field(description="Id of what the act changed")
    detail: dict[str, str] = Field(description="`peer`: the address that a request came from")


class Acts(BaseModel):
    data: list[ActInfo]
    has_more: bool
    last_id: str | None


@router.get("", summary="Acts with credentials and records, newest first")
async def listed(
    at: At,
    caller: ByKey,
    actor: str | None = None,
    action: str | None = None,
    since: Annotated[AwareDatetime | None, Query(description="RFC 3339")] = None,
    before: str | None = None,
    limit: int = Query(20, ge=1, le=100),
) -> Acts:
    """Require a key that sees every assistant: acts are about all of them."""
    if at.policy.scope(caller) != EVERYTHING:
        raise CallRefused(403, "forbidden", "Acts cover all assistants; this key is for one.")
    page = await at.store.acts(actor=actor, action=action, since=since, before=before, limit=limit)
    data = [_info(row) for row in page.data]
    return Acts(data=data, has_more=page.has_more, last_id=data[-1].id if data else None)


def _info(row: AuditRow) -> ActInfo:
    return ActInfo(
        id=row.id,
        at=row.at,
        actor=row.actor,
        action=row.action,
        target=row.target,
        detail=row.detail,
    )
