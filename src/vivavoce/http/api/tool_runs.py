"""Run a tool of an assistant, and decide about runs that wait for an approval."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Depends, Header, Request
from pydantic import BaseModel, ConfigDict, Field

from ...access import authentication, request_credentials
from ...access.auth_failure import AuthFailure
from ...assistants import Assistant
from ...core.types import Caller
from ...errors import EngineError
from ...runtime.refusals import SERVER, CallRefused, no_assistant
from ...store.tool_runs import ToolRunRow
from ...tools.base import ToolContext, ToolRequest
from ...tools.ledger import ToolOrigin
from ..services import At, ByKey, Services, admitted, by_cookie, by_key

router = APIRouter(prefix="/api", tags=["tools"])


State = Literal["requested", "approved", "started", "done", "failed", "unknown"]


class ToolArguments(BaseModel):
    model_config = ConfigDict(extra="forbid")

    arguments: dict[str, Any] = Field(default_factory=dict)
    user: str | None = Field(None, max_length=200, description="For whom the tool runs")
    role: str | None = None
    language: str | None = None


class ToolRunResult(BaseModel):
    run_id: str
    state: State
    result: str | None = Field(description="As a model reads it")


class ToolRunInfo(BaseModel):
    id: str
    assistant: str
    tool: str
    arguments: str = Field(description="A JSON object")
    arguments_sha256: str
    state: State
    approve: Literal["never", "user", "staff"]
    approved_by: str | None
    call_id: str | None
    item_id: str | None
    tool_call_id: str | None
    user: str | None
    requested_at: datetime
    expires_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    result: str | None


class ToolRunList(BaseModel):
    data: list[ToolRunInfo]


class Decision(BaseModel):
    model_config = ConfigDict(extra="forbid")

    approve: bool
    arguments_sha256: str | None = Field(
        None, description="Of the arguments that the person saw; others are not approved"
    )


@router.post("/tools/{assistant}/{name}", summary="Run one tool with the checks of a model's call")
async def run(
    at: At,
    caller: ByKey,
    assistant: str,
    name: str,
    body: ToolArguments,
    idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
) -> ToolRunResult:
    found = at.catalogue.get(assistant)
    if found is None or not at.policy.may_list(caller, assistant):
        raise no_assistant(assistant, caller, at.catalogue, at.policy)
    context = _context(found, caller, body)
    try:
        runners = await at.tools(found)
        names = {spec.name for spec in runners.specs(context)}
    except EngineError as error:
        raise CallRefused(503, error.code, str(error), type=SERVER) from error
    if name not in names:
        raise CallRefused(404, "tool_not_found", f"There is no tool '{name[:64]}'.")
    arguments = msgspec.json.encode(body.arguments).decode()
    outcome = await at.ledger.run(
        runners,
        ToolRequest("", name, arguments),
        context,
        ToolOrigin(idempotency_key=idempotency_key or None),
    )
    return ToolRunResult(
        run_id=outcome.row.id, state=outcome.row.state, result=outcome.result.output
    )


def _context(assistant: Assistant, caller: Caller, body: ToolArguments) -> ToolContext:
    """Return what the tool may know. Raises `InvalidRequest` for an unknown role."""
    return ToolContext(
        assistant=assistant.name,
        subject=body.user or caller.subject,
        language=assistant.pick_language(body.language),
        role=assistant.pick_role(body.role),
        variables=assistant.values({}),
    )


async def by_any(request: Request, at: At) -> Caller:
    """Return the caller of an API key, a client secret or a cookie."""
    credential = request_credentials.extract_credential(
        authorization=request.headers.get("authorization"), api_key=request.headers.get("api-key")
    )
    if not credential:
        return await by_cookie(request, at)
    found = await authentication.identify(at.store, credential, at.now())
    if isinstance(found, AuthFailure) or found.secret_id is None:
        return await by_key(request, at)
    return admitted(found)


ByAny = Annotated[Caller, Depends(by_any)]


@router.get("/approvals", summary="The runs that wait for an approval of the caller")
async def waiting(at: At, caller: ByAny) -> ToolRunList:
    await at.ledger.drop_deleted(at.store.missing_conversations)
    rows = [row for row in at.ledger.requests if _may_decide(at, caller, row)]
    return ToolRunList(data=[tool_run(row) for row in rows])


@router.get("/approvals/{run_id}", summary="One run that needed an approval, and its result")
async def one(at: At, caller: ByAny, run_id: str) -> ToolRunInfo:
    return tool_run(await _found(at, caller, run_id))


@router.post("/approvals/{run_id}", summary="Approve or reject a run that waits")
async def decide(at: At, caller: ByAny, run_id: str, body: Decision) -> ToolRunInfo:
    row = await _found(at, caller, run_id)
    if body.arguments_sha256 not in (None, row.arguments_sha256):
        raise CallRefused(409, "arguments_changed", "This run has other arguments.")
    decided = await at.ledger.decide(run_id, approve=body.approve, by=_name(caller))
    if decided is None:
        raise CallRefused(409, "approval_not_waiting", "This run does not wait for an approval.")
    return tool_run(decided)


async def _found(at: Services, caller: Caller, run_id: str) -> ToolRunRow:
    row = await at.ledger.records.find(run_id)
    if row is None or row.approve == "never" or not _may_decide(at, caller, row):
        raise CallRefused(404, "approval_not_found", f"There is no approval '{run_id[:60]}'.")
    return row


def _may_decide(at: Services, caller: Caller, row: ToolRunRow) -> bool:
    live = at.registry.get(row.call_id) if row.call_id else None
    in_call = live is not None and caller.secret_id in live.credential_ids
    return at.policy.may_approve(caller, row, needs_staff=row.approve == "staff", in_call=in_call)


def _name(caller: Caller) -> str:
    """Return the id of the credential that decides."""
    return caller.secret_id or caller.sign_in_id or caller.key_id or caller.credential


def tool_run(row: ToolRunRow) -> ToolRunInfo:
    return ToolRunInfo(
        id=row.id,
        assistant=row.assistant,
        tool=row.tool,
        arguments=row.arguments,
        arguments_sha256=row.arguments_sha256,
        state=row.state,
        approve=row.approve,
        approved_by=row.approved_by,
        call_id=row.call_id,
        item_id=row.item_id,
        tool_call_id=row.tool_call_id,
        user=row.subject,
        requested_at=row.requested_at,
        expires_at=row.expires_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        result=row.result,
    )
