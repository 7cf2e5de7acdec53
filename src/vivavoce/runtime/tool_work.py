"""Performs the effects that need tools: calls of the server's tools, and lists of MCP servers.

`EngineWork` and `UpstreamWork` both use it. Calls run beside each other, at most `AT_ONCE` of one
call. They end with the call.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Any

import msgspec

from ..bounded_work import within
from ..core import effects as do
from ..core.inputs import ListResult, ListToolsFailed, ToolProgress, ToolReturned, ToolsListed
from ..engines import boundary
from ..engines.boundary import contained
from ..errors import EngineError
from ..protocol.items import McpListedTool
from ..tools.base import McpToolLister, ToolContext, ToolRequest, ToolResult
from ..tools.runners import NO_TOOLS, TIMEOUT_S, ToolRunners, failed

log = logging.getLogger(__name__)

AT_ONCE = 8  # tool calls of one call that run at the same time
WAITING = 64  # that run or wait; others fail at once
LISTED_TOOLS = 512  # of one MCP server
LISTED_BYTES = 256 * 1024  # of them, as JSON


class ToolWork:
    """The tool calls of one call."""

    def __init__(
        self,
        runners: ToolRunners = NO_TOOLS,
        context: ToolContext | None = None,
        *,
        lister: McpToolLister | None = None,
    ) -> None:
        """`lister` lists the tools of MCP servers. None: `ListTools` fails."""
        self._runners = runners
        self._context = context or ToolContext()
        self._lister = lister
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._running: set[asyncio.Task[None]] = set()
        self._tasks: asyncio.TaskGroup
        self._progress: Callable[[ToolProgress], None]

    def begin(self, tasks: asyncio.TaskGroup, progress: Callable[[ToolProgress], None]) -> None:
        """`progress` takes reports at once; it must not wait."""
        self._tasks = tasks
        self._progress = progress

    def call(self, effect: do.CallTool, put: Callable[[ToolReturned], Awaitable[None]]) -> None:
        """Start a tool call. `put` takes its result."""
        full = len(self._running) >= WAITING
        self._start(self._call(effect, put, full=full))

    def report_rounds(self) -> None:
        """Log that the model called tools in more responses in a row than the limit allows."""
        log.warning("tool_rounds_exceeded", extra={"call": self._context.call_id})

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

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._tasks.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

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
            async with self._slots:
                result = await self._run(ToolRequest(call.call_id, call.name, call.arguments))
        if not self._over:
            await put(ToolReturned(call.call_id, result.output, result.failed))

    async def _run(self, request: ToolRequest) -> ToolResult:
        async def report(text: str) -> None:
            self._progress(ToolProgress(request.tool_call_id, text))

        return await self._runners.call(request, replace(self._context, report=report))

    async def _list(
        self, effect: do.ListTools, put: Callable[[ListResult], Awaitable[None]]
    ) -> None:
        boundary.name(call=self._context.call_id, item=effect.item_id)
        result: ListResult
        try:
            with contained("MCP server"):
                result = ToolsListed(effect.item_id, await self._listed(effect))
        except EngineError:
            result = ListToolsFailed(effect.item_id)
        if not self._over:
            await put(result)

    async def _listed(self, effect: do.ListTools) -> tuple[McpListedTool, ...]:
        if self._lister is None:
            raise EngineError("no MCP server can be asked")
        about = {"call": self._context.call_id, "item": effect.item_id}
        asking = self._lister.list_tools(effect.server, self._context)
        listed = await within(TIMEOUT_S, asking, about)
        valid = isinstance(listed, tuple) and all(isinstance(t, McpListedTool) for t in listed)
        if not valid or len(listed) > LISTED_TOOLS:
            raise TypeError("a tuple of listed tools expected")
        data = msgspec.json.encode(listed)  # also refuses what no socket can carry
        if len(data) > LISTED_BYTES:
            raise ValueError("the list of tools is too large")
        return msgspec.json.decode(data, type=tuple[McpListedTool, ...])
