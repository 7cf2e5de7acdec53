"""The data channel `oai-events` as the connection of a client's events (protocol §1.4).

The client creates the channel. Until it is open the connection is full, so the outbox keeps what
waits, under the same bounds as on a WebSocket.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from ...core.types import Frame
from ...errors import InvalidRequest
from ...protocol import codec, error_body, server
from ...protocol.close_codes import CloseCode
from ...protocol.frame_limit import fitted

if TYPE_CHECKING:
    from aiortc import RTCDataChannel

LABEL = "oai-events"
HIGH_WATER = 256 * 1024  # bytes that aiortc may hold before the outbox waits
LARGEST_MESSAGE = 256 * 1024  # bytes; browsers send and take no more, and aiortc announces it
TOO_LARGE = "message too large"
MOST_HELD = 1024 * 1024  # bytes of messages that arrive while the client is not read


Goodbye = Callable[[int, str], Frame]
"""Makes the last event of a close code and its reason."""


class EventReceiver(Protocol):
    """The client whose events travel on the channel."""

    def frame(self, data: Frame) -> None: ...

    def writable(self) -> None: ...


class EventChannel:
    """A `Connection` whose peer opens it later.

    SCTP cannot be paused. So messages that arrive while the client is not read are held here, and a
    client that sends more than `MOST_HELD` bytes meanwhile is closed. `on_close` ends the peer
    connection.
    """

    def __init__(self, on_close: Callable[[int, str], None]) -> None:
        self._on_close = on_close
        self._channel: RTCDataChannel | None = None
        self._receiver: EventReceiver | None = None
        self._goodbye: Goodbye | None = None
        self._largest = LARGEST_MESSAGE
        self._paused = False
        self._held: deque[bytes] = deque()
        self._held_bytes = 0
        self._closed = False

    def opened(self, channel: RTCDataChannel, largest: int) -> None:
        """Take the channel that the client has opened. `largest`: bytes that the client takes."""
        if self._channel is not None or self._closed or channel.label != LABEL:
            return
        self._channel = channel
        self._largest = min(largest or LARGEST_MESSAGE, LARGEST_MESSAGE)
        channel.bufferedAmountLowThreshold = HIGH_WATER // 2
        channel.on("message", self._received)
        channel.on("bufferedamountlow", self._writable)
        channel.on("close", self._channel_closed)
        self._writable()

    def join(self, receiver: EventReceiver, goodbye: Goodbye | None = None) -> None:
        """Set the client. It gets the messages that arrived before, and `goodbye` as the last."""
        self._receiver = receiver
        self._goodbye = goodbye
        self._deliver()
        self._writable()

    # The driver calls these

    @property
    def full(self) -> bool:
        channel = self._channel
        if channel is None or channel.readyState != "open":
            return True
        return channel.bufferedAmount >= HIGH_WATER

    def write(self, data: Frame) -> None:
        channel = self._channel
        if channel is None or channel.readyState != "open" or self._closed:
            return
        frame = bytes(data)
        if len(frame) > self._largest:
            frame = fitted(frame, self._largest)
        channel.send(frame.decode())  # as text: clients parse no other kind of message

    def say_goodbye(self, code: int, reason: str) -> None:
        """Tell a client that asked for our events why it is closed: there is no close frame."""
        if self._goodbye is not None:
            self.write(self._goodbye(code, reason))

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        self._deliver()

    def close(self, code: int, reason: str) -> None:
        if not self._closed:
            self.say_goodbye(code, reason)
            self._closed = True
            self._held.clear()
            self._on_close(code, reason)

    def refuse_message(self) -> None:
        """Tell the client that its message is too large, and close its connection."""
        message = f"A message on the data channel has at most {LARGEST_MESSAGE} bytes."
        body = error_body.invalid_request(InvalidRequest("message_too_large", message))
        self.write(codec.encode(server.Error(event_id="event_channel", error=body)))
        self.close(CloseCode.MESSAGE_TOO_BIG, TOO_LARGE)

    # The channel calls these

    def _received(self, message: str | bytes) -> None:
        if self._closed:
            return
        frame = message.encode() if isinstance(message, str) else message
        if len(frame) > LARGEST_MESSAGE:
            self.refuse_message()
            return
        self._held.append(frame)
        self._held_bytes += len(frame)
        self._deliver()
        if self._held_bytes > MOST_HELD:
            self.close(CloseCode.TRY_AGAIN_LATER, "too fast")

    def _deliver(self) -> None:
        while self._held and not self._paused and self._receiver is not None and not self._closed:
            frame = self._held.popleft()
            self._held_bytes -= len(frame)
            self._receiver.frame(frame)

    def _writable(self) -> None:
        if self._receiver is not None and not self._closed:
            self._receiver.writable()

    def _channel_closed(self) -> None:
        self.close(CloseCode.NORMAL, "")
