"""Helpers for tests with processes and sockets, which cannot use virtual time."""

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
    """Run a coroutine, insist that it ends, and that it leaves no task behind."""

    async def main() -> T:
        async with asyncio.timeout(within_s):
            result = await story
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, f"left running: {left}"
        return result

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(main())
