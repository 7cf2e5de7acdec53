"""How late the loop is: whoever wants something done at a time, when is it done?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import NoReturn, Protocol

EVERY_S = 0.1  # each costs a process that has nothing else to do 0.3 ms of cold caches


class OnLag(Protocol):
    """Told how late the loop was, when, and for how long that stands."""

    def __call__(self, late_s: float, now: float, for_s: float) -> None: ...


async def watch(
    ran: OnLag, *, every_s: float = EVERY_S, exact: Callable[[], float] = time.monotonic
) -> NoReturn:
    """Ask to be woken again and again, to the end of the process.

    `exact`: the loop's own clock may stand still while the loop is busy.
    """
    clock = asyncio.get_running_loop().time
    while True:
        before = exact()
        await asyncio.sleep(every_s)
        took = exact() - before
        ran(max(0.0, took - every_s), clock(), took)
