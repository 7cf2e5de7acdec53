"""Serve the variables of an assistant: their values for new calls, and for running ones."""

from __future__ import annotations

from datetime import date
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from ...access import audit
from ...assistants import Assistant
from ...core.types import Caller
from ...runtime.refusals import CallRefused, no_assistant
from ..services import At, ByKey, Services

router = APIRouter(prefix="/api/assistants/{name}/variables", tags=["assistants"])

MAX_VARIABLES = 100  # as an assistant may have

Value = str | int | float | date | None


class VariableInfo(BaseModel):
    type: str = Field(description="`text`, `number`, `date` or `choice`")
    description: str
    choices: list[str] = Field(description="Of a `choice`")
    default: Value = Field(description="The value in `assistant.toml`")
    value: Value = Field(description="The value that new calls have")


class Variables(BaseModel):
    variables: dict[str, VariableInfo]
    changed_calls: list[str] = Field(description="Ids of the running calls that a change reached")


class VariableChanges(BaseModel):
    model_config = {"extra": "forbid"}

    variables: dict[str, Any] = Field(
        description="Values by name. `null` restores the default", max_length=MAX_VARIABLES
    )
    running: bool = Field(False, description="Change running calls too")


@router.get("", summary="The variables of an assistant, with their values for new calls")
async def shown(at: At, caller: ByKey, name: str) -> Variables:
    return await _shown(at, _found(at, caller, name), [])


@router.patch("", summary="Set values for new calls, and for running ones if asked")
async def change(at: At, caller: ByKey, name: str, body: VariableChanges) -> Variables:
    assistant = _found(at, caller, name)
    act = audit.act_on_variables(audit.actor(caller), name, body.variables, at.now())
    await at.variables.change(assistant, body.variables, at.now(), act)
    audit.log_act(act)
    changed = await at.variables.change_running(name) if body.running else []
    return await _shown(at, assistant, changed)


def _found(at: Services, caller: Caller, name: str) -> Assistant:
    found = at.catalogue.get(name)
    if found is None or not at.policy.may_list(caller, name):
        raise no_assistant(name, caller, at.catalogue, at.policy)
    if not at.policy.may_configure(caller, name):
        raise CallRefused(403, "forbidden", "This credential sets no variables.")
    return found


async def _shown(at: Services, assistant: Assistant, changed: list[str]) -> Variables:
    stored = (await at.variables.of(assistant.name)).values
    values = assistant.values(assistant.fitting(stored))
    shown = {
        name: VariableInfo(
            type=variable.type,
            description=variable.description,
            choices=list(variable.choices),
            default=variable.fallback,
            value=values[name],
        )
        for name, variable in assistant.variables.items()
    }
    return Variables(variables=shown, changed_calls=changed)
