"""How much of the loop's time one client takes before the loop turns for everybody else.

One read of a socket brings thousands of small events, and each may ask for much. Whoever reads a
client works on what it said for `TURN_S`; then the loop turns, other calls are served, and the
reader goes on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

TURN_S = 0.005


class LoopShare:
    def __init__(
        self, go_on: Callable[[], None], exact: Callable[[], float] = time.perf_counter
    ) -> None:
        """`go_on` is called when the loop has turned. `exact`: the loop's own clock may stand
        still while the loop is busy."""
        self.turning = False  # the loop turns, and nothing is worked on until it has
        self._go_on = go_on
        self._exact = exact
        self._began: float | None = None
        self._depth = 0
        self._spent_s = 0.0  # since the loop turned for this client

    @property
    def working(self) -> bool:
        return self._began is not None

    @property
    def used_up(self) -> bool:
        now = self._exact()
        return self._spent_s + now - (now if self._began is None else self._began) > TURN_S

    def __enter__(self) -> None:
        """Work begins, perhaps inside of other work."""
        self._depth += 1
        if self._began is None:
            self._began = self._exact()

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if self._began is not None and not self._depth:
            self._spent_s += self._exact() - self._began
            self._began = None

    def turn(self) -> None:
        """Let the loop turn, then go on."""
        if not self.turning:
            self.turning = True
            asyncio.get_running_loop().call_soon(self._turned)

    def _turned(self) -> None:
        self.turning, self._spent_s = False, 0.0
        self._go_on()
