"""A socket whose peer reads slowly, from either end: each message arrives as it was written."""

from __future__ import annotations

import asyncio
import functools
import socket
import time
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

from vivavoce.core.types import Frame
from vivavoce.net import websocket
from vivavoce.net.dial import dial
from vivavoce.net.websocket import FLOOD_BUFFER, LOOK_EVERY, Socket

from ..support.endpoints import until
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
SLOW_PEER_TIMEOUT_S = 0.3

SIZES = st.one_of(
    st.integers(1, 30_000),
    st.sampled_from([1, 125, 126, 8191, 8192, 8193, 65_535, 65_536, 65_537]),
    st.integers(65_536, 15 * MIB),
)


class Connected(Socket):
    """A server's end that says when it is there."""

    def __init__(self) -> None:
        super().__init__(LARGEST, SLOW_PEER_TIMEOUT_S)
        self.there = asyncio.Event()
        self.gone = asyncio.Event()
        self.lost_by: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()
        self.messages: list[bytes] = []
        self.takes_s = 0.0

    def on_ws_connected(self, transport: WSTransport) -> None:
        super().on_ws_connected(transport)
        self.there.set()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        super().on_ws_disconnected(transport)
        self.gone.set()

    def frame(self, data: Frame) -> None:
        self.messages.append(bytes(data))

    def writable(self) -> None: ...

    def lost(self, code: int, reason: str) -> None:
        self.lost_by.set_result((code, reason))


def narrow() -> socket.socket:
    """Make a socket whose kernel keeps few bytes for a peer that does not read."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    return made


@asynccontextmanager
async def client_leg(
    kind: type[Connected] = Connected,
) -> AsyncIterator[tuple[Connected, Connection]]:
    """Our end is the server's, on uvloop's transport as in uvicorn; the peer is a client."""
    ours = kind()

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
            peer.transport.abort()
        ours.abort()
        await ours.gone.wait()


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
        ours = await dial(f"ws://{HOST}:{port}/", subprotocol=None, timeout_s=SLOW_PEER_TIMEOUT_S)
        yield ours, await peers.get()
        ours.abort()


LEGS = [client_leg, upstream_leg]
Leg = Callable[[], AbstractAsyncContextManager[tuple[Socket, "Connection"]]]


async def tell(leg: Leg, sizes: list[int], pauses: list[int]) -> None:
    async with leg() as (ours, peer):
        for number, size in enumerate(sizes, 1):
            buffer = bytearray([number]) * size
            ours.write(memoryview(buffer))
            buffer[:] = bytes(size)  # as picows reuses its read buffer
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


# Control frames


def by_hand(kind: int, data: bytes = b"") -> bytes:
    """Build a client's frame, with a mask of zero."""
    return bytes([kind, 0x80 | len(data)]) + bytes(4) + data


PING, PONG, EMPTY_TEXT, EMPTY_PART = (by_hand(kind) for kind in (0x89, 0x8A, 0x81, 0x00))


async def fill(ours: Connected) -> None:
    """Write until our socket is full, and the kernel takes nothing more."""
    while not ours.full:
        ours.write(b"x" * 60_000)
    before = -1
    while before != (before := unsent(ours)):  # noqa: ASYNC110
        await asyncio.sleep(0.05)


def unsent(ours: Connected) -> int:
    assert ours._wire is not None
    size: int = ours._wire.underlying_transport.get_write_buffer_size()
    return size


def test_X1_a_peer_that_pings_and_reads_nothing_is_not_read_and_closed_as_too_slow() -> None:
    async def story() -> None:
        async with client_leg() as (ours, peer):
            ours.join(ours)
            await fill(ours)
            before = unsent(ours)
            peer.transport.pause_reading()
            peer.transport.write(PING * 2_000_000)
            code, reason = await ours.lost_by
            assert (code, reason) == (1013, "too slow")
            assert unsent(ours) < before + 200, "one PONG at most, and the CLOSE frame"
            assert peer.transport.get_write_buffer_size() > 6 * MIB, "most of it was never read"

    live(story(), uvloop.new_event_loop)


def test_the_answer_that_waited_is_to_the_latest_ping() -> None:
    async def story() -> None:
        async with client_leg() as (ours, peer):
            ours.join(ours)
            await fill(ours)
            pings = [await peer.ping(bytes([number])) for number in range(50)]
            sent = [asyncio.ensure_future(pong) for pong in pings]
            async with asyncio.timeout(10):
                while not sent[-1].done():
                    await peer.recv()
            assert all(pong.done() for pong in sent)

    live(story(), uvloop.new_event_loop)


def test_a_peer_that_pings_and_reads_slowly_stays() -> None:
    """Reading takes more than twice the timeout, but the peer reads some bytes each time."""

    async def story() -> None:
        async with client_leg() as (ours, peer):
            ours.join(ours)
            ours.write(b"y" * 5 * MIB)
            assert ours.full
            pong = asyncio.ensure_future(await peer.ping())
            began = asyncio.get_running_loop().time()
            reading = asyncio.create_task(peer.recv())
            while not pong.done():
                peer.transport.pause_reading()
                await asyncio.sleep(0.05)
                peer.transport.resume_reading()
                await asyncio.sleep(0)
            assert len(await reading) == 5 * MIB
            assert asyncio.get_running_loop().time() - began > 2 * SLOW_PEER_TIMEOUT_S
            assert not ours.lost_by.done()

    live(story(), uvloop.new_event_loop)


def test_a_message_behind_one_ping_is_heard_although_the_socket_is_full() -> None:
    """A client that reads slowly and keeps its connection alive can still interrupt."""

    async def story() -> None:
        async with client_leg() as (ours, peer):
            ours.join(ours)
            await fill(ours)
            await peer.ping()
            await peer.send("stop")
            await until(lambda: bool(ours.messages))
            assert ours.messages == [b"stop"]
            assert not ours.lost_by.done()

    live(story(), uvloop.new_event_loop)


def test_a_ping_of_ours_waits_for_a_full_socket_too() -> None:
    async def story() -> None:
        async with client_leg() as (ours, _):
            ours.join(ours)
            await fill(ours)
            before = unsent(ours)
            wire = ours._wire
            assert wire is not None
            for _ in range(1000):  # picows asks every 20 s
                ours.send_user_specific_ping(wire)
            assert unsent(ours) == before
            assert await ours.lost_by == (1013, "too slow")

    live(story(), uvloop.new_event_loop)


def test_a_peer_that_says_goodbye_and_reads_nothing_is_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(websocket, "CLOSE_WITHIN_S", 0.2)

    async def story() -> None:
        async with client_leg() as (ours, peer):
            ours.join(ours)
            await fill(ours)
            peer.transport.pause_reading()
            peer.transport.write(by_hand(0x88, b"\x03\xe8"))
            async with asyncio.timeout(2):
                assert (await ours.lost_by)[0] == 1000

    live(story(), uvloop.new_event_loop)


# Floods by a peer that reads


@pytest.mark.parametrize("piece", [PING, PONG, EMPTY_PART], ids=["PING", "PONG", "empty part"])
def test_a_peer_that_floods_is_read_in_small_pieces(piece: bytes) -> None:
    async def story() -> None:
        async with client_leg() as (ours, peer):
            ours.join(ours)
            if piece is EMPTY_PART:
                peer.transport.write(by_hand(0x01))
            peer.transport.write(piece * 100_000)
            raw = ours._wire.underlying_transport.get_extra_info("socket")  # type: ignore[union-attr]
            size = functools.partial(raw.getsockopt, socket.SOL_SOCKET, socket.SO_RCVBUF)
            await until(lambda: size() <= 2 * FLOOD_BUFFER)

    live(story(), uvloop.new_event_loop)


def test_many_messages_of_one_read_are_taken_in_shares_and_in_order() -> None:
    """Each takes a millisecond. In between others have their turn."""

    class Slow(Connected):
        def frame(self, data: Frame) -> None:
            super().frame(data)
            ends = time.monotonic() + 0.001
            while time.monotonic() < ends:
                pass

    async def story() -> None:
        async with client_leg(Slow) as (ours, peer):
            ours.join(ours)
            said = [b"%d" % number for number in range(200)]
            goodbye = by_hand(0x88, b"\x03\xe8")
            pieces = [by_hand(0x01, said[0][:0]), by_hand(0x80, said[0])]
            pieces += [by_hand(0x81 + number % 2, data) for number, data in enumerate(said[1:])]
            peer.transport.write(b"".join(pieces) + goodbye)
            most, before = 0, 0
            async with asyncio.timeout(10):
                while not ours.lost_by.done():
                    await asyncio.sleep(0)
                    most, before = max(most, len(ours.messages) - before), len(ours.messages)
            assert ours.messages == said
            assert (await ours.lost_by)[0] == 1000
            assert most <= 5 + LOOK_EVERY, "in a turn of the loop"

    live(story(), uvloop.new_event_loop)


@pytest.mark.parametrize(
    "wrong",
    [by_hand(0x80, b"end"), by_hand(0x01, b"a") + by_hand(0x81, b"b")],
    ids=["an end without a beginning", "a message inside another"],
)
def test_a_fragment_out_of_place_is_a_protocol_error(wrong: bytes) -> None:
    async def story() -> None:
        async with client_leg() as (ours, peer):
            ours.join(ours)
            peer.transport.write(wrong)
            await peer.wait_closed()
            assert (peer.close_code, ours.messages) == (1002, [])

    live(story(), uvloop.new_event_loop)


async def lose(ours: Connected, peer: Connection, *, goodbye: bytes = b"") -> None:
    """Deliver everything before the receiver joins, and then drop the connection."""
    peer.transport.write(by_hand(0x81, b"one") + by_hand(0x81, b"two") + goodbye)
    await until(lambda: len(ours._held) == 2)
    ours.abort()
    await ours.gone.wait()


def test_the_peers_goodbye_counts_also_if_the_connection_ends_before_it_is_heard() -> None:
    async def story() -> None:
        async with client_leg() as (ours, peer):
            await lose(ours, peer, goodbye=by_hand(0x88, b"\x03\xe8bye"))
            ours.join(ours)
            assert ours.messages == [b"one", b"two"]
            assert await ours.lost_by == (1000, "bye")

    live(story(), uvloop.new_event_loop)


def test_a_receiver_that_fails_after_the_connection_is_gone_gets_its_error() -> None:
    class Broken(Connected):
        def frame(self, data: Frame) -> None:
            raise RecursionError

    async def story() -> None:
        async with client_leg(Broken) as (ours, peer):
            await lose(ours, peer)
            with pytest.raises(RecursionError):
                ours.join(ours)
            async with asyncio.timeout(5):
                assert (await ours.lost_by)[0] == 1006

    live(story(), uvloop.new_event_loop)


class Slow(Connected):
    """Takes a millisecond for each message."""

    def frame(self, data: Frame) -> None:
        super().frame(data)
        ends = time.monotonic() + 0.001
        while time.monotonic() < ends:
            pass


@pytest.mark.parametrize("bits", [0x40, 0x20, 0x10, 0x70])
@pytest.mark.parametrize("kind", [0x81, 0x82, 0x01, 0x89, 0x8A])
def test_a_reserved_bit_is_a_protocol_error(kind: int, bits: int) -> None:
    """Reserved bits belong to extensions, such as compression. The server has agreed to none."""

    async def story() -> None:
        async with client_leg() as (ours, peer):
            ours.join(ours)
            peer.transport.write(by_hand(kind | bits, b"x") + by_hand(0x81, b"later"))
            async with asyncio.timeout(5):
                await peer.wait_closed()
            assert (peer.close_code, ours.messages) == (1002, [])

    live(story(), uvloop.new_event_loop)


@pytest.mark.parametrize("code", [1006, 5000, 65535])
def test_a_close_code_that_no_frame_may_carry_is_answered_as_a_protocol_error(code: int) -> None:
    async def story() -> None:
        async with client_leg() as (ours, peer):
            ours.join(ours)
            peer.transport.write(by_hand(0x88, code.to_bytes(2) + b"why"))
            await peer.wait_closed()
            assert peer.close_code == 1002
            assert (await ours.lost_by)[0] == 1002

    live(story(), uvloop.new_event_loop)


def test_what_follows_a_close_frame_is_not_taken() -> None:
    """The messages before it wait for the next turns of the loop. Those behind it do not."""

    async def story() -> None:
        async with client_leg(Slow) as (ours, peer):
            ours.join(ours)
            said = [b"%d" % number for number in range(50)]
            goodbye = by_hand(0x88, b"\x03\xe8")
            pieces = [by_hand(0x81, data) for data in said]
            peer.transport.write(b"".join(pieces) + goodbye + by_hand(0x81, b"later") * 50)
            async with asyncio.timeout(10):
                assert (await ours.lost_by)[0] == 1000
            assert ours.messages == said

    live(story(), uvloop.new_event_loop)
