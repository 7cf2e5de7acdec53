"""The port of the tools that the server runs itself.

`ToolRunners` stands between a runner and a call: it holds every runner to the rules of the port.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from ..core.types import DEFAULT_RULES as DEFAULT_RULES
from ..core.types import ToolRules as ToolRules
from ..core.types import ToolSpec
from ..knowledge.base import KnowledgeUse
from ..protocol.config import McpTool
from ..protocol.items import McpError, McpListedTool


@dataclass(frozen=True, slots=True)
class ToolRequest:
    """A tool call that is to be run. `arguments`: a JSON object as text.

    `idempotency_key`: the same for every attempt at this run. "": there is no ledger.
    """

    tool_call_id: str
    name: str
    arguments: str
    idempotency_key: str = ""


def arguments_sha256(arguments: str) -> str:
    """Return the hash of a JSON object that does not depend on spaces or the order of keys.

    Raises `ValueError` if the text is not JSON.
    """
    same = json.dumps(json.loads(arguments), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(same.encode()).hexdigest()


async def ignore_text(text: str) -> None:
    """Ignore a report of progress, or words for the user: there is no call that takes them."""


def no_image(item_id: str | None) -> str | None:
    """Find no image: there is no conversation."""


def ignore_use(tool_call_id: str, use: KnowledgeUse) -> None:
    """Ignore what a tool has found in the knowledge: no answer is made from it."""


async def ignore_end() -> None:
    """Ignore the wish to end a call: there is none."""


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
    report: Callable[[str], Awaitable[None]] = ignore_text
    speak: Callable[[str], Awaitable[None]] = ignore_text
    close: Callable[[], Awaitable[None]] = ignore_end
    find_image: Callable[[str | None], str | None] = no_image
    note_use: Callable[[str, KnowledgeUse], None] = ignore_use

    def image(self, item_id: str | None = None) -> str | None:
        """Return the data URL of the conversation's newest image, or of an item's."""
        return self.find_image(item_id)

    async def progress(self, text: str) -> None:
        """Report in one sentence the progress of the tool. It never waits for a client."""
        await self.report(text)

    async def say(self, text: str) -> None:
        """Have the assistant say a text in the next silence. It never waits for that."""
        await self.speak(text)

    async def hang_up(self) -> None:
        """End the call, after the result of this tool was answered. It never waits for that."""
        await self.close()


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The output of a tool, as the model reads it. `failed`: it says what went wrong.

    `unknown`: it failed, and it may have done its work.
    """

    output: str
    failed: bool = False
    unknown: bool = False


class ToolRunner(Protocol):
    """Run the tools of one `[[tools]]` table, for all calls of its assistant."""

    def specs(self, context: ToolContext) -> tuple[ToolSpec, ...]:
        """Return the tools that this call may use. This runs on the event loop: never wait here."""

    async def call(self, request: ToolRequest, context: ToolContext) -> ToolResult:
        """Run one tool to its end.

        A failure is a `ToolResult` too, with a text that the model can use. The server cancels
        this task when the call ends or the deadline has passed. Calls may run at the same time.
        """


@runtime_checkable
class RuledToolRunner(ToolRunner, Protocol):
    """A runner whose tools have rules of their own. The others have `DEFAULT_RULES`."""

    def rules(self, name: str) -> ToolRules:
        """Return the rules of one tool that `specs` names. Never wait here."""


@runtime_checkable
class RemoteToolRunner(ToolRunner, Protocol):
    """A runner whose tools another server names. One that has the name of another is left out."""

    async def connected(self, seconds: float) -> None:
        """Wait at most this long for that server. Raises `EngineError` if it cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class McpOutcome:
    """The result of a tool of an MCP server: an output, or an error."""

    output: str | None = None
    error: McpError | None = None


class McpServers(Protocol):
    """Ask the MCP servers that a session names."""

    async def list_tools(self, server: McpTool, context: ToolContext) -> tuple[McpListedTool, ...]:
        """Return the tools of this server. Raises `EngineError`. It has a deadline, too."""

    async def call_tool(
        self, server: McpTool, name: str, arguments: str, context: ToolContext
    ) -> McpOutcome:
        """Call a tool of this server. A failure is an outcome, too. It has a deadline."""
