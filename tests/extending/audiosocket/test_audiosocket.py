"""Hold the transport to the contract of transports."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from vivavoce_audiosocket import (
    AUDIO,
    DIGIT,
    ERROR,
    FRAMES_AT_ONCE,
    HANG_UP,
    HELD_BACK,
    LINE,
    RATE,
    AudioSocket,
    audiosocket,
)  # fmt: skip

from vivavoce.api import SAMPLE_RATE, Resampler
from vivavoce.testing.contracts import transport
from vivavoce.testing.live import live
from vivavoce.testing.transports import CREDENTIAL, Bench, listening

SALES = UUID("40325ec2-5efd-4bd3-805f-53576e581d13")
SMALL = 4096  # bytes of a client's socket


def frame(kind: int, payload: bytes = b"") -> bytes:
    return bytes([kind]) + len(payload).to_bytes(2) + payload


class Asterisk:
    """The other end of an AudioSocket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._up, self._down = Resampler(SAMPLE_RATE, RATE), Resampler(RATE, SAMPLE_RATE)
        self._heard = bytearray()
        self.kinds: list[int] = []
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def call(cls, endpoint: AudioSocket, first: bytes = frame(LINE, SALES.bytes)) -> Asterisk:
        """Connect, and send the first frame."""
        line = socket.socket()
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
        line.setblocking(False)
        await asyncio.get_running_loop().sock_connect(line, ("127.0.0.1", endpoint.port))
        peer = cls(*await asyncio.open_connection(sock=line, limit=SMALL))
        await peer.send(first)
        return peer

    async def _read(self) -> None:
        try:
            while header := await self._reader.readexactly(3):
                payload = await self._reader.readexactly(int.from_bytes(header[1:]))
                self.kinds.append(header[0])
                if header[0] == AUDIO:
                    assert len(payload) == 320
                    self._heard += self._down.push(payload)
        except (asyncio.IncompleteReadError, ConnectionError):
            self._writer.transport.abort()

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    @property
    def heard(self) -> bytes:
        return bytes(self._heard)

    async def speak(self, pcm: bytes) -> None:
        sound = self._up.push(pcm, last=True)
        for at in range(0, len(sound), 320):
            await self.send(frame(AUDIO, sound[at : at + 320]))

    async def hang_up(self) -> None:
        await self.send(frame(HANG_UP))

    async def vanish(self) -> None:
        self._writer.transport.abort()
        self._reading.cancel()
        await asyncio.wait([self._reading])

    async def stop_reading(self) -> None:
        self._reading.cancel()
        await asyncio.wait([self._reading])

    async def disconnected(self) -> None:
        await asyncio.wait([self._reading])


def table(folder: Path, credential: str) -> dict[str, object]:
    (folder / "key").write_text(credential + "\n")
    lines = {str(SALES): {"assistant": "sales", "language": "de"}}
    return {"port": 0, "key_file": str(folder / "key"), "lines": lines, "line_within_s": 0.5}


def sends(first: bytes) -> Callable[[AudioSocket], object]:
    return lambda endpoint: Asterisk.call(endpoint, first)


STRANGERS = {
    "an unknown line": frame(LINE, bytes(16)),
    "no line": frame(AUDIO, bytes(320)),
    "half a line": frame(LINE, SALES.bytes[:8]),
    "a frame that does not end": frame(LINE, SALES.bytes)[:9],
    "another protocol": b"GET / HTTP/1.1\r\n\r\n" + bytes(70_000),
    "nothing": b"",
}
CASE = transport.Case(
    spec=audiosocket,
    table=table,
    connect=Asterisk.call,
    strangers=tuple(map(sends, STRANGERS.values())),  # type: ignore[arg-type]
)


@pytest.mark.parametrize("check", transport.CHECKS)
def test_the_transport_keeps_the_contract(check: transport.Check) -> None:
    check(CASE)


def test_a_line_decides_the_query_of_its_call(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        peer = await Asterisk.call(bench.endpoint)
        request = (await bench.call()).request
        assert request.query == {"client_tools": "", "assistant": "sales", "language": "de"}
        assert (request.transport, request.audio) == ("audiosocket", "media")
        await peer.vanish()

    run(story, tmp_path)


def test_digits_are_a_message_of_the_user(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        peer = await Asterisk.call(bench.endpoint)
        call = await bench.call()
        await peer.send(b"".join(frame(DIGIT, key.encode()) for key in "12*3#"))
        await peer.hang_up()
        async with asyncio.timeout(3):
            await call.over.wait()
            await peer.disconnected()
        created, answer = map(str, call.events)
        assert "text='12*3'" in created
        assert answer.startswith("ResponseCreate(")

    run(story, tmp_path)


@pytest.mark.parametrize(
    "bad", [frame(AUDIO, bytes(3)), frame(ERROR, b"\x01"), frame(LINE, SALES.bytes), b"\x10\xff"]
)
def test_a_client_that_breaks_the_protocol_or_falls_silent_is_disconnected(
    bad: bytes, tmp_path: Path
) -> None:
    async def story(bench: Bench) -> None:
        peer = await Asterisk.call(bench.endpoint)
        call = await bench.call()
        await peer.send(bad)
        async with asyncio.timeout(5):
            await peer.disconnected()
            await call.over.wait()

    run(story, tmp_path, silent_s=0.5)


def test_short_frames_let_other_calls_have_their_turn(tmp_path: Path) -> None:
    count, rate = 20_000, SAMPLE_RATE // RATE
    most = [0]

    async def story(bench: Bench) -> None:
        peer = await Asterisk.call(bench.endpoint)
        call = await bench.call()
        sending = asyncio.create_task(peer.send(frame(AUDIO, bytes(2)) * count))
        before = 0
        async with asyncio.timeout(20):
            while before < (count * 2 - len(HELD_BACK)) * rate:
                await asyncio.sleep(0)  # one turn of the event loop
                most.append(len(call.heard) - before)
                before = len(call.heard)
        await sending
        await peer.vanish()

    run(story, tmp_path)
    assert max(most) <= FRAMES_AT_ONCE * 2 * rate * 2


def test_more_clients_than_allowed_are_not_accepted(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        first = await Asterisk.call(bench.endpoint)
        await bench.call()
        second = await Asterisk.call(bench.endpoint, b"")
        async with asyncio.timeout(3):
            await second.disconnected()
        assert len(bench.calls) == 1
        await first.vanish()

    run(story, tmp_path, max_connections=1)


def run(story: Callable[[Bench], object], folder: Path, **options: object) -> None:
    async def told() -> None:
        async with listening(audiosocket, table(folder, CREDENTIAL) | options) as bench:
            await story(bench)  # type: ignore[misc]

    live(told())
