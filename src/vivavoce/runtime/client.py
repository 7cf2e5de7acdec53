"""A client that reads and writes events over a message transport, such as a WebSocket."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from ..core.effects import ClientId
from ..core.inputs import Played
from ..core.types import Frame
from ..protocol import codec, server
from ..protocol.frame_limit import fitted
from ..protocol.own_events import OwnEvent
from ..protocol.peek import peek_type
from .client_port import AudioKind, Reader
from .dialects import GA, SILENT, Dialect
from .outbox import Connection, OnFrameWritten, Outbox
from .outgoing_event import OutgoingEvent
from .output_encoder import OutputEncoder, OutputFormats
from .traffic import TrafficCounters

_HEAD = 96  # bytes at the start of a frame that contain its type
_AUDIO_DELTA = b"response.output_audio.delta"
_LATE = (server.TranscriptionCompleted, server.TranscriptionFailed)
_NOT_FOR_SIDEBANDS = (server.AudioDelta, server.SessionCreated)


class ClientDriver(Protocol):
    """The part that a client needs of the driver of its call."""

    def feed(self, event: Played, client_id: ClientId | None = None) -> None: ...

    def detach(self, client_id: ClientId, code: int, reason: str) -> None: ...

    def reconcile(self) -> None: ...


def _nothing() -> None: ...


def _ignore(data: Frame) -> None: ...


def _forward_nothing(data: Frame) -> bool:
    return False


class Client:
    """The `ClientPort` of a client whose audio travels in events.

    The connection calls `frame`, `writable` and `lost`. A sideband gets no audio, and not
    `session.created`, which happened before it attached (protocol §1.11).
    """

    audio: AudioKind = "events"

    def __init__(
        self,
        driver: ClientDriver,
        client_id: ClientId,
        connection: Connection,
        outbox: Outbox,
        reader: Callable[[Client], Reader],
        *,
        sideband: bool = False,
        dialect: Dialect = GA,
        formats: OutputFormats | None = None,
    ) -> None:
        """Create a client. `formats` are the audio formats of the call, which its driver keeps."""
        self.id = client_id
        self.sideband = sideband
        self.dialect = dialect
        self.on_lost: Callable[[], None] = _nothing
        self.connection = connection
        self._driver = driver
        self._outbox = outbox
        self._encoder = OutputEncoder(formats or OutputFormats())
        self._paused = False
        self._after_created: OwnEvent | None = None
        # Both are looked up once per frame of a relayed call, so they are bound here.
        self.forward: Callable[[Frame], bool]
        self.forward = self._forward_without_audio if sideband else outbox.forward
        if dialect is SILENT:
            self.forward = _forward_nothing
        self.reader = reader(self)
        self.frame: Callable[[Frame], None] = self.reader.frame

    @property
    def traffic(self) -> TrafficCounters:
        return self._outbox.traffic

    @property
    def closed(self) -> bool:
        return self._outbox.closed

    @property
    def full(self) -> bool:
        return self._outbox.full

    @property
    def over_high_water(self) -> bool:
        return self._outbox.over_high_water

    # The connection calls these

    def writable(self) -> None:
        self._outbox.flush()
        self._driver.reconcile()

    def lost(self, code: int, reason: str) -> None:
        """End the client, because its connection is gone. `code`: what the peer sent, or 1006."""
        self._outbox.forget()
        self.reader.discard()
        self.on_lost()
        self._driver.detach(self.id, code, reason)

    # The driver calls these

    def send(
        self, event: OutgoingEvent, *, receipt: int = 0, written: OnFrameWritten | None = None
    ) -> bool:
        is_put = self._put(event, receipt, written)
        if self._after_created is not None and isinstance(event.event, server.SessionCreated):
            self.tell(self._after_created)
            self._after_created = None
        return is_put

    def _put(self, event: OutgoingEvent, receipt: int, written: OnFrameWritten | None) -> bool:
        if self.sideband and isinstance(event.event, _NOT_FOR_SIDEBANDS):
            return False
        # An upstream's frame is already in the client's audio format.
        own = None if event.upstream_frame else self._encoder.encode(event.event)
        if own is not None:
            return self._put_own(own, receipt, written)
        if (frame := event.encoded(self.dialect)) is None:
            return False
        # A relay forwards the events of its upstream in their order.
        late = receipt > 0 and event.upstream_frame is None and isinstance(event.event, _LATE)
        self._outbox.put(frame, receipt=receipt, may_be_late=late, written=written)
        return True

    def tell_after_created(self, event: OwnEvent) -> None:
        """Write an event of our own right after `session.created`."""
        self._after_created = event

    def tell(self, event: OwnEvent) -> None:
        """Write an event of our own. The transport tells only clients that asked for them."""
        self._outbox.put(codec.encode(event))

    def _put_own(
        self, events: Sequence[server.ServerEvent], receipt: int, written: OnFrameWritten | None
    ) -> bool:
        """Write events that no other client shares, because they carry its own audio stream."""
        encoded = map(self.dialect.encode, events)
        frames = [fitted(frame) for frame in encoded if frame is not None]
        for frame in frames:
            self._outbox.put(frame, receipt=receipt, written=written)
            written = None  # the first frame stands for all of them
        return bool(frames)

    def play(self, item_id: str, pcm: bytes) -> None:
        raise AssertionError("the audio of this client travels in events")

    def hush(self, item_id: str) -> None:
        """Ignore this: the client has the audio, and drops the rest of the item by itself."""

    def committed(self, number: int) -> None:
        self._outbox.committed(number)

    def deadline(self) -> float | None:
        return self._outbox.deadline()

    def update_backpressure(self) -> None:
        self.reader.resume()
        pause = self._outbox.full or self.reader.is_behind
        if pause != self._paused and not self._outbox.closed:
            self._paused = pause
            (self.connection.pause_reading if pause else self.connection.resume_reading)()

    def stop_reading(self) -> None:
        self.frame = _ignore
        self.reader.discard()

    def close(self, code: int, reason: str) -> None:
        self._outbox.close(code, reason)

    def abort(self, code: int, reason: str, last: OutgoingEvent | None = None) -> None:
        frame = last.encoded(self.dialect) if last else None
        self._outbox.abort(code, reason, frame or b"")

    def _forward_without_audio(self, data: Frame) -> bool:
        """Forward to a sideband. `session.created` is never forwarded unread."""
        return peek_type(data[:_HEAD]) != _AUDIO_DELTA and self._outbox.forward(data)
