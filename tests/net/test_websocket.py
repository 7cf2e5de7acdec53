"""A socket whose peer reads slowly, from either end: each message arrives as it was written."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import pytest
import uvloop
from hypothesis import example, given, settings
from hypothesis import strategies as st
from picows import ws_create_server
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from vivavoce.net.dial import dial
from vivavoce.net.websocket import Frame, Socket

from ..support.real_time import live

if TYPE_CHECKING:
    from picows import WSTransport, WSUpgradeRequest
    from websockets.asyncio.connection import Connection

HOST = "127.0.0.1"
MIB = 2**20
LARGEST = 16 * MIB
HOW: dict[str, Any] = {
    "max_size": None, "max_queue": 1, "ping_interval": None, "compression": None,
}  # fmt: skip

SIZES = st.one_of(
    st.integers(1, 30_000),
    st.sampled_from([1, 125, 126, 8191, 8192, 8193, 65_535, 65_536, 65_537]),
    st.integers(65_536, 15 * MIB),
)


class Connected(Socket):
    """A server's end that says when it is there."""

    def __init__(self) -> None:
        super().__init__(LARGEST)
        self.there = asyncio.Event()
        self.lost_by: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()
        self.messages: list[bytes] = []
        self.takes_s = 0.0

    def on_ws_connected(self, transport: WSTransport) -> None:
        super().on_ws_connected(transport)
        self.there.set()

    def frame(self, data: Frame) -> None:
        self.messages.append(bytes(data))

    def writable(self) -> None: ...

    def lost(self, code: int, reason: str) -> None:
        self.lost_by.set_result((code, reason))


def narrow() -> socket.socket:
    """A socket whose kernel keeps little for who does not read."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    return made


@asynccontextmanager
async def client_leg() -> AsyncIterator[tuple[Connected, Connection]]:
    """Our end is the server's, on uvloop's transport as in uvicorn; the peer is a client."""
    ours = Connected()

    def listener(request: WSUpgradeRequest) -> Connected:
        return ours

    server = await ws_create_server(
        listener, HOST, 0, use_aiofastnet=False, enable_auto_pong=False, max_frame_size=LARGEST
    )
    async with server:
        address = server.sockets[0].getsockname()
        link = narrow()
        link.connect(address)
        url = f"ws://{HOST}:{address[1]}/"
        async with connect(url, sock=link, **HOW) as peer:
            await ours.there.wait()
            yield ours, peer


@asynccontextmanager
async def upstream_leg() -> AsyncIterator[tuple[Socket, Connection]]:
    """Our end is the client's, as towards a provider; the peer is a server."""
    peers: asyncio.Queue[ServerConnection] = asyncio.Queue()

    async def keep(peer: ServerConnection) -> None:
        peers.put_nowait(peer)
        await peer.wait_closed()

    listening = narrow()
    listening.bind((HOST, 0))
    async with serve(keep, sock=listening, **HOW):
        port = listening.getsockname()[1]
        ours = await dial(f"ws://{HOST}:{port}/", subprotocol=None)
        yield ours, await peers.get()
        ours.cut()


LEGS = [client_leg, upstream_leg]
Leg = Callable[[], AbstractAsyncContextManager[tuple[Socket, "Connection"]]]


async def tell(leg: Leg, sizes: list[int], pauses: list[int]) -> None:
    async with leg() as (ours, peer):
        for number, size in enumerate(sizes, 1):
            buffer = bytearray([number]) * size
            ours.write(memoryview(buffer))
            buffer[:] = bytes(size)  # as picows does with what it has read
        for number, size in enumerate(sizes, 1):
            await asyncio.sleep(pauses[number % len(pauses)] / 1000)
            data = await peer.recv(decode=False)
            assert len(data) == size, f"message {number} of {sizes}"
            assert data == bytes([number]) * size, f"message {number} of {sizes}"


@pytest.mark.parametrize("leg", LEGS)
@settings(max_examples=15, deadline=None)
@given(
    st.lists(SIZES, min_size=1, max_size=100), st.lists(st.integers(0, 5), min_size=1, max_size=5)
)
@example([9_000, 20_000, 8_193] * 33, [1])
@example([1, 8_192, 8_193, 15 * MIB, 1, 9_000, 70_000], [5])
@example([8_192, 4_000] * 50, [1])
def test_messages_behind_a_full_socket_are_whole_and_in_order(
    leg: Leg, sizes: list[int], pauses: list[int]
) -> None:
    few = [size for size, total in zip(sizes, accumulate(sizes), strict=True) if total < 32 * MIB]
    live(tell(leg, few or [15 * MIB], pauses), uvloop.new_event_loop)
