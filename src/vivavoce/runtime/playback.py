"""Plays audio to one client in real time, because this client does not pace it by itself.

    play ─► [ item_1 | item_2 ] ─► connection.write, 20 ms at a time, at absolute deadlines
                                └─► report(item, ms): after each packet

A deadline is computed from the deadline before it, so the clocks of both sides do not drift apart.
A user may interrupt at any time, and the item is truncated to the last report. So a report follows
each packet: in an item that is truncated, at most 20 ms that were heard are missing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from ..audio.pcm import BYTES_PER_MS
from .outbox import LIMIT, Connection

PACKET_MS = 20
CATCH_UP_S = 0.2  # a loop that was busy for longer goes on from now, instead of playing faster
POSITIONS = 64  # items whose position is known; more items are never played at a time
_PACKET = PACKET_MS * BYTES_PER_MS


@dataclass(slots=True)
class _Queued:
    item_id: str
    pcm: bytearray = field(default_factory=bytearray)  # that is not written yet

    def __len__(self) -> int:
        return len(self.pcm)

    def take(self) -> bytes:
        packet = bytes(self.pcm[:_PACKET])
        del self.pcm[:_PACKET]  # Python moves the start and copies nothing
        return packet


class Playback:
    """The audio that waits to be played to one client.

    `on_change` is called after `full` or `deadline` may have changed.
    """

    def __init__(
        self,
        connection: Connection,
        report: Callable[[str, int], None],
        on_change: Callable[[], None],
        *,
        limit: int = LIMIT,
        timeout_s: float,
    ) -> None:
        """`limit`: bytes of PCM that may wait before the engines wait too."""
        self._loop = asyncio.get_running_loop()
        self._connection = connection
        self._report = report
        self._on_change = on_change
        self._limit = limit
        self._timeout_s = timeout_s
        self._queue: deque[_Queued] = deque()
        self._bytes = 0
        self._positions: dict[str, int] = {}  # bytes of each item that were played
        self._playing: tuple[str, int] | None = None  # the packet that is heard now: item, bytes
        self._due = 0.0  # when the packet that is heard now ends
        self._timer: asyncio.TimerHandle | None = None
        self._held_since: float | None = None  # when the connection became full
        self._closed = False

    @property
    def full(self) -> bool:
        return self._bytes >= self._limit

    def deadline(self) -> float | None:
        """Return when a client that does not read must be closed, or None."""
        return None if self._held_since is None else self._held_since + self._timeout_s

    def play(self, item_id: str, pcm: bytes) -> None:
        if self._closed:
            return
        queued = next((each for each in self._queue if each.item_id == item_id), None)
        if queued is None:
            self._queue.append(queued := _Queued(item_id))
        queued.pcm += pcm
        self._bytes += len(pcm)
        if self._playing is None and self._held_since is None:
            self._begin()

    def _begin(self) -> None:
        """Start at once, or 20 ms later if the engine has made less than one packet."""
        self._due = self._loop.time()
        if self._bytes >= _PACKET:
            self._stop_timer()
            self._step()
        elif self._timer is None:
            self._timer = self._loop.call_later(PACKET_MS / 1000, self._on_time)

    def drop(self, item_id: str) -> None:
        """Drop what waits of this item, and report how far it was played."""
        self._queue = deque(each for each in self._queue if each.item_id != item_id)
        self._bytes = sum(map(len, self._queue))
        if item_id in self._positions:
            self._report_position(item_id)

    def resume(self) -> None:
        """Go on after the connection was full, if there is room again."""
        if self._held_since is not None and not self._connection.full and not self._closed:
            self._held_since = None
            self._due = self._loop.time()
            self._step()

    def stop(self) -> None:
        """Drop everything. Nothing is played or reported any more."""
        self._closed = True
        self._queue.clear()
        self._bytes = 0
        self._playing = self._held_since = None
        self._stop_timer()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_time(self) -> None:
        self._timer = None
        if self._playing is None:  # the first packet is still short
            self._due = self._loop.time()
        self._packet_ended()
        if self._playing is None and not self._closed:  # the report may have begun or ended both
            self._step()

    def _step(self) -> None:
        """Write the next packet, and come back when it has been played."""
        was_full = self.full
        if self._queue and self._connection.full:
            self._held_since = self._loop.time()
            self._on_change()
            return
        while self._queue and not self._queue[0]:
            self._queue.popleft()
        if not self._queue:
            return
        queued = self._queue[0]
        packet = queued.take()
        self._bytes -= len(packet)
        self._playing = queued.item_id, len(packet)
        self._note(queued.item_id, 0)
        now = self._loop.time()
        self._due = (now if now - self._due > CATCH_UP_S else self._due) + PACKET_MS / 1000
        self._timer = self._loop.call_at(self._due, self._on_time)
        self._connection.write(packet.ljust(_PACKET, b"\0"))
        if was_full and not self.full:
            self._on_change()

    def _packet_ended(self) -> None:
        if self._playing is not None:
            (item_id, size), self._playing = self._playing, None
            self._note(item_id, size)
            self._report_position(item_id)

    def _note(self, item_id: str, size: int) -> None:
        position = self._positions.pop(item_id, 0) + size
        self._positions[item_id] = position
        if len(self._positions) > POSITIONS:
            del self._positions[next(iter(self._positions))]

    def _report_position(self, item_id: str) -> None:
        """Report the position. A started millisecond counts, as in what was sent (`UsageMeter`)."""
        self._report(item_id, -(-self._positions[item_id] // BYTES_PER_MS))
