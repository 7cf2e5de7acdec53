"""PONG and PING frames of one WebSocket: at most one of each waits, for a bounded time.

    PING ─► answer ─► [ the latest payload ] ─► write, once per loop iteration
                              └─ stays while the peer's socket is full

RFC 6455 §5.5.3 lets an endpoint answer only the most recent PING. So a peer that sends millions of
them and reads nothing costs one payload of at most 125 bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from .graceful_close import unsent

if TYPE_CHECKING:
    from picows import WSTransport


class ControlFrames:
    """The PONG and the PING that wait for a full socket."""

    def __init__(self, timeout_s: float, too_slow: Callable[[], None]) -> None:
        """`too_slow`: called when a frame waited for `timeout_s` and the peer read nothing."""
        self.full = False
        self._timeout_s = timeout_s
        self._too_slow = too_slow
        self._wire: WSTransport | None = None
        self._pong: bytes | None = None
        self._ping = False
        self._next_turn: asyncio.Handle | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._unsent = 0  # bytes that the peer had not read at the last check

    def open(self, wire: WSTransport) -> None:
        """Write to `wire` from now on."""
        self._wire = wire

    def answer(self, payload: bytes) -> bool:
        """Answer a PING. False: an earlier answer still waits for the peer."""
        waits = self.full and self._pong is not None
        self._pong = payload
        if self._next_turn is None and not waits:
            self._next_turn = asyncio.get_running_loop().call_soon(self._write)
        return not waits

    def ask(self) -> bool:
        """Send a PING. False: it waits until the socket accepts more bytes."""
        self._ping = True
        if not self.full:
            self._write()
        else:
            self._wait()
        return not self._ping

    def block(self) -> None:
        """Keep frames until `unblock`: the socket is full."""
        self.full = True

    def unblock(self) -> None:
        """Write the frames that waited: the socket accepts bytes again."""
        self.full = False
        self._stop_watch()
        self._write()

    def drop(self) -> None:
        """Drop the frames that wait: the connection closes."""
        self._wire = None
        self._pong, self._ping = None, False
        self._stop_watch()
        if self._next_turn is not None:
            self._next_turn.cancel()

    def _write(self) -> None:
        self._next_turn = None
        if self.full:
            self._wait()
            return
        wire, pong, ping = self._wire, self._pong, self._ping
        self._pong, self._ping = None, False
        if wire is not None and pong is not None:
            wire.send_pong(pong)
        if wire is not None and ping:
            wire.send_ping()

    # A peer that does not read

    def _wait(self) -> None:
        if (
            self._watch is None
            and self._wire is not None
            and (self._ping or self._pong is not None)
        ):
            self._unsent = unsent(self._wire.underlying_transport)
            loop = asyncio.get_running_loop()
            self._watch = loop.call_later(self._timeout_s, self._look)

    def _look(self) -> None:
        """Compare the unread bytes: a full socket gets no new ones, so fewer mean that it reads."""
        self._watch = None
        assert self._wire is not None
        if unsent(self._wire.underlying_transport) < self._unsent:
            self._wait()
        else:
            self._too_slow()

    def _stop_watch(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
