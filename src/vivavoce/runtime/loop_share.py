"""Share the loop's time between clients, so that one client does not block all others.

One read of a socket brings thousands of small events, and each may be expensive. The server handles
a client's events at once while the client uses less than a tenth of the loop's time. A client that
uses more, or sends a large frame, joins the queue. The client in it that has used least is next.
The server works on the queue for `TURN_S`, or for one event that takes longer, and then leaves it
for as long: half of the loop's time stays free, however many clients are in the queue.

All clients together work for `TICK_S` in one turn of the loop. After that only a client that has
used little for a while is handled at once: a hundred clients, each with little work, would delay
every other one for the sum.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

TURN_S = 0.005  # of work for one client, and it queues
BUSY_S = 0.002  # the same while others queue
TICK_S = 0.01  # of work for all clients in one turn of the loop, without the queue
LIGHT_S = 0.0005  # the same for one client, while the turn of the loop is full
SHARE = 0.1  # of the loop's time: what a client may take without ever queueing
LONGEST_REST_S = 0.1
REMEMBERED_S = 1.0  # the maximum of work: after ten quiet seconds a client starts afresh
LARGE = 64 * 1024  # bytes of a frame that queues before it is read

Exact = Callable[[], float]


class LoopQueue:
    """The queue of all clients that use a large share of the loop's time."""

    def __init__(self, exact: Exact = time.perf_counter) -> None:
        """`exact` is a clock that runs during a callback. uvloop's own clock does not."""
        self.exact = exact
        self._waiting: list[LoopShare] = []  # bounded by the number of clients
        self._due = False
        self._tick_s = 0.0  # of work in this turn of the loop

    @property
    def busy(self) -> bool:
        return bool(self._waiting)

    @property
    def full(self) -> bool:
        """True if all clients together have worked enough in this turn of the loop."""
        return self._tick_s > TICK_S

    def count(self, seconds: float) -> None:
        """Count work of a client, until the loop has turned."""
        if not self._tick_s and seconds:
            asyncio.get_running_loop().call_soon(self._ticked)
        self._tick_s += seconds

    def _ticked(self) -> None:
        self._tick_s = 0.0

    def join(self, share: LoopShare) -> None:
        self._waiting.append(share)
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._work)

    def _work(self) -> None:
        began = self.exact()
        try:
            while self._waiting and self.exact() - began <= TURN_S:
                following = min(self._waiting, key=_level_s)
                self._waiting.remove(following)
                following.turned()
        finally:  # one client's bug; the loop logs it, and all others still need the queue
            self._due = bool(self._waiting)
            if self._due:
                rest_s = min(self.exact() - began, LONGEST_REST_S)
                asyncio.get_running_loop().call_later(rest_s, self._work)


class LoopShare:
    """The loop's time that one client has used."""

    def __init__(self, go_on: Callable[[], None], queue: LoopQueue | None = None) -> None:
        """Create a share. The queue calls `go_on` when it is this client's turn."""
        self.turning = False  # True while the client waits for its turn
        self._go_on = go_on
        self._queue = LoopQueue() if queue is None else queue
        self._exact = self._queue.exact
        self.spent_s = 0.0  # a leaky bucket: it empties at the rate `SHARE`
        self._granted_s = 0.0  # level that the bucket may reach in this turn
        self._at = self._exact()
        self._depth = 0

    @property
    def working(self) -> bool:
        return self._depth > 0

    @property
    def level_s(self) -> float:
        """The level of the bucket now. A client that has done little for a while is at zero."""
        passed_s = self._exact() - self._at
        return max(self.spent_s + (passed_s if self._depth else -passed_s * SHARE), 0.0)

    @property
    def used_up(self) -> bool:
        most_s = LIGHT_S if self._queue.full else BUSY_S if self._queue.busy else TURN_S
        return self.level_s > max(self._granted_s, most_s)

    def __enter__(self) -> None:
        """Begin to measure work. Blocks may be nested."""
        if not self._depth:
            now = self._exact()
            self.spent_s = max(self.spent_s - (now - self._at) * SHARE, 0.0)
            self._at = now
        self._depth += 1

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if not self._depth:
            now = self._exact()
            self.spent_s += now - self._at
            self._queue.count(now - self._at)
            self._at = now

    def turn(self) -> None:
        """Join the queue, and wait for a turn."""
        if not self.turning:
            self.turning = True
            self._queue.join(self)

    def pause(self) -> None:
        """Let the loop turn once, and no more unless the share is used up."""
        if self.used_up:
            self.turn()
        elif not self.turning:
            self.turning = True
            asyncio.get_running_loop().call_soon(self._paused)

    def _paused(self) -> None:
        """Go on after a pause, unless other clients have filled this turn of the loop."""
        if self._queue.full:
            self._queue.join(self)
        else:
            self.turned()

    def turned(self) -> None:
        self.turning = False
        self.spent_s = min(self.spent_s, REMEMBERED_S)
        self._granted_s = self.spent_s + TURN_S
        try:
            self._go_on()
        finally:
            self._granted_s = 0.0


def _level_s(share: LoopShare) -> float:
    return share.level_s


class OneAtATime:
    """Lets tasks that wait at the same place go on one after the other, with a turn in between."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()  # first come, first served

    async def turn(self) -> None:
        """Return in a turn of the loop in which no other task returns from here."""
        async with self._lock:
            await asyncio.sleep(0)
