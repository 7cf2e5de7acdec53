"""Pass on what a running tool reports, says and asks of its call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from ..protocol.surrogates import whole_text
from .base import ToolContext

PROGRESS_CHARACTERS = 300


class Reporting:
    """Passes on what a tool reports and says while it runs, in short and valid text."""

    def __init__(self, context: ToolContext) -> None:
        self.over = False
        self._outer = context
        self.context = replace(context, report=self._report, speak=self._say, close=self._hang_up)

    async def _report(self, text: str) -> None:
        await self._pass(text, self._outer.report)

    async def _say(self, text: str) -> None:
        await self._pass(text, self._outer.speak)

    async def _pass(self, text: str, on: Callable[[str], Awaitable[None]]) -> None:
        if not self.over and isinstance(text, str):
            await on(whole_text(text[:PROGRESS_CHARACTERS]))
        await asyncio.sleep(0)  # a tool that reports in a loop lets others run

    async def _hang_up(self) -> None:
        if not self.over:
            await self._outer.close()
