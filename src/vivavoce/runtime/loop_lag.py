"""Measures how late the event loop runs its timers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import NoReturn, Protocol

EVERY_S = 0.1  # a wake-up costs an idle process 0.3 ms, because its caches are cold


class OnLag(Protocol):
    """Takes one measurement: the lag, the time, and the seconds that it stands for."""

    def __call__(self, late_s: float, now: float, for_s: float) -> None: ...


async def watch(
    on_lag: OnLag, *, every_s: float = EVERY_S, exact: Callable[[], float] = time.monotonic
) -> NoReturn:
    """Measure the lag every `every_s`, until the process ends.

    `exact` is a clock that runs during a callback. uvloop's own clock does not.
    """
    clock = asyncio.get_running_loop().time
    while True:
        before = exact()
        await asyncio.sleep(every_s)
        took = exact() - before
        on_lag(max(0.0, took - every_s), clock(), took)
