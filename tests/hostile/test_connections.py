"""Misuse connections: the server ends them, and other calls are not affected."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from ..support.calls import Costs, House
from ..support.served import TAKES_ALL, serve

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

QUIET = TAKES_ALL | {"VIVAVOCE_CALLS__DEFAULT_ASSISTANT": "echo"}  # no warm-up
PUSH_TO_TALK = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}


async def ending(house: House, number: int = 0) -> str:
    """Return the stored ending of a call, counted from the newest."""
    headers = {"Authorization": f"Bearer {house.key}"}
    async with httpx2.AsyncClient(base_url=house.server.url, headers=headers) as http:
        for _ in range(200):
            call = (await http.get("/api/calls")).json()["data"][number]
            if call["ended_at"]:
                return str(call["ending"])
            await asyncio.sleep(0.05)
    raise AssertionError("it never ended")


class Raw:
    """Speak WebSocket by hand, to send bytes that no library sends."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, house: House, key: str | None = None) -> Raw | str:
        """Return the server's answer as text if it is not a WebSocket handshake."""
        url = urlsplit(house.server.url)
        link = await asyncio.open_connection(url.hostname, url.port, limit=2**22)
        raw = cls(*link)
        raw.writer.write(
            f"GET /v1/realtime?model={house.assistant} HTTP/1.1\r\nHost: {url.netloc}\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}\r\n"
            f"Authorization: Bearer {key or house.key}\r\n\r\n".encode()
        )
        head = await raw.reader.readuntil(b"\r\n\r\n")
        if b" 101 " in head.splitlines()[0]:
            return raw
        return (head + await raw.over()).decode()

    @classmethod
    async def enter(cls, house: House) -> Raw:
        raw = await cls.open(house)
        assert isinstance(raw, Raw), raw
        return raw

    def frame(self, kind: int, data: bytes, *, masked: bool = True) -> None:
        size = len(data)
        head = bytes([kind, (0x80 if masked else 0) | (size if size < 126 else 126)])
        if size >= 126:
            head += size.to_bytes(2, "big")
        self.writer.write(head + (bytes(4) if masked else b"") + data)

    async def over(self, within_s: float = 20.0) -> bytes:
        """Read everything until the server closes."""
        async with asyncio.timeout(within_s):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""
            finally:
                self.writer.close()


def test_a_client_vanishes_in_the_middle_of_an_utterance(house: House) -> None:
    async def story(house: House) -> None:
        async with house.welcome() as caller:
            await caller.say("session.update", session=PUSH_TO_TALK)
            await caller.append(b"\x30\x10" * 24_000)
            await caller.socket.send('{"type":"input_audio_buffer.clear"}')
            await caller.hear("input_audio_buffer.cleared")
            await caller.append(b"\x30\x10" * 24_000)
            frame = json.dumps({"type": "input_audio_buffer.append", "audio": "A" * 90_000})
            caller.socket.transport.write(frame.encode()[:10_000])  # half of a frame
            await caller.vanish()
        assert (await ending(house)).startswith("client_closed_1006")

    house.story(story)


def test_a_client_vanishes_during_a_response(house: House) -> None:
    async def story(house: House) -> None:
        for _ in range(10):
            async with house.welcome() as caller:
                await caller.add("tell me something long " * 20)
                await caller.say("response.create")
                await caller.hear("response.output_audio.delta")
                await caller.vanish()

    house.story(story)


def test_a_half_closed_connection_is_closed(house: House) -> None:
    """TCP allows one side to stop writing and still read, and WebSocket does not."""

    async def story(house: House) -> None:
        raw = await Raw.enter(house)
        await raw.reader.readuntil(b"session.created")
        raw.writer.write_eof()
        await raw.over(5)
        assert (await ending(house)).startswith("client_closed_")

    house.story(story)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda raw: raw.frame(0x81, b'{"type":"response.cancel"}', masked=False),
        lambda raw: raw.frame(0x83, b"no such kind of frame"),
        lambda raw: raw.frame(0x89, b"x" * 126),  # a ping is short
        lambda raw: raw.writer.write(b"\x81\xff" + (2**62).to_bytes(8, "big") + bytes(4)),
        lambda raw: raw.writer.write(b"GET / HTTP/1.1\r\n\r\n" * 100),
        lambda raw: raw.writer.write(bytes(range(256)) * 64),
    ],
    ids=["unmasked", "unknown kind", "long ping", "huge", "HTTP", "noise"],
)
def test_bytes_that_are_not_websocket_close_the_connection(house: House, wrong: object) -> None:
    async def story(house: House) -> None:
        raw = await Raw.enter(house)
        assert callable(wrong)
        wrong(raw)
        await raw.over()

    house.story(story)


def test_an_endless_fragmented_message_is_closed_as_too_big(house: House) -> None:
    async def story(house: House) -> None:
        raw = await Raw.enter(house)
        raw.frame(0x01, b'{"type":"')
        try:
            for _ in range(600):
                raw.frame(0x00, b"x" * 60_000)
                await raw.writer.drain()
        except ConnectionError:
            pass
        assert b"\x03\xf1message too big" in await raw.over()  # 1009

    house.story(story)


def test_a_client_that_never_reads_is_closed_and_costs_no_memory(house: House) -> None:
    async def story(house: House) -> None:
        before = Costs.of(house.server)
        async with house.welcome() as caller:
            link = caller.socket.transport.get_extra_info("socket")
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            caller.socket.transport.pause_reading()
            began = time.monotonic()
            wish = {"type": "realtime", "instructions": "x" * 50_000}
            frame = json.dumps({"type": "session.update", "session": wish})
            with suppress(ConnectionClosed):
                while time.monotonic() - began < 20:
                    await caller.socket.send(frame)
            assert time.monotonic() - began < 20
            during = Costs.of(house.server)
            assert during.memory - before.memory < 64 * 2**20
        assert await ending(house) in ("too slow", "client_closed_1013")

    house.story(story)


MIB = 2**20


@pytest.mark.parametrize("key", ["vv_wrong", ""])
def test_X8_half_a_frame_of_an_unauthenticated_client_is_not_kept(house: House, key: str) -> None:
    """Send 14 of 15 MiB on each of 20 connections."""

    async def story(house: House) -> None:
        before = Costs.of(house.server)
        clients = []
        for _ in range(20):
            raw = await Raw.open(house, key or "vv_" + "0" * 43)
            assert isinstance(raw, Raw)
            raw.writer.write(bytes([0x81, 0xFF]) + (15 * MIB).to_bytes(8, "big") + bytes(4))
            raw.writer.write(b"x" * (14 * MIB))
            clients.append(raw)
        most = 0
        for _ in range(20):
            await asyncio.sleep(0.05)
            most = max(most, Costs.of(house.server).memory)
        assert most - before.memory < 24 * MIB
        for raw in clients:
            assert b"invalid_api_key" in await raw.over()
            raw.writer.transport.abort()

    house.story(story)


@pytest.mark.parametrize("length", ["Content-Length: 1000000", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("path", ["/v1/realtime/client_secrets", "/api/sign-in", "/healthz"])
def test_X8_a_body_is_not_read_before_its_credential(house: House, length: str, path: str) -> None:
    async def story(house: House) -> None:
        url = urlsplit(house.server.url)
        before = Costs.of(house.server)
        links = []
        for _ in range(40):
            reader, writer = await asyncio.open_connection(url.hostname, url.port)
            writer.write(f"POST {path} HTTP/1.1\r\nHost: {url.netloc}\r\n{length}\r\n\r\n".encode())
            body = b"x" * 900_000
            writer.write(b"%x\r\n" % len(body) + body if "chunked" in length else body)
            links.append((reader, writer))
        for reader, _ in links:
            async with asyncio.timeout(10):
                assert b" 401 " in await reader.readline()
        assert Costs.of(house.server).memory - before.memory < 16 * MIB
        for _, writer in links:
            writer.transport.abort()
        await asyncio.sleep(0)

    house.story(story)


def test_the_newer_of_two_calls_keeps_the_conversation(house: House) -> None:
    async def story(house: House) -> None:
        async with house.welcome() as first:
            conversation = first.conversation
            kept = await first.add("remember this")
            async with house.welcome(f"&conversation_id={conversation}") as second:
                assert await first.end() == (4000, "conversation_continued_elsewhere")
                await second.say("conversation.item.retrieve", item_id=kept)
                shown = await second.hear("conversation.item.retrieved")
                assert shown["item"]["content"][0]["text"] == "remember this"
                assert await second.turn()

    house.story(story)


def test_twenty_concurrent_calls_on_one_conversation_leave_one(house: House) -> None:
    async def story(house: House) -> None:
        async with house.welcome() as first:
            conversation = first.conversation
            await first.add("remember this")

        async def come() -> bool:
            async with house.call(f"&conversation_id={conversation}") as caller:
                event = await caller.hear()
                if event["type"] == "error":
                    assert event["error"]["code"] == "conversation_busy"
                    return False
                try:
                    await asyncio.sleep(3)
                    await caller.turn("I am the one")
                except ConnectionClosed:
                    assert caller.socket.close_code in (4000, 1013)
                    return False
                return True

        stayed = await asyncio.gather(*(come() for _ in range(20)))
        assert stayed.count(True) == 1

    house.story(story)


def test_five_hundred_concurrent_connections_become_calls_or_are_refused_as_busy(
    house: House,
) -> None:
    async def story(house: House) -> None:
        came, busy, away = 0, 0, 0
        gone = asyncio.Event()

        async def come() -> None:
            nonlocal came, busy, away
            try:
                async with house.call() as caller:
                    event = await caller.hear()
                    if event["type"] == "session.created":
                        came += 1
                        await gone.wait()
                        return
                    assert event["error"]["code"] == "rate_limit_exceeded"
                    assert (await caller.end())[0] == 1013
                    busy += 1
            except InvalidStatus as refused:
                away += refused.response.status_code == 503

        async with asyncio.TaskGroup() as tasks:
            callers = [tasks.create_task(come()) for _ in range(500)]
            async with asyncio.timeout(60):
                while came + busy + away < 500:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
            assert 15 <= came <= 20, "as many as an assistant takes"
            gone.set()
        assert len(callers) == 500

    house.story(story)


@pytest.mark.long
def test_a_silent_connection_is_closed(house: House) -> None:
    """Connect and send nothing, or a request whose head or body never ends."""

    async def story(house: House) -> None:
        url = urlsplit(house.server.url)

        async def wait(words: bytes) -> bytes:
            reader, writer = await asyncio.open_connection(url.hostname, url.port)
            writer.write(words)
            try:
                async with asyncio.timeout(25):
                    return await reader.read()
            finally:
                writer.close()

        body = (
            f"POST /v1/realtime/client_secrets HTTP/1.1\r\nHost: {url.netloc}\r\n"
            f"Authorization: Bearer {house.key}\r\nContent-Length: 100\r\n\r\n{{"
        )
        unfinished = (b"", b"GET / HTTP/1.1\r\nHost: x\r\n", body.encode())
        for answer in await asyncio.gather(*map(wait, unfinished)):
            assert b" 408 " in answer.splitlines()[0]
            assert json.loads(answer.splitlines()[-1])["error"]["code"] == "invalid_request"

    house.story(story)


def test_endless_headers_are_refused(house: House) -> None:
    async def story(house: House) -> None:
        url = urlsplit(house.server.url)
        _, writer = await asyncio.open_connection(url.hostname, url.port)
        before = Costs.of(house.server)
        writer.write(b"GET / HTTP/1.1\r\n")
        try:
            for number in range(2000):
                writer.write(f"X-{number}: {'x' * 8000}\r\n".encode())
                await writer.drain()
        except ConnectionError:
            pass
        assert Costs.of(house.server).memory - before.memory < 16 * 2**20
        writer.close()

    house.story(story)


def test_refused_connections_that_stay_open_do_not_block_new_ones(tmp_path: Path) -> None:
    """Keep refused connections open. A new connection replaces the oldest of them."""

    async def story(house: House) -> None:
        stayed = []
        for _ in range(30):
            raw = await Raw.open(house, "vv_guess")
            assert isinstance(raw, Raw), raw
            stayed.append(raw)
            async with asyncio.timeout(5):  # until it read the refusal
                told = await raw.reader.readuntil(b"invalid_request_error.invalid_api_key")
            assert b'"invalid_api_key"' in told
        began = time.monotonic()
        async with house.welcome() as caller:
            assert await caller.turn()
        for raw in stayed[:25]:  # disconnected before the close handshake's timeout
            await raw.over(1.0)
        assert time.monotonic() - began < 4

    with serve(tmp_path, VIVAVOCE_CALLS__MAX_PENDING_CONNECTIONS="5", **QUIET) as server:
        House(server, server.key()).story(story)


@pytest.mark.long
def test_ten_minutes_of_silence_and_audio_at_fifty_times_real_time(house: House) -> None:
    async def story(house: House) -> None:
        before = Costs.of(house.server)
        async with house.welcome() as caller:
            for _ in range(600):
                await caller.append(
                    bytes(48_000)
                )  # one second of audio, 600 times, as fast as possible
            await caller.say("input_audio_buffer.clear")
            await caller.hear("input_audio_buffer.cleared")
            assert [e["type"] for e in caller.heard] == [
                "session.created", "input_audio_buffer.cleared",
            ]  # fmt: skip
            assert await caller.turn()
            assert Costs.of(house.server).memory - before.memory < 32 * 2**20

    house.story(story)


def test_audio_that_is_never_committed_is_discarded(house: House) -> None:
    """A push-to-talk button is stuck: fifty minutes of audio arrive in one minute."""

    async def story(house: House) -> None:
        async with house.welcome() as caller:
            await caller.say("session.update", session=PUSH_TO_TALK)
            await caller.hear("session.updated")
            before = Costs.of(house.server)
            for _ in range(100):
                await caller.append(b"\x30\x10" * 720_000)  # half a minute
            await caller.say("input_audio_buffer.commit")
            await caller.hear("input_audio_buffer.committed")
            assert Costs.of(house.server).memory - before.memory < 48 * 2**20
            assert await caller.turn()

    house.story(story)
