"""A client with media, as WebRTC or a telephone bridge attaches one: paced PCM beside events."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from vivavoce.audio import pcm as audio
from vivavoce.core.effects import ClientId
from vivavoce.core.inputs import Played
from vivavoce.core.types import Frame
from vivavoce.runtime.client import Client, ClientDriver
from vivavoce.runtime.client_port import AudioKind, Reader
from vivavoce.runtime.dialects import Dialect
from vivavoce.runtime.outbox import OnFrameWritten
from vivavoce.runtime.outgoing_event import OutgoingEvent
from vivavoce.runtime.traffic import TrafficCounters

PACKET_MS = 20
REPORT_MS = 100


@dataclass
class Track:
    """The loudspeaker's queue: a packet every 20 ms, and a report every 100 ms of each item."""

    report: Callable[[str, int], None]
    played: list[tuple[float, str, bytes]] = field(default_factory=list)
    _queue: deque[tuple[str, bytes]] = field(default_factory=deque)
    _ms: dict[str, int] = field(default_factory=dict)
    _timer: asyncio.TimerHandle | None = None

    def put(self, item_id: str, pcm: bytes) -> None:
        size = PACKET_MS * audio.BYTES_PER_MS
        self._queue.extend((item_id, pcm[at : at + size]) for at in range(0, len(pcm), size))
        if self._timer is None:
            self._play()

    def drop(self, item_id: str) -> None:
        """Drop what waits of this item, and report how far it was played."""
        self._queue = deque(packet for packet in self._queue if packet[0] != item_id)
        self.report(item_id, self._ms.get(item_id, 0))

    def stop(self) -> None:
        self._queue.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _play(self) -> None:
        self._timer = None
        if not self._queue:
            return
        loop = asyncio.get_running_loop()
        item_id, pcm = self._queue.popleft()
        self.played.append((round(loop.time(), 3), item_id, pcm))
        self._timer = loop.call_later(audio.duration_ms(pcm) / 1000, self._ended, item_id, pcm)

    def _ended(self, item_id: str, pcm: bytes) -> None:
        ms = self._ms[item_id] = self._ms.get(item_id, 0) + audio.duration_ms(pcm)
        ended = not any(waiting == item_id for waiting, _ in self._queue)
        self._play()
        if ended or ms % REPORT_MS == 0:
            self.report(item_id, ms)


class MediaPort:
    """Plays audio by itself. Events go by the client's message channel."""

    audio: AudioKind = "media"

    def __init__(self, driver: ClientDriver, channel: Client) -> None:
        self._driver = driver
        self._channel = channel
        self.track = Track(self._report)
        channel.on_lost = self.track.stop

    def _report(self, item_id: str, ms: int) -> None:
        self._driver.feed(Played(item_id, ms), self.id)

    @property
    def id(self) -> ClientId:
        return self._channel.id

    @property
    def sideband(self) -> bool:
        return self._channel.sideband

    @property
    def dialect(self) -> Dialect:
        return self._channel.dialect

    @property
    def reader(self) -> Reader:
        return self._channel.reader

    @property
    def traffic(self) -> TrafficCounters:
        return self._channel.traffic

    @property
    def closed(self) -> bool:
        return self._channel.closed

    @property
    def full(self) -> bool:
        return self._channel.full

    @property
    def over_high_water(self) -> bool:
        return self._channel.over_high_water

    def send(
        self, event: OutgoingEvent, *, receipt: int = 0, written: OnFrameWritten | None = None
    ) -> bool:
        return self._channel.send(event, receipt=receipt, written=written)

    def forward(self, data: Frame) -> bool:
        return self._channel.forward(data)

    def play(self, item_id: str, pcm: bytes) -> None:
        if not self.closed:
            self.track.put(item_id, pcm)

    def hush(self, item_id: str) -> None:
        if not self.closed:
            self.track.drop(item_id)

    def committed(self, number: int) -> None:
        self._channel.committed(number)

    def deadline(self) -> float | None:
        return self._channel.deadline()

    def update_backpressure(self) -> None:
        self._channel.update_backpressure()

    def stop_reading(self) -> None:
        self._channel.stop_reading()

    def close(self, code: int, reason: str) -> None:
        self.track.stop()
        self._channel.close(code, reason)

    def abort(self, code: int, reason: str, last: OutgoingEvent | None = None) -> None:
        self.track.stop()
        self._channel.abort(code, reason, last)
