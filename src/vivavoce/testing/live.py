"""Run a test with real time, processes and sockets, and find the tasks that it leaves behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def live(
    story: Coroutine[Any, Any, T],
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
    within_s: float = 60.0,
) -> T:
    """Run a coroutine. Fail if it takes longer than `within_s` or leaves a task behind."""

    async def main() -> T:
        async with asyncio.timeout(within_s):
            result = await story
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, f"left running: {left}"
        return result

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(main())
