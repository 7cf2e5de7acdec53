"""One WebSocket, as server or client: the transport of a call's driver, on picows.

picows delivers frames, not messages: `Socket` joins fragments, up to a size. picows has no
backpressure: `full` says that the kernel accepts no more bytes, and `pause_reading` stops the peer.
picows does not limit the work per loop iteration. So messages of one read that exceed a share of
time wait for the next iteration, and the socket is not read until then.
Closing waits for the peer's CLOSE frame. A TCP connection that is closed with unread bytes is
reset, and the peer might never see our last messages.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from time import monotonic
from typing import Protocol, cast

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from ..core.types import Frame
from ..protocol.close_codes import CloseCode
from .control_frames import ControlFrames
from .discarding import DiscardingProtocol
from .graceful_close import CLOSE_WITHIN_S

SLOW_PEER_TIMEOUT_S = 10.0  # for a peer that does not read while a control frame waits
RECEIVE_BUFFER = 128 * 1024  # bytes of one read; picows never shrinks its own buffer
LONGEST_REASON = 123  # bytes, RFC 6455 §5.5.1
LARGEST_CODE = 4999  # RFC 6455 §7.4.2
HEADER = 14  # bytes, the longest that a frame can have
SHARE_S = 0.005  # of a loop iteration, for the messages of one read
LOOK_EVERY = 8  # messages between two looks at the clock
# A read is a flood if it brings more empty frames, or more messages, than this. Python needs a
# microsecond or more for each, and picows hands over all frames of a read. So later reads of that
# peer are small.
EMPTY, SMALL = 64, 4096
FLOOD_BUFFER = 8 * 1024

# picows copies a message of at most this many bytes behind its header. It passes a longer one to
# the event loop without a copy, together with a view of its own header buffer. While the socket is
# full the event loop keeps both, and their content may change.
COPIED = 8192

_TEXT = WSMsgType.TEXT
_CONTINUATION, _CLOSE = WSMsgType.CONTINUATION, WSMsgType.CLOSE
_PING, _PONG = WSMsgType.PING, WSMsgType.PONG

# Reasons why a socket is not read: the driver paused it, messages are held, an answer waits
_DRIVER, _HELD, _ANSWERED = 1, 2, 4


class FrameReceiver(Protocol):
    """The owner of a socket, called by it. A frame is valid only until `frame` returns."""

    def frame(self, data: Frame) -> None: ...

    def writable(self) -> None: ...

    def lost(self, code: int, reason: str) -> None: ...


class Socket(WSListener):
    """A socket without a receiver stops reading at the first frame, until `join`."""

    def __init__(self, largest: int, timeout_s: float = SLOW_PEER_TIMEOUT_S) -> None:
        """`largest`: bytes of a message. `timeout_s`: see `SLOW_PEER_TIMEOUT_S`."""
        self.full = False
        self.receiver: FrameReceiver | None = None
        self._largest = largest
        self._wire: WSTransport | None = None
        self._control = ControlFrames(timeout_s, self._too_slow)
        self._parts: bytearray | None = None
        self._held: deque[tuple[WSMsgType, bool, bytes]] = deque()  # kind, `fin` and payload
        self._farewell = False  # True: the peer sent CLOSE, which follows the held messages
        self._next_turn: asyncio.Handle | None = None
        self._direct = False  # True: a message goes straight to the receiver
        self._messages = 0  # in the current read
        self._empty = 0  # frames without content, in the current read
        self._flooded = False
        self._share_ends = 0.0
        self._unread = 0  # the reasons why this socket is not read, as bits
        self._code: int = CloseCode.ABNORMAL
        self._reason = ""
        self._closing: asyncio.TimerHandle | None = None
        self._ended = False
        self._unread_until_joined = False  # True: not read until `join`
        self._told = False  # True: the receiver's `lost` was called

    # Called by the driver

    def join(self, receiver: FrameReceiver) -> None:
        """Set the receiver, and deliver the messages that arrived before."""
        self.receiver = receiver
        self._unread_until_joined = False
        self._take_held()

    def leave_unread(self) -> None:
        """Read nothing until `join` or `close`. The kernels keep what the peer sends.

        The receive buffer keeps its size: TCP never recovers from a window that was small once.
        """
        self._unread_until_joined = True
        self._stop_reading(_HELD)

    def write(self, data: Frame) -> None:
        """Send a message. The caller may reuse `data` at once: bytes that wait are copied."""
        if self._wire is None or self._closing is not None:
            return
        if len(data) <= COPIED:
            self._wire.send(_TEXT, data)
        else:
            whole = bytearray(HEADER) + data
            self._wire.send_reuse_external_bytearray(_TEXT, whole, HEADER)

    def pause_reading(self) -> None:
        self._stop_reading(_DRIVER)
        self._look_at_path()

    def resume_reading(self) -> None:
        self._read_again(_DRIVER)
        self._look_at_path()
        if self._held and self.receiver is not None and self._next_turn is None:
            self._next_turn = asyncio.get_running_loop().call_soon(self._take_held)

    def close(self, code: int, reason: str) -> None:
        if self._wire is None or self._ended or self._closing is not None:
            return
        self._code, self._reason = code, reason
        self._wire.send_close(cast("WSCloseCode", code), _cut(reason))
        self._leave(self._wire)
        self._read_again(self._unread)  # to see the peer's CLOSE frame; other frames are dropped

    def abort(self) -> None:
        """Close the connection without waiting for the peer's CLOSE frame."""
        if self._wire is not None and not self._ended:
            self._wire.disconnect(False)

    # Called by picows

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._wire = transport
        self._control.open(transport)
        self._bound_reads(RECEIVE_BUFFER)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if frame.rsv1 or frame.rsv2 or frame.rsv3:  # belong to extensions, and there are none
            self.close(CloseCode.PROTOCOL_ERROR, "reserved bit")
        elif kind is _TEXT and frame.fin and self._direct:
            if frame.last_in_buffer:
                self._messages = self._empty = 0
            elif self._share_is_used():
                self._hold(kind, frame)
                return
            self.receiver.frame(frame.get_payload_as_memoryview())  # type: ignore[union-attr]
        elif self._closing is not None or self._farewell:
            self._count_empty(frame)
            if kind is _CLOSE:
                transport.disconnect()
        elif kind is _PING:
            self._count_empty(frame)
            if not self._control.answer(frame.get_payload_as_bytes()):
                self._stop_reading(_ANSWERED)
        elif kind is _CLOSE:
            self._code, self._reason = _goodbye(frame)  # also if the connection ends before ours
            self._farewell = True
            if not self._held:
                self._closed_by_peer(transport)
        elif kind is _PONG or (kind is _CONTINUATION and not (frame.payload_size or frame.fin)):
            self._count_empty(frame)
        else:
            self._take_or_hold(kind, frame)

    def pause_writing(self) -> None:
        self.full = True
        self._control.block()

    def resume_writing(self) -> None:
        self.full = False
        self._control.unblock()
        self._read_again(_ANSWERED)
        if self.receiver is not None:
            self.receiver.writable()

    def send_user_specific_ping(self, transport: WSTransport) -> None:
        """Send an idle peer a PING. picows limits the time of its answer.

        picows counts from now on, even if the PING waits behind bytes that the peer reads slowly.
        In that case `ControlFrames` measures the time, and picows believes that the PONG arrived.
        """
        if not self._control.ask():
            asyncio.get_running_loop().call_soon(transport.notify_user_specific_pong_received)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._ended = True
        self._control.drop()
        if self._closing is not None:
            self._closing.cancel()
        if not self._held:
            self._tell_lost()
        elif self.receiver is not None and self._next_turn is None:
            self._next_turn = asyncio.get_running_loop().call_soon(self._take_held)

    # Messages

    def _take_or_hold(self, kind: WSMsgType, frame: WSFrame) -> None:
        """Take a fragment, or a message that cannot go straight to the receiver."""
        paused = self._unread & _DRIVER  # picows hands on the rest of a read all the same
        if self.receiver is None or self._held or paused or self._share_is_used():
            self._hold(kind, frame)
        else:
            self._take(kind, bool(frame.fin), frame.get_payload_as_memoryview())
        if frame.last_in_buffer:
            self._messages = self._empty = 0

    def _take(self, kind: WSMsgType, fin: bool, data: Frame) -> None:
        if (kind is _CONTINUATION) is (self._parts is None):
            self.close(CloseCode.PROTOCOL_ERROR, "fragment out of place")
            return
        if fin and self._parts is None:
            assert self.receiver is not None
            self.receiver.frame(data)
            return
        parts = self._parts if self._parts is not None else bytearray()
        parts += data
        if len(parts) > self._largest:
            self.close(CloseCode.MESSAGE_TOO_BIG, "message too big")
            return
        self._parts = None if fin else parts
        self._look_at_path()
        if fin:
            assert self.receiver is not None
            self.receiver.frame(parts)

    def _share_is_used(self) -> bool:
        """Count a message of the current read. True if the read has used its share of time."""
        self._messages += 1
        if self._messages == 1:
            self._share_ends = monotonic() + SHARE_S
        elif self._messages == SMALL:
            self._expect_less()
        return self._messages % LOOK_EVERY == 0 and monotonic() > self._share_ends

    def _count_empty(self, frame: WSFrame) -> None:
        self._empty = 0 if frame.last_in_buffer else self._empty + 1
        if self._empty == EMPTY:
            self._expect_less()

    def _hold(self, kind: WSMsgType, frame: WSFrame) -> None:
        """Keep a frame for the next loop iteration, and stop reading."""
        self._held.append((kind, bool(frame.fin), frame.get_payload_as_bytes()))
        self._direct = False
        self._stop_reading(_HELD)
        if self.receiver is not None and self._next_turn is None:
            self._next_turn = asyncio.get_running_loop().call_soon(self._take_held)

    def _take_held(self) -> None:
        """Take held messages for a share of this iteration. Read again when none is left."""
        self._next_turn = None
        ends = monotonic() + SHARE_S
        try:
            while self._held and self._may_take():
                self._take(*self._held.popleft())
                if monotonic() > ends:
                    break
        except Exception:  # as picows does for an exception in a callback
            self._held.clear()
            self.close(CloseCode.INTERNAL_ERROR, "")
            if self._ended:  # close() has no effect then, so tell the receiver here
                self._tell_lost()
            raise
        if self._held and self._closing is None:
            if self._may_take():
                self._next_turn = asyncio.get_running_loop().call_soon(self._take_held)
            return
        self._held.clear()
        self._look_at_path()
        self._messages = 0
        if self._ended:
            self._tell_lost()
        elif self._farewell and self._closing is None:
            assert self._wire is not None
            self._closed_by_peer(self._wire)
        else:
            self._read_again(_HELD)

    def _may_take(self) -> bool:
        """Return True unless the socket is closing or the driver paused an open connection."""
        return self._closing is None and (self._ended or not self._unread & _DRIVER)

    def _look_at_path(self) -> None:
        told = self.receiver is not None and self._closing is None
        paused = self._unread & _DRIVER
        self._direct = told and not (self._held or paused) and self._parts is None

    # Reading

    def _stop_reading(self, why: int) -> None:
        if self._wire is None or self._ended or self._closing is not None:
            return
        if not self._unread:
            self._wire.underlying_transport.pause_reading()
        self._unread |= why

    def _read_again(self, why: int) -> None:
        if not self._unread:
            return
        self._unread &= ~why
        if not self._unread and self._wire is not None and not self._ended:
            self._wire.underlying_transport.resume_reading()

    def _expect_less(self) -> None:
        """Read at most `FLOOD_BUFFER` bytes at once from this peer."""
        if not self._flooded:
            self._flooded = True
            self._bound_reads(FLOOD_BUFFER)

    def _bound_reads(self, size: int) -> None:
        """Limit the bytes of one read and of the kernel's buffer, which is twice `size`."""
        assert self._wire is not None
        raw = self._wire.underlying_transport.get_extra_info("socket")
        if raw is not None and raw.family in (socket.AF_INET, socket.AF_INET6):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)

    # The end

    def _too_slow(self) -> None:
        self.close(CloseCode.TRY_AGAIN_LATER, "too slow")
        self._tell_lost()  # the CLOSE frame may never reach a peer that does not read

    def _closed_by_peer(self, transport: WSTransport) -> None:
        code = CloseCode.NORMAL if self._code == CloseCode.NO_STATUS else self._code
        transport.send_close(cast("WSCloseCode", code))
        self._leave(transport)
        transport.disconnect()

    def _leave(self, transport: WSTransport) -> None:
        """Send no frame after our CLOSE frame, and drop the frames that still arrive."""
        loop = asyncio.get_running_loop()
        self._closing = loop.call_later(CLOSE_WITHIN_S, transport.disconnect, False)
        raw = transport.underlying_transport
        raw.set_protocol(DiscardingProtocol(raw.get_protocol()))
        self._control.drop()
        self._held.clear()
        self._direct = False

    def _tell_lost(self) -> None:
        if self.receiver is not None and not self._told:
            self._told = True
            self.receiver.lost(self._code, self._reason)


def _goodbye(frame: WSFrame) -> tuple[int, str]:
    """Read code and reason of a CLOSE frame. A code that no frame may carry is a mistake.

    picows refuses other invalid codes by itself.
    """
    code = frame.get_close_code()  # a plain int where picows has no name for it
    number = int(code.value if isinstance(code, WSCloseCode) else code) or CloseCode.NO_STATUS
    if number == CloseCode.ABNORMAL or number > LARGEST_CODE:
        return CloseCode.PROTOCOL_ERROR, "invalid close code"
    return number, (frame.get_close_message() or b"").decode("utf-8", "replace")


def _cut(reason: str) -> bytes:
    return reason.encode()[:LONGEST_REASON].decode("utf-8", "ignore").encode()
