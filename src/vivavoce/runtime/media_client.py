"""A client whose audio the server paces: a telephone, a room device, WebRTC.

driver ─► play, hush ─► Playback ─► the connection with the audio
driver ─► send ───────► Client ───► the connection with the events, if there is one
"""

from __future__ import annotations

from ..core.effects import ClientId
from ..core.inputs import Played
from ..core.types import Frame
from ..net.websocket import SLOW_PEER_TIMEOUT_S
from .client import Client, ClientDriver
from .client_port import AudioKind, Reader
from .dialects import Dialect
from .outbox import LIMIT, Connection, OnFrameWritten
from .outgoing_event import OutgoingEvent
from .playback import Playback
from .traffic import TrafficCounters


class MediaClient:
    """The `ClientPort` of a client whose audio travels beside its events.

    The connection with the audio calls `feed_audio`, `writable` and `lost`. If the events have a
    connection of their own, its `close` ends the client, and `close` of the other one is not
    called. A client without a connection for events may still send events by `frame`.
    """

    audio: AudioKind = "media"

    def __init__(
        self,
        driver: ClientDriver,
        events: Client,
        connection: Connection,
        *,
        limit: int = LIMIT,
        timeout_s: float = SLOW_PEER_TIMEOUT_S,
    ) -> None:
        """`limit`: bytes of audio that may wait. `events`: the client that carries the events."""
        self._driver = driver
        self.events = events
        self._own_connection = connection if connection is not events.connection else None
        self._paused = False
        self.playback = Playback(
            connection, self._report, driver.reconcile, limit=limit, timeout_s=timeout_s
        )
        events.on_lost = self.playback.stop

    def _report(self, item_id: str, ms: int) -> None:
        self._driver.feed(Played(item_id, ms), self.id)

    # The connection calls these

    def feed_audio(self, pcm: bytes) -> None:
        """Take audio of the user: PCM16 at 24 kHz."""
        self.reader.audio(pcm)

    def frame(self, data: Frame) -> None:
        """Take one event of the client, as JSON."""
        self.events.frame(data)

    def writable(self) -> None:
        """Go on writing, because the connection has room again."""
        self.playback.resume()
        self.events.writable()

    def lost(self, code: int, reason: str) -> None:
        """End the client, because its connection is gone. `code`: 1000 after a hang-up, or 1006."""
        self.events.lost(code, reason)

    # The driver calls these

    @property
    def id(self) -> ClientId:
        return self.events.id

    @property
    def sideband(self) -> bool:
        return False

    @property
    def dialect(self) -> Dialect:
        return self.events.dialect

    @property
    def reader(self) -> Reader:
        return self.events.reader

    @property
    def traffic(self) -> TrafficCounters:
        return self.events.traffic

    @property
    def closed(self) -> bool:
        return self.events.closed

    @property
    def full(self) -> bool:
        return self.events.full or self.playback.full

    @property
    def over_high_water(self) -> bool:
        return self.events.over_high_water

    def send(
        self, event: OutgoingEvent, *, receipt: int = 0, written: OnFrameWritten | None = None
    ) -> bool:
        return self.events.send(event, receipt=receipt, written=written)

    def forward(self, data: Frame) -> bool:
        return self.events.forward(data)

    def play(self, item_id: str, pcm: bytes) -> None:
        if not self.closed:
            self.playback.play(item_id, pcm)

    def hush(self, item_id: str) -> None:
        if not self.closed:
            self.playback.drop(item_id)

    def committed(self, number: int) -> None:
        self.events.committed(number)

    def deadline(self) -> float | None:
        dues = [due for due in (self.events.deadline(), self.playback.deadline()) if due]
        return min(dues, default=None)

    def update_backpressure(self) -> None:
        """Stop or resume reading. Audio that waits to be played does not stop it: users interrupt.

        A connection with audio of its own is paused as the one with the events is.
        """
        self.events.update_backpressure()
        pause = self.events.full or self.reader.is_behind
        if self._own_connection and pause != self._paused and not self.closed:
            self._paused = pause
            own = self._own_connection
            (own.pause_reading if pause else own.resume_reading)()

    def stop_reading(self) -> None:
        self.events.stop_reading()

    def close(self, code: int, reason: str) -> None:
        self.playback.stop()
        self.events.close(code, reason)

    def abort(self, code: int, reason: str, last: OutgoingEvent | None = None) -> None:
        self.playback.stop()
        self.events.abort(code, reason, last)
