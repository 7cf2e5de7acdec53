"""Send endless frames: memory does not grow, and other calls are answered as before."""

from __future__ import annotations

import asyncio
import base64
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import httpx2
import psutil
import pytest

from ..support.calls import Caller, Costs, House

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

MIB = 2**20
MEMORY = 5 * MIB
ANSWERED = 24 * MIB  # if each frame has an answer: 2,048 events and their answers wait
LATE_S = 0.025  # seconds; 95 % of the bystander's answers arrive within
BOUND = 256 * MIB  # of memory; a server that exceeds this is stopped


def frame(kind: int, data: bytes = b"") -> bytes:
    """Return a client's frame, with a mask of zero."""
    return bytes([kind, 0x80 | len(data)]) + bytes(4) + data


FLOODS = {
    "PING": frame(0x89),
    "PING with a payload": frame(0x89, b"x" * 125),
    "PONG": frame(0x8A),
    "empty message": frame(0x81),
    "empty binary message": frame(0x82),
    "empty part": frame(0x00),
    "mistake": frame(0x81, b'{"type":"x"}'),
    "CLOSE": frame(0x88, b"\x03\xe8"),
    "unknown": frame(0x83),
}


class Flood:
    """Send the same bytes repeatedly on one connection, from a thread."""

    def __init__(self, house: House, piece: bytes, query: str, key: str) -> None:
        url = urlsplit(house.server.url)
        self._link = socket.create_connection((url.hostname, url.port))
        self._chunk = piece * (65_536 // len(piece))
        self.sent = 0
        if not query:
            return
        self._link.sendall(
            f"GET /v1/realtime?{query} HTTP/1.1\r\nHost: {url.netloc}\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}\r\n"
            f"Authorization: Bearer {key}\r\n\r\n".encode()
        )
        head = b""
        while b"\r\n\r\n" not in head:
            head += self._link.recv(1)
        assert b" 101 " in head

    def send(self, size: int, within_s: float) -> None:
        ends = time.monotonic() + within_s
        with suppress(OSError):
            while self.sent < size and time.monotonic() < ends:
                self._link.settimeout(max(0.01, ends - time.monotonic()))
                self.sent += self._link.send(self._chunk[self.sent % len(self._chunk) :])

    def read(self) -> None:
        with suppress(OSError):
            while self._link.recv(MIB):
                pass

    def end(self) -> None:
        """Reset the connection, because the kernel would send buffered bytes for seconds."""
        self._link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with suppress(OSError):
            self._link.shutdown(socket.SHUT_RD)  # wakes this test's reader
        self._link.close()


@contextmanager
def memory_of(house: House) -> Iterator[list[int]]:
    """Measure the growth of the server's memory, and stop the server if it exceeds the limit."""
    process, most, over = psutil.Process(house.server.process.pid), [0], threading.Event()
    before = Costs.of(house.server).memory

    def watch() -> None:
        while not over.wait(0.02):
            most[0] = max(most[0], process.memory_info().rss - before)
            if most[0] > BOUND:
                process.kill()
                return

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield most
    finally:
        over.set()
        watching.join()


async def latency(bystander: Caller, done: asyncio.Future[None]) -> list[float]:
    """Return the latencies of a short event in seconds, the longest last."""
    took: list[float] = []
    while not done.done() or len(took) < 100:
        began = time.monotonic()
        await bystander.say("response.cancel")
        await bystander.socket.recv()
        took.append(time.monotonic() - began)
        await asyncio.sleep(0.005)
    return sorted(took)


async def flooded(
    house: House, piece: bytes, *, reads: bool, query: str | None = None, key: str = "",
    size: int = 64 * MIB, within_s: float = 1.5,
) -> tuple[int, list[float]]:  # fmt: skip
    """Return bytes of memory and the bystander's latencies."""
    asked = f"model={house.assistant}" if query is None else query
    flood = Flood(house, piece, asked, key or house.key)
    if piece == FLOODS["empty part"]:
        flood._link.sendall(frame(0x01, b"x"))
    reading = threading.Thread(target=flood.read)
    if reads:
        reading.start()
    async with house.welcome() as bystander:
        loop = asyncio.get_running_loop()
        with memory_of(house) as most:
            sending = loop.run_in_executor(None, flood.send, size, within_s)
            took = await latency(bystander, sending)
    flood.end()
    if reads:
        reading.join()
    return most[0], took


def p95(took: list[float]) -> float:
    return took[len(took) * 95 // 100]


async def judge(
    house: House, piece: bytes, timed: bool, *, most: int = MEMORY, reads: bool = False,
    query: str | None = None, key: str = "",
) -> None:  # fmt: skip
    """Look at the memory, or at the time: the best of three, as other programs run too."""
    if not timed:
        memory, _ = await flooded(house, piece, reads=reads, query=query, key=key, within_s=0.75)
        assert memory <= most
        return
    floods = [await flooded(house, piece, reads=reads, query=query, key=key) for _ in range(3)]
    assert min(p95(took) for _, took in floods) < LATE_S


COST = pytest.mark.parametrize(
    "timed", [False, pytest.param(True, marks=pytest.mark.long)], ids=["memory", "time"]
)
READS = pytest.mark.parametrize("reads", [True, False], ids=["reads", "reads nothing"])


@COST
@READS
@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_costs_no_memory_and_delays_no_other_call(
    house: House, name: str, reads: bool, timed: bool
) -> None:
    async def story(house: House) -> None:
        answered = name in ("empty message", "empty binary message", "mistake")
        most = ANSWERED if answered else MEMORY
        await judge(house, FLOODS[name], timed, most=most, reads=reads)

    house.story(story)


@COST
def test_a_flood_on_a_control_connection(house: House, timed: bool) -> None:
    async def story(house: House) -> None:
        async with house.welcome() as caller:
            assert caller.socket.response is not None
            call_id = caller.socket.response.headers["Vivavoce-Call-Id"]
            query = f"call_id={call_id}"
            await judge(house, FLOODS["PING"], timed, query=query)
            assert await caller.turn() == "You said: are you there"

    house.story(story)


@COST
def test_a_flood_on_a_connection_that_was_refused(house: House, timed: bool) -> None:
    async def story(house: House) -> None:
        await judge(house, FLOODS["PING"], timed, key="vv_wrong")

    house.story(story)


@COST
@READS
def test_a_flood_of_http_requests(house: House, reads: bool, timed: bool) -> None:
    request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"

    async def story(house: House) -> None:
        await judge(house, request, timed, reads=reads, query="")

    house.story(story)


@pytest.mark.long
def test_four_hundred_mebibytes_of_pings(house: House) -> None:
    async def story(house: House) -> None:
        memory, took = await flooded(
            house, FLOODS["PING"], reads=False, size=400 * MIB, within_s=20
        )
        assert memory <= MEMORY
        assert p95(took) < LATE_S

    house.story(story)


def test_a_client_that_pings_and_does_not_read_is_closed_as_too_slow(house: House) -> None:
    """Its socket is full of responses, and then it sends only PINGs."""

    async def story(house: House) -> None:
        link = socket.socket()
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        url = urlsplit(house.server.url)
        link.connect((url.hostname, url.port))
        async with house.welcome(sock=link, max_queue=1, ping_interval=None) as caller:
            item = await caller.add("x" * 100_000)
            caller.socket.transport.pause_reading()
            for _ in range(40):
                await caller.say("conversation.item.retrieve", item_id=item)
            await caller.socket.ping()
            began = time.monotonic()
            async with house.welcome() as other:
                while time.monotonic() - began < 15:
                    if await _calls(house) <= 2:  # the bystander's call and this one
                        break
                    await asyncio.sleep(0.1)
                assert await other.turn()
            assert 1 < time.monotonic() - began < 10
            await caller.vanish()

    house.story(story)


async def _calls(house: House) -> int:
    def ask() -> int:
        headers = {"Authorization": f"Bearer {house.key}"}
        calls = httpx2.get(f"{house.server.url}/api/calls", headers=headers).json()["data"]
        return sum(not call["ended_at"] for call in calls)

    return await asyncio.to_thread(ask)
