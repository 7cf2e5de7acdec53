"""Send a slow client one 408 if it is the request's turn, and then close the connection."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from vivavoce.http.request_timeouts import (
    HEAD_BYTES,
    PIPELINED,
    REQUEST_WITHIN_S,
    TimedHttpProtocol,
)

from ..support.virtual_time import live

HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
WHOLE = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
ENDLESS = b"x" * (HEAD_BYTES + 1)
DONE = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone"

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


class Wire(asyncio.Transport):
    """Record the bytes that the server writes to a connection before it is closed."""

    def __init__(self, app: App) -> None:
        super().__init__()
        config = uvicorn.Config(app, ws="none", log_config=None, access_log=False,
                                server_header=False, date_header=False)  # fmt: skip
        self.told = b""
        self.closed_at: float | None = None
        self.lost = False
        self.unsent = 0  # bytes
        self.reading = asyncio.Event()
        self.reading.set()
        self.http = TimedHttpProtocol(config=config, server_state=ServerState(), app_state={})
        self.http.connection_made(self)

    async def say(self, *pieces: bytes, every_s: float = 1.0) -> None:
        for piece in pieces:
            await self.reading.wait()
            if self.closed_at is None:
                self.http.data_received(piece)
            await asyncio.sleep(every_s)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self.lost:
            self.told += data

    def close(self) -> None:
        loop = asyncio.get_running_loop()
        if self.closed_at is None:
            self.closed_at = loop.time()
            loop.call_later(1, self._lose)  # when the socket has taken all bytes

    def _lose(self) -> None:
        self.lost = True
        self.http.connection_lost(None)

    def is_closing(self) -> bool:
        return self.closed_at is not None

    def abort(self) -> None:
        self.close()

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def pause_reading(self) -> None:
        self.reading.clear()

    def resume_reading(self) -> None:
        self.reading.set()


async def _read(receive: Receive) -> str:
    """Return the type of the last message."""
    while True:
        message = await receive()
        if not message.get("more_body"):
            return str(message["type"])


async def at_once(scope: Message, receive: Receive, send: Send) -> None:
    headers = [(b"content-length", b"4")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"done"})


async def late(scope: Message, receive: Receive, send: Send) -> None:
    await _read(receive)
    await asyncio.sleep(30)
    await at_once(scope, receive, send)


def drip(app: App, *pieces: bytes) -> Wire:
    """Send the pieces, one a second, and return the response after the client falls silent."""

    async def story() -> Wire:
        wire = Wire(app)
        await wire.say(*pieces)
        await asyncio.sleep(120)
        assert wire.closed_at is not None
        assert not wire.http.tasks
        return wire

    return live(story())


def is_timeout(told: bytes) -> bool:
    head, _, body = told.partition(b"\r\n\r\n")
    error = json.loads(body)["error"]
    assert b"content-length: %d\r\n" % len(body) in head + b"\r\n"
    assert b"connection: close" in head
    assert (error["type"], error["code"]) == ("invalid_request_error", "invalid_request")
    return head.startswith(b"HTTP/1.1 408 Request Timeout\r\n")


@pytest.mark.parametrize("pieces", [(), (b"GET / HT", b"TP/1.1\r\nHost: x\r\n")])
def test_a_request_that_never_comes_gets_408(pieces: tuple[bytes, ...]) -> None:
    wire = drip(at_once, *pieces)
    assert is_timeout(wire.told)
    assert wire.closed_at == REQUEST_WITHIN_S


def test_a_body_that_arrives_too_slowly_gets_408() -> None:
    """The application that waits for the body reads that the client has disconnected."""
    ends: list[str] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        ends.append(await _read(receive))
        await at_once(scope, receive, send)

    wire = drip(app, HEAD, *[b"x"] * 30)
    assert is_timeout(wire.told)
    assert wire.closed_at == REQUEST_WITHIN_S
    assert ends == ["http.disconnect"]


def test_a_response_after_the_timeout_is_not_sent() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await asyncio.sleep(REQUEST_WITHIN_S + 0.5)
        await at_once(scope, receive, send)

    assert is_timeout(drip(app, HEAD, b"x").told)


def test_a_slow_body_within_the_limit_is_accepted() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        assert await _read(receive) == "http.request"
        await at_once(scope, receive, send)

    assert drip(app, HEAD, *[b"x" * 20] * 5).told == DONE


def test_a_request_answered_before_its_body_gets_no_second_response() -> None:
    wire = drip(at_once, HEAD, b"x")
    assert wire.told == DONE


def test_a_request_answered_before_its_body_gives_the_next_no_extra_time() -> None:
    wire = drip(at_once, HEAD, b"x" * 100)
    assert is_timeout(wire.told.removeprefix(DONE))
    assert wire.closed_at == 1 + REQUEST_WITHIN_S

    wire = drip(at_once, HEAD, b"x" * 100 + b"GET / HT")
    assert is_timeout(wire.told.removeprefix(DONE))
    assert wire.closed_at == 1 + REQUEST_WITHIN_S


@pytest.mark.parametrize("pieces", [(HEAD, b"x"), (WHOLE, b"GET / HTTP/1.1\r\nx: ", ENDLESS)])
def test_a_timeout_during_a_response_closes_without_408(pieces: tuple[bytes, ...]) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"8")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        while await _read(receive) != "http.disconnect":
            pass

    assert drip(app, *pieces).told.endswith(b"\r\n\r\nhalf")


@pytest.mark.parametrize(
    "pieces",
    [
        (WHOLE + HEAD,),
        (WHOLE, HEAD[:10], HEAD[10:]),
        (WHOLE, HEAD[:10]),
        (WHOLE + HEAD[:10],),
        (WHOLE + WHOLE + HEAD,),
        (WHOLE + WHOLE, HEAD[:10], HEAD[10:]),
    ],
)
def test_a_pipelined_requests_time_starts_at_its_turn(pieces: tuple[bytes, ...]) -> None:
    """The earlier responses are complete, for any number of pieces."""
    before = b"".join(pieces).count(b"GET")
    wire = drip(late, *pieces)
    assert wire.told.startswith(DONE * before)
    assert is_timeout(wire.told.removeprefix(DONE * before))
    assert wire.closed_at == 30 * before + REQUEST_WITHIN_S


@pytest.mark.parametrize("pieces", [(WHOLE + HEAD,), (WHOLE, HEAD[:10], HEAD[10:])])
def test_a_body_that_waited_while_reading_was_paused_is_accepted(pieces: tuple[bytes, ...]) -> None:
    assert drip(late, *pieces, b"x" * 100).told == DONE + DONE


def test_reading_pauses_while_pipelined_requests_wait() -> None:
    """Reading must not resume after each response while requests wait, as in uvicorn alone."""

    async def story() -> None:
        wire = Wire(late)
        wire.http.data_received(WHOLE * 50)
        await asyncio.sleep(31)
        assert wire.told == DONE
        assert len(wire.http.pipeline) == 48
        assert not wire.reading.is_set()
        await asyncio.sleep(30 * 49)
        assert wire.told == DONE * 50
        assert wire.reading.is_set()
        await asyncio.sleep(60)

    live(story())


def test_a_client_that_pipelines_over_the_limit_is_disconnected() -> None:
    async def story() -> None:
        wire = Wire(late)
        wire.http.data_received(WHOLE * 10_000)
        assert wire.closed_at is not None
        assert len(wire.http.pipeline) <= PIPELINED + 1
        assert wire.told == b"", "nothing that would be taken for the first one's answer"
        await asyncio.sleep(60)

    live(story())


@pytest.mark.parametrize(("reads", "stays"), [(True, True), (False, False)])
def test_a_client_that_does_not_read_its_response_is_disconnected(reads: bool, stays: bool) -> None:
    async def story() -> None:
        wire = Wire(late)
        wire.http.data_received(WHOLE)
        wire.unsent = 100_000
        wire.http.pause_writing()
        for _ in range(30):
            await asyncio.sleep(1)
            wire.unsent -= reads
        assert (wire.closed_at is None) is stays
        wire.http.resume_writing()
        await asyncio.sleep(120)

    live(story())
