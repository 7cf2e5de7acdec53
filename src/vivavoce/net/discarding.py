"""Read a connection that is closing, without keeping a message that never ends.

A peer that is refused may have begun a message of many megabytes. picows would keep all of it while
it waits for the peer's CLOSE frame.
"""

from __future__ import annotations

import asyncio
from typing import cast

LARGEST_BUFFER = 64 * 1024  # bytes that picows offers for the rest of one message
_SCRATCH = bytearray(64 * 1024)


class DiscardingProtocol(asyncio.BufferedProtocol):
    """Passes data on to another protocol, until it keeps a large message. Then it drops all."""

    def __init__(self, inner: asyncio.BaseProtocol) -> None:
        self._inner = cast("asyncio.BufferedProtocol", inner)
        self._discards = False

    def get_buffer(self, sizehint: int) -> bytearray:
        if not self._discards:
            buffer = cast("bytearray", self._inner.get_buffer(sizehint))
            if len(buffer) <= LARGEST_BUFFER:
                return buffer
            self._discards = True
        return _SCRATCH

    def buffer_updated(self, nbytes: int) -> None:
        if not self._discards:
            self._inner.buffer_updated(nbytes)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()
