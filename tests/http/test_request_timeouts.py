"""Who is slow with a request is told so once, where it is their turn, and then let go."""

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
    """A connection, and what was said on it before it was closed."""

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
            loop.call_later(1, self._lose)  # when all is written

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
    """How it ends: the last message's type."""
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
    """What is said to somebody who says so much, a piece a second, and then falls silent."""

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
def test_a_request_that_never_comes(pieces: tuple[bytes, ...]) -> None:
    wire = drip(at_once, *pieces)
    assert is_timeout(wire.told)
    assert wire.closed_at == REQUEST_WITHIN_S


def test_a_body_that_trickles() -> None:
    """Whoever waited for it hears that nobody is there."""
    ends: list[str] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        ends.append(await _read(receive))
        await at_once(scope, receive, send)

    wire = drip(app, HEAD, *[b"x"] * 30)
    assert is_timeout(wire.told)
    assert wire.closed_at == REQUEST_WITHIN_S
    assert ends == ["http.disconnect"]


def test_what_is_answered_a_moment_too_late_is_not_sent() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await asyncio.sleep(REQUEST_WITHIN_S + 0.5)
        await at_once(scope, receive, send)

    assert is_timeout(drip(app, HEAD, b"x").told)


def test_a_body_that_takes_its_time_and_comes() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        assert await _read(receive) == "http.request"
        await at_once(scope, receive, send)

    assert drip(app, HEAD, *[b"x" * 20] * 5).told == DONE


def test_who_was_answered_before_their_body_came_is_not_answered_twice() -> None:
    wire = drip(at_once, HEAD, b"x")
    assert wire.told == DONE


def test_who_was_answered_before_their_body_came_has_no_more_time_for_the_next() -> None:
    wire = drip(at_once, HEAD, b"x" * 100)
    assert is_timeout(wire.told.removeprefix(DONE))
    assert wire.closed_at == 1 + REQUEST_WITHIN_S

    wire = drip(at_once, HEAD, b"x" * 100 + b"GET / HT")
    assert is_timeout(wire.told.removeprefix(DONE))
    assert wire.closed_at == 1 + REQUEST_WITHIN_S


@pytest.mark.parametrize("pieces", [(HEAD, b"x"), (WHOLE, b"GET / HTTP/1.1\r\nx: ", ENDLESS)])
def test_nothing_is_said_into_an_answer_that_has_begun(pieces: tuple[bytes, ...]) -> None:
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
def test_a_request_behind_others_has_as_long_from_when_it_is_its_turn(
    pieces: tuple[bytes, ...],
) -> None:
    """In however many pieces it came: what they are answered is not lost."""
    before = b"".join(pieces).count(b"GET")
    wire = drip(late, *pieces)
    assert wire.told.startswith(DONE * before)
    assert is_timeout(wire.told.removeprefix(DONE * before))
    assert wire.closed_at == 30 * before + REQUEST_WITHIN_S


@pytest.mark.parametrize("pieces", [(WHOLE + HEAD,), (WHOLE, HEAD[:10], HEAD[10:])])
def test_a_body_that_could_not_be_read_before(pieces: tuple[bytes, ...]) -> None:
    assert drip(late, *pieces, b"x" * 100).told == DONE + DONE


def test_a_client_that_does_not_wait_for_its_answers_is_not_read() -> None:
    """uvicorn would read on after each answer, however many requests wait."""

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


def test_a_client_with_too_many_requests_at_once_is_let_go() -> None:
    async def story() -> None:
        wire = Wire(late)
        wire.http.data_received(WHOLE * 10_000)
        assert wire.closed_at is not None
        assert len(wire.http.pipeline) <= PIPELINED + 1
        assert wire.told == b"", "nothing that would be taken for the first one's answer"
        await asyncio.sleep(60)

    live(story())


@pytest.mark.parametrize(("reads", "stays"), [(True, True), (False, False)])
def test_a_client_that_reads_nothing_of_its_answer_is_cut_off(reads: bool, stays: bool) -> None:
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
