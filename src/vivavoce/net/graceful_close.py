"""Close uvicorn's transport within a bounded time, even if the peer does not read."""

from __future__ import annotations

import asyncio
import struct
from contextlib import suppress
from typing import cast

try:
    import fcntl
    import termios
except ImportError:  # Windows does not report its kernel's send queue
    fcntl = termios = None  # type: ignore[assignment]

CLOSE_WITHIN_S = 5.0


class GracefulClose:
    """uvicorn's transport, whose graceful close waits at most 5 s for the client to read.

    picows closes after a client's protocol error, uvicorn after the last response. The client may
    never read their last bytes.
    """

    @classmethod
    def of(cls, transport: asyncio.BaseTransport | GracefulClose) -> GracefulClose:
        """Wrap a transport, unless it is wrapped already."""
        if isinstance(transport, GracefulClose):
            return transport
        return cls(cast("asyncio.Transport", transport))

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._abort: asyncio.TimerHandle | None = None
        self.write = transport.write  # bound once: this is the hot path
        self.writelines = transport.writelines
        self.get_write_buffer_size = transport.get_write_buffer_size
        self.get_extra_info = transport.get_extra_info
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading
        self.set_protocol = transport.set_protocol
        self.get_protocol = transport.get_protocol
        self.is_closing = transport.is_closing
        self.abort = transport.abort

    def close(self) -> None:
        self._transport.close()
        if self._abort is None:
            loop = asyncio.get_running_loop()
            self._abort = loop.call_later(CLOSE_WITHIN_S, self.abort)

    def stop_reading(self) -> None:
        """Leave all further bytes in the kernel, even if `resume_reading` is called."""
        self.pause_reading()
        self.resume_reading = self.pause_reading

    def left(self) -> None:
        """Stop the timer: the connection is closed."""
        if self._abort is not None:
            self._abort.cancel()


def unsent(transport: asyncio.Transport | GracefulClose) -> int:
    """Count the bytes that the peer's kernel has not taken.

    Our own kernel holds megabytes, and accepts new bytes only after a third of them is sent. The
    size of the event loop's buffer alone would show much later that a peer reads.
    """
    size = transport.get_write_buffer_size()
    raw = transport.get_extra_info("socket")
    if raw is not None and fcntl is not None:
        with suppress(OSError):
            queued = fcntl.ioctl(raw.fileno(), termios.TIOCOUTQ, bytes(4))
            size += struct.unpack("i", queued)[0]
    return size
