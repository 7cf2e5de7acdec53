"""One connection to a Realtime server, as its client.

Events that we send are the protocol's types. Events that we receive stay JSON objects: another
server may leave out fields or add its own. Each command decodes the fields that it reads
(`server_events.py`). A frame that cannot be read closes the connection.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec

from ..core.types import Frame
from ..net.dial import dial
from ..net.websocket import Socket
from ..protocol import codec
from ..protocol.client import ClientEvent
from ..protocol.close_codes import CloseCode
from .server_events import UnreadableEventError

CLOSE_TIMEOUT_S = 6.0

Receive = Callable[[dict[str, Any], float], None]
"""Called with each event of the server, and the seconds since the connection was opened.

It may raise `UnreadableEventError`.
"""


class ConnectionClosedError(Exception):  # an outcome that both commands expect
    """The server closed the connection before the awaited condition was true."""


class RealtimeClient:
    """The `FrameReceiver` of a client's socket. `connected` makes one."""

    def __init__(self, socket: Socket, receive: Receive) -> None:
        self.closed: tuple[int, str] | None = None  # close code and reason
        self.unreadable: str | None = None  # what was wrong with the frame that ended it
        self.on_closed: Callable[[], None] = lambda: None
        self._socket = socket
        self._receive = receive
        self._opened_at = time.monotonic()
        self._changed = asyncio.Event()

    # Called by the command

    @property
    def can_write(self) -> bool:
        """True if the socket's send buffer has space and the connection is open."""
        return self.closed is None and not self._socket.full

    def send(self, event: ClientEvent) -> None:
        """Write an event; a closed connection discards it."""
        self._socket.write(codec.encode(event))

    async def until(self, condition: Callable[[], bool], timeout_s: float | None = None) -> None:
        """Wait until the condition holds. Raises `ConnectionClosedError`.

        Raises `TimeoutError` if nothing happens on the connection for `timeout_s`.
        """
        while not condition():
            if self.closed is not None:
                raise ConnectionClosedError
            await self._next_change(timeout_s)

    def wake(self) -> None:
        """Let `until` look at its condition again."""
        self._changed.set()

    async def close(self) -> None:
        """Close the connection and wait for the server's close frame."""
        self._socket.close(1000, "")
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            while self.closed is None:
                await self._next_change(None)

    async def _next_change(self, timeout_s: float | None) -> None:
        self._changed.clear()
        async with asyncio.timeout(timeout_s):
            await self._changed.wait()

    # Called by the socket

    def frame(self, data: Frame) -> None:
        if self.unreadable is not None:
            return
        try:
            self._receive(_object(data), time.monotonic() - self._opened_at)
        except UnreadableEventError as error:
            self.unreadable = str(error)
            self._socket.close(CloseCode.INVALID_DATA, self.unreadable)
        self._changed.set()

    def writable(self) -> None:
        self._changed.set()

    def lost(self, code: int, reason: str) -> None:
        self.closed = (code, reason)
        self.on_closed()
        self._changed.set()


def _object(data: Frame) -> dict[str, Any]:
    try:
        event = msgspec.json.decode(data)
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict):
        raise UnreadableEventError("the server sent a frame that is not a JSON object")
    return event


@dataclass(frozen=True, slots=True)
class ServerEndpoint:
    """The WebSocket URL of a server, and what opens it."""

    url: str
    credential: str | None = None
    certified_name: str | None = None
    """The name in the server's certificate, if it is not the host of `url`."""


@asynccontextmanager
async def connected(server: ServerEndpoint, receive: Receive) -> AsyncIterator[RealtimeClient]:
    """Open a connection and close it at the end. Raises `UnreachableError`."""
    headers = {"Authorization": f"Bearer {server.credential}"} if server.credential else {}
    socket = await dial(server.url, headers=headers, certified_name=server.certified_name)
    client = RealtimeClient(socket, receive)
    socket.join(client)
    try:
        yield client
    finally:
        await client.close()
