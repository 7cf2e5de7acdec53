"""Join or reject the same tool call again: models repeat themselves, and so do people.

A call is the same if tool and arguments are. The rule of the tool decides: it gets the
result of the first one (`join`), or an error (`reject`). A failed call may be made again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ..core.types import ToolRules
from .base import ToolContext, ToolRequest, ToolResult, arguments_sha256
from .results import failed

REMEMBERED_S = 60.0  # after the end of a call
REMEMBERED = 1000  # calls of an assistant

_Same = tuple[str, str, str]  # call, tool, hash of the arguments


@dataclass(slots=True)
class _Run:
    result: asyncio.Future[ToolResult]
    ended: float | None = None  # on the loop's clock


class Repeats:
    """The tool calls of one assistant that run, and those of the last minute."""

    def __init__(self) -> None:
        self._runs: dict[_Same, _Run] = {}

    async def run(
        self,
        request: ToolRequest,
        context: ToolContext,
        rules: ToolRules,
        work: Callable[[], Awaitable[ToolResult]],
    ) -> ToolResult:
        """Return the result of `work`, or that of the same call before it."""
        if rules.repeat == "allow" or not context.call_id:
            return await work()
        same = (context.call_id, request.name, arguments_sha256(request.arguments))
        self._forget_old()
        if (earlier := self._runs.get(same)) is None:
            return await self._first(same, work)
        if rules.repeat == "reject":
            state = "is running" if earlier.ended is None else "was made a moment ago"
            return failed(f"The same call {state}. It is not made again.")
        await asyncio.wait([earlier.result])  # the work of another call, which goes on
        if earlier.result.cancelled():
            return failed("The same call was cancelled.")
        return earlier.result.result()

    async def _first(self, same: _Same, work: Callable[[], Awaitable[ToolResult]]) -> ToolResult:
        run = self._runs[same] = _Run(asyncio.get_running_loop().create_future())
        try:
            result = await work()
        except BaseException:
            del self._runs[same]
            run.result.cancel()
            raise
        run.result.set_result(result)
        run.ended = asyncio.get_running_loop().time()
        if result.failed:
            del self._runs[same]
        return result

    def _forget_old(self) -> None:
        now = asyncio.get_running_loop().time()
        ended = [(run.ended, same) for same, run in self._runs.items() if run.ended is not None]
        too_many = len(self._runs) - REMEMBERED
        for index, (at, same) in enumerate(sorted(ended)):
            if now - at >= REMEMBERED_S or index < too_many:
                del self._runs[same]
