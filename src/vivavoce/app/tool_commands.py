"""List and run an assistant's tools for the command line, beside a server or without one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..assistants import Assistant
from ..clock import ids, now
from ..core.types import ToolRules, ToolSpec
from ..errors import EngineError
from ..runtime.group_commit import GroupCommitter
from ..store.base import Store
from ..tools.base import ToolContext, ToolRequest
from ..tools.ledger import ToolLedger
from ..tools.runners import ToolRunners
from .adapters import Adapters
from .tool_servers import WITHIN_S

if TYPE_CHECKING:
    from ..config import Settings
    from ..store.tool_runs import ToolRunRow
    from .data_folder import DataFolder


@dataclass(frozen=True, slots=True)
class ListedTool:
    """A tool, and its rules."""

    spec: ToolSpec
    rules: ToolRules


async def list_tools(
    data: DataFolder, settings: Settings, assistant: Assistant, role: str | None = None
) -> list[ListedTool]:
    """Return the tools that the server runs for a role. Raises `EngineError`."""
    async with _opened(data, settings, assistant, role) as (runners, context):
        rules = runners.rules(context)
        return [ListedTool(spec, rules[spec.name]) for spec in runners.specs(context)]


async def run_tool(
    data: DataFolder,
    settings: Settings,
    store: Store,
    assistant: Assistant,
    name: str,
    arguments: str,
    *,
    role: str | None = None,
    approve: Callable[[ToolRunRow], bool],
) -> ToolRunRow:
    """Run one tool, and record it as the server does. Raises `EngineError`.

    `approve` decides about a run that needs an approval.
    """
    async with (
        _opened(data, settings, assistant, role) as (runners, context),
        GroupCommitter(store) as writer,
        ToolLedger(store.tool_runs, writer.submit, make_id=ids(), now=now) as ledger,
    ):
        if name not in {spec.name for spec in runners.specs(context)}:
            raise EngineError(_not_found(runners, context, assistant, name), "tool_not_found")
        outcome = await ledger.run(runners, ToolRequest("", name, arguments), context)
        row = outcome.row
        if row.state == "requested":
            await ledger.decide(row.id, approve=approve(row), by="command line")
            row = await ledger.ended(row.id) or row
        return row


def _not_found(runners: ToolRunners, context: ToolContext, assistant: Assistant, name: str) -> str:
    """Say that a role has no such tool, and which role has it."""
    for role in assistant.roles:
        if name in {spec.name for spec in runners.specs(replace(context, role=role))}:
            return (
                f"{assistant.name} has no tool named {name} for the role {context.role}. "
                f"It is for another role: --role {role}"
            )
    return f"{assistant.name} has no tool named {name}"


@asynccontextmanager
async def _opened(
    data: DataFolder, settings: Settings, assistant: Assistant, role: str | None
) -> AsyncIterator[tuple[ToolRunners, ToolContext]]:
    context = ToolContext(
        assistant=assistant.name,
        language=assistant.fallback_language,
        role=assistant.pick_role(role),
        variables=assistant.values({}),
    )
    async with Adapters(settings, data) as adapters:
        tools = await adapters.tools(assistant)
        await tools.connected(WITHIN_S)  # the log names the servers that cannot be used
        yield tools, context
