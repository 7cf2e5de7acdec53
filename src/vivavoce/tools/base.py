"""The port of the tools that the server runs itself.

`ToolRunners` stands between a runner and a call: it holds every runner to the rules of the port.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from ..core.types import ToolSpec
from ..protocol.config import McpTool
from ..protocol.items import McpListedTool


@dataclass(frozen=True, slots=True)
class ToolRequest:
    """A tool call that is to be run. `arguments`: a JSON object as text."""

    tool_call_id: str
    name: str
    arguments: str


async def ignore_progress(text: str) -> None:
    """Ignore a report of progress. This is the default of `ToolContext.report`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolContext:
    """The facts about its call that a tool may know.

    `subject` is the user, in the operator's own words. `variables` are those of the assistant, with
    their types. `call_id` is empty while a client secret is minted, before there is a call.
    """

    call_id: str = ""
    conversation_id: str = ""
    assistant: str = ""
    subject: str | None = None
    language: str = "en"
    role: str = ""
    variables: Mapping[str, object] = field(default_factory=dict)
    report: Callable[[str], Awaitable[None]] = ignore_progress

    async def progress(self, text: str) -> None:
        """Report in one sentence the progress of the tool. It never waits for a client."""
        await self.report(text)


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The output of a tool, as the model reads it. `failed`: it says what went wrong."""

    output: str
    failed: bool = False


class ToolRunner(Protocol):
    """Run the tools of one `[[tools]]` table, for all calls of its assistant."""

    def specs(self, context: ToolContext) -> tuple[ToolSpec, ...]:
        """Return the tools that this call may use. This runs on the event loop: never wait here."""

    async def call(self, request: ToolRequest, context: ToolContext) -> ToolResult:
        """Run one tool to its end.

        A failure is a `ToolResult` too, with a text that the model can use. The server cancels
        this task when the call ends or the deadline has passed. Calls may run at the same time.
        """


class McpToolLister(Protocol):
    """List the tools of MCP servers that a session names."""

    async def list_tools(self, server: McpTool, context: ToolContext) -> tuple[McpListedTool, ...]:
        """Return the tools of this server. Raises `EngineError`. It has a deadline, too."""
