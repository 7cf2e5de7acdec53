"""One WebSocket, from either end, as callbacks: what a line needs of a transport, on picows.

picows delivers frames, not messages: fragments are joined here, up to a size. It has no
backpressure of its own: `full` says that the kernel takes no more, `pause_reading` passes that on.
Closing waits for the peer's answer, because closing a TCP connection that still has unread bytes
resets it, and the peer may then never see our last words.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Protocol, cast

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

Frame = bytes | bytearray | memoryview

CLOSE_WITHIN_S = 5.0
RECEIVE_BUFFER = 128 * 1024  # what one read can bring in; picows never shrinks its own buffer
LONGEST_REASON = 123  # bytes, RFC 6455 §5.5.1
NO_CODE, LOST = 1005, 1006
HEADER = 14  # bytes, the longest that a frame can have

# Up to so many bytes picows copies a message behind its header. A longer one it would pass on to
# the event loop as it is, together with a view of its own header: a socket that is full keeps both
# until it takes more, and by then they hold something else.
COPIED = 8192

_TEXT, _BINARY = WSMsgType.TEXT, WSMsgType.BINARY
_CONTINUATION, _CLOSE = WSMsgType.CONTINUATION, WSMsgType.CLOSE


class Far(Protocol):
    """Who is told what happens on this socket. A frame is valid only until `frame` returns."""

    def frame(self, data: Frame) -> None: ...

    def writable(self) -> None: ...

    def lost(self, code: int, reason: str) -> None: ...


class Socket(WSListener):
    """Give it a `far` before the first frame comes, or it waits for one with reading paused."""

    def __init__(self, largest: int) -> None:
        self.full = False
        self.far: Far | None = None
        self._largest = largest
        self._wire: WSTransport | None = None
        self._parts: bytearray | None = None
        self._early: list[bytes] = []
        self._code, self._reason = LOST, ""
        self._closing: asyncio.TimerHandle | None = None
        self._ended = False

    # What a line calls

    def join(self, far: Far) -> None:
        """From now on `far` is told; first what came before it was there."""
        self.far = far
        early, self._early = self._early, []
        for data in early:
            far.frame(data)
        if self._ended:
            far.lost(self._code, self._reason)
        elif self._closing is None:
            self.resume_reading()

    def write(self, data: Frame) -> None:
        """Send a message. Nobody keeps `data`: what the kernel does not take is copied."""
        if self._wire is None or self._closing is not None:
            return
        if len(data) <= COPIED:
            self._wire.send(_TEXT, data)
        else:
            whole = bytearray(HEADER) + data
            self._wire.send_reuse_external_bytearray(_TEXT, whole, HEADER)

    def hush(self, item_id: str) -> None:
        """What was written is the client's; it drops what it has queued by itself."""

    def pause_reading(self) -> None:
        if self._wire is not None and not self._ended:
            self._wire.underlying_transport.pause_reading()

    def resume_reading(self) -> None:
        if self._wire is not None and not self._ended:
            self._wire.underlying_transport.resume_reading()

    def close(self, code: int, reason: str) -> None:
        if self._wire is None or self._ended or self._closing is not None:
            return
        self._code, self._reason = code, reason
        self._wire.send_close(cast("WSCloseCode", code), _cut(reason))
        self.resume_reading()  # to see the peer's answer, and drop what else it says
        loop = asyncio.get_running_loop()
        self._closing = loop.call_later(CLOSE_WITHIN_S, self._wire.disconnect, False)

    def cut(self) -> None:
        """End it now, whether the peer has answered or not."""
        if self._wire is not None and not self._ended:
            self._wire.disconnect(False)

    # What picows calls

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._wire = transport
        raw = transport.underlying_transport.get_extra_info("socket")
        if raw is not None and raw.family in (socket.AF_INET, socket.AF_INET6):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if kind is _TEXT and frame.fin and self.far is not None and self._closing is None:
            self.far.frame(frame.get_payload_as_memoryview())
        elif kind is _CLOSE:
            self._closed_by_peer(transport, frame)
        elif self._closing is None and kind in (_TEXT, _BINARY, _CONTINUATION):
            self._join_parts(frame)

    def pause_writing(self) -> None:
        self.full = True

    def resume_writing(self) -> None:
        self.full = False
        if self.far is not None:
            self.far.writable()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._ended = True
        if self._closing is not None:
            self._closing.cancel()
        if self.far is not None:
            self.far.lost(self._code, self._reason)

    def _join_parts(self, frame: WSFrame) -> None:
        parts = self._parts if self._parts is not None else bytearray()
        parts += frame.get_payload_as_memoryview()
        if len(parts) > self._largest:
            self._parts = None
            self.close(WSCloseCode.MESSAGE_TOO_BIG.value, "message too big")
            return
        self._parts = None if frame.fin else parts
        if not frame.fin:
            return
        if self.far is not None:
            self.far.frame(parts)
        else:
            self._early.append(bytes(parts))
            self.pause_reading()  # the kernel keeps the rest

    def _closed_by_peer(self, transport: WSTransport, frame: WSFrame) -> None:
        if self._closing is None:
            code = frame.get_close_code()  # a plain int where picows has no name for it
            self._code = int(code.value if isinstance(code, WSCloseCode) else code) or NO_CODE
            self._reason = (frame.get_close_message() or b"").decode("utf-8", "replace")
            transport.send_close(WSCloseCode.OK if self._code == NO_CODE else code)
        transport.disconnect()


def _cut(reason: str) -> bytes:
    return reason.encode()[:LONGEST_REASON].decode("utf-8", "ignore").encode()
