"""The live calls of this process: the parent of their tasks, and who ends them when we leave."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from .line import Line

log = logging.getLogger("vivavoce.hub")

SERVICE_RESTART = 1012
TAKEN_OVER = 4000
LEAVE_WITHIN_S = 5.0


@dataclass(slots=True)
class LiveCall:
    id: str
    conversation_id: str
    assistant: str
    subject: str | None
    line: Line
    over: asyncio.Event = field(default_factory=asyncio.Event)


class Hub:
    """Every call's task belongs to it. One call's bug is logged and ends that call alone."""

    def __init__(self) -> None:
        self._calls: dict[str, LiveCall] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.leaving = False

    def __len__(self) -> int:
        return len(self._calls)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self.leave()

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(self._guard(work, name), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guard(self, work: Coroutine[Any, Any, None], name: str) -> None:
        try:
            await work
        except Exception:  # the last line of defence: other calls go on
            log.exception("call_failed", extra={"call": name})

    def add(self, call: LiveCall) -> None:
        self._calls[call.id] = call

    def remove(self, call: LiveCall) -> None:
        self._calls.pop(call.id, None)
        call.over.set()

    def get(self, call_id: str) -> LiveCall | None:
        return self._calls.get(call_id)

    def with_assistant(self, name: str) -> int:
        return sum(call.assistant == name for call in self._calls.values())

    async def take_over(self, conversation_id: str) -> None:
        """Whoever was still in this conversation leaves it: two would write two stories."""
        for call in list(self._calls.values()):
            if call.conversation_id == conversation_id:
                call.line.hang_up(TAKEN_OVER, "conversation_continued_elsewhere")
                async with asyncio.timeout(LEAVE_WITHIN_S):
                    await call.over.wait()

    async def leave(self) -> None:
        """End all calls with 1012, and wait for them; those that do not end are cancelled."""
        self.leaving = True
        for call in list(self._calls.values()):
            call.line.hang_up(SERVICE_RESTART, "service restart")
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=LEAVE_WITHIN_S)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
