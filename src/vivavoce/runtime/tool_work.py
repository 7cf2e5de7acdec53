"""Performs the effects that need tools: calls of the server's tools, and lists of MCP servers.

`EngineWork` and `UpstreamWork` both use it. Calls run beside each other, at most `AT_ONCE` of one
call. They end with the call.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import replace
from typing import Any, Protocol, assert_never

import msgspec

from ..bounded_work import LateError, within
from ..core import effects as do
from ..core.inputs import (
    ListResult,
    ListToolsFailed,
    McpResult,
    McpToolReturned,
    ToolHangsUp,
    ToolProgress,
    ToolReport,
    ToolReturned,
    ToolSays,
    ToolsListed,
)
from ..engines import boundary
from ..engines.boundary import contained
from ..errors import EngineError
from ..failures import describe
from ..protocol.items import McpListedTool, McpToolError
from ..tools.base import McpOutcome, McpServers, ToolContext, ToolRequest, ToolResult
from ..tools.results import failed
from ..tools.runners import NO_TOOLS, TIMEOUT_S

log = logging.getLogger(__name__)

AT_ONCE = 8  # tool calls of one call that run at the same time
WAITING = 64  # that run or wait; others fail at once
LISTED_TOOLS = 512  # of one MCP server
LISTED_BYTES = 256 * 1024  # of them, as JSON


class CallsTools(Protocol):
    """Runs tools by name: `ToolRunners`, or `RecordedTools` around them."""

    async def call(self, request: ToolRequest, context: ToolContext) -> ToolResult: ...


class ToolWork:
    """The tool calls of one call."""

    def __init__(
        self,
        runners: CallsTools = NO_TOOLS,
        context: ToolContext | None = None,
        *,
        mcp_servers: McpServers | None = None,
    ) -> None:
        """`mcp_servers` asks those that the session names. None: `ListTools` fails."""
        self._runners = runners
        self._context = context or ToolContext()
        self._mcp_servers = mcp_servers
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._mcp_slots = asyncio.Semaphore(AT_ONCE)  # slow ones delay no tool of the server
        self._running: set[asyncio.Task[None]] = set()
        self._calls: dict[str, asyncio.Task[None]] = {}  # by the id of the tool call
        self._interrupted: set[str] = set()  # ids of calls that the user interrupted
        self._tasks: asyncio.TaskGroup
        self._report: Callable[[ToolReport], None]

    def begin(self, tasks: asyncio.TaskGroup, report: Callable[[ToolReport], None]) -> None:
        """`report` takes what running tools say at once; it must not wait."""
        self._tasks = tasks
        self._report = report

    def perform(
        self, effect: do.ToolEffect, put: Callable[[ToolReturned], Awaitable[None]]
    ) -> None:
        """Perform an effect of a machine. `put` takes the results of tools."""
        match effect:
            case do.CallTool():
                self.call(effect, put)
            case do.CancelTool(tool_call_id=call_id):
                self._interrupt(call_id)
            case do.ReportToolRounds():
                log.warning("tool_rounds_exceeded", extra={"call": self._context.call_id})
            case _:
                assert_never(effect)

    def change_context(self, *, role: str, language: str, variables: Mapping[str, object]) -> None:
        """Tell the tool calls that begin from now on another role, language and variables."""
        self._context = replace(self._context, role=role, language=language, variables=variables)

    def call(self, effect: do.CallTool, put: Callable[[ToolReturned], Awaitable[None]]) -> None:
        """Start a tool call. `put` takes its result."""
        full = len(self._running) >= WAITING
        call_id = effect.call.call_id
        task = self._calls[call_id] = self._start(self._call(effect, put, full=full))
        task.add_done_callback(lambda _: self._calls.pop(call_id, None))

    def _interrupt(self, call_id: str) -> None:
        """Cancel a tool. Its result tells the model that the user interrupted."""
        if (task := self._calls.get(call_id)) and call_id not in self._interrupted:
            self._interrupted.add(call_id)
            task.cancel()

    def perform_mcp(
        self, effect: do.McpEffect, put: Callable[[McpResult], Awaitable[None]]
    ) -> None:
        """Perform an effect about an MCP server of the session. `put` takes the result."""
        match effect:
            case do.ListTools():
                self.list_tools(effect, put)
            case do.CallMcpTool(item_id=item_id):
                full = len(self._running) >= WAITING
                task = self._calls[item_id] = self._start(self._call_mcp(effect, put, full=full))
                task.add_done_callback(lambda _: self._calls.pop(item_id, None))
            case do.CancelMcpTool(item_id=item_id):
                if called := self._calls.get(item_id):
                    called.cancel()

    def list_tools(
        self, effect: do.ListTools, put: Callable[[ListResult], Awaitable[None]]
    ) -> None:
        """Start listing the tools of an MCP server. `put` takes the result."""
        self._start(self._list(effect, put))

    def end(self) -> None:
        """Cancel everything, because the call is over."""
        for task in self._running:
            task.cancel()
        self._running.clear()

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._tasks.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    @property
    def _over(self) -> bool:
        """True if this task was cancelled because the call is over, and went on all the same."""
        return asyncio.current_task() not in self._running

    async def _call(
        self, effect: do.CallTool, put: Callable[[ToolReturned], Awaitable[None]], *, full: bool
    ) -> None:
        call = effect.call
        boundary.name(call=self._context.call_id, tool_call=call.call_id)
        if full:
            result = failed(f"More than {WAITING} tool calls at once are not possible.")
        else:
            result = await self._interruptible(ToolRequest(call.call_id, call.name, call.arguments))
        if not self._over:
            await put(ToolReturned(call.call_id, result.output, result.failed))

    async def _interruptible(self, request: ToolRequest) -> ToolResult:
        try:
            async with self._slots:
                return await self._run(request)
        except asyncio.CancelledError:
            if self._over or request.tool_call_id not in self._interrupted:
                raise
            return failed("The user interrupted, so the tool was cancelled.")
        finally:
            self._interrupted.discard(request.tool_call_id)

    async def _run(self, request: ToolRequest) -> ToolResult:
        call_id = request.tool_call_id

        async def report(text: str) -> None:
            self._report(ToolProgress(call_id, text))

        async def say(text: str) -> None:
            self._report(ToolSays(call_id, text))

        async def hang_up() -> None:
            self._report(ToolHangsUp(call_id))

        context = replace(self._context, report=report, speak=say, close=hang_up)
        return await self._runners.call(request, context)

    async def _call_mcp(
        self, effect: do.CallMcpTool, put: Callable[[McpResult], Awaitable[None]], *, full: bool
    ) -> None:
        boundary.name(call=self._context.call_id, item=effect.item_id)
        if full:
            message = f"More than {WAITING} tool calls at once are not possible."
            outcome = McpOutcome(error=McpToolError(message=message))
        else:
            async with self._mcp_slots:
                outcome = await self._outcome(effect)
        if not self._over:
            await put(McpToolReturned(effect.item_id, outcome.output, outcome.error))

    async def _outcome(self, effect: do.CallMcpTool) -> McpOutcome:
        if self._mcp_servers is None:
            return McpOutcome(error=McpToolError(message="No MCP server can be asked."))
        about = {"call": self._context.call_id, "item": effect.item_id}
        asking = self._mcp_servers.call_tool(
            effect.server, effect.name, effect.arguments, self._context
        )
        try:
            return await within(TIMEOUT_S, asking, about)
        except LateError:
            message = f"The tool did not answer within {TIMEOUT_S:g} s. It may have done its work."
            return McpOutcome(error=McpToolError(message=message))
        except Exception as error:  # code of any package may run here
            log.error("mcp_call_failed", extra=about | describe(error))
            return McpOutcome(error=McpToolError(message="The tool failed."))

    async def _list(
        self, effect: do.ListTools, put: Callable[[ListResult], Awaitable[None]]
    ) -> None:
        boundary.name(call=self._context.call_id, item=effect.item_id)
        result: ListResult
        try:
            async with self._mcp_slots:
                with contained("MCP server"):
                    result = ToolsListed(effect.item_id, await self._listed(effect))
        except EngineError:
            result = ListToolsFailed(effect.item_id)
        if not self._over:
            await put(result)

    async def _listed(self, effect: do.ListTools) -> tuple[McpListedTool, ...]:
        if self._mcp_servers is None:
            raise EngineError("no MCP server can be asked")
        about = {"call": self._context.call_id, "item": effect.item_id}
        asking = self._mcp_servers.list_tools(effect.server, self._context)
        listed = await within(TIMEOUT_S, asking, about)
        valid = isinstance(listed, tuple) and all(isinstance(t, McpListedTool) for t in listed)
        if not valid or len(listed) > LISTED_TOOLS:
            raise TypeError("a tuple of listed tools expected")
        data = msgspec.json.encode(listed)  # also refuses what no socket can carry
        if len(data) > LISTED_BYTES:
            raise ValueError("the list of tools is too large")
        return msgspec.json.decode(data, type=tuple[McpListedTool, ...])
