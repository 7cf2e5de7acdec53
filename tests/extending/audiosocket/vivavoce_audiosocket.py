"""Take telephone calls of Asterisk by AudioSocket: frames of audio over TCP.

A frame is one byte with its kind, two bytes with the length of its payload, and the payload.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from pathlib import Path
from typing import cast
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from vivavoce.api import (
    SAMPLE_RATE,
    CallRefused,
    Endpoint,
    MediaClient,
    Resampler,
    TransportServices,
    TransportSpec,
)

log = logging.getLogger("vivavoce_audiosocket")

HANG_UP, LINE, DIGIT, AUDIO, ERROR = 0x00, 0x01, 0x03, 0x10, 0xFF
RATE = 8000
PACKET = RATE // 50 * 2  # bytes of 20 ms
HELD_BACK = bytes(RATE // 1000 * 3 * 2)  # 3 ms: what a resampler keeps back at the beginning
UNSENT = 4096  # bytes in the socket, 0.25 s: a slow client is seen early, and a hush is heard early
MAX_DIGITS = 32
FRAMES_AT_ONCE = 64  # then other calls have their turn: a frame may be as short as three bytes
NORMAL, ABNORMAL = 1000, 1006  # close codes


class Options(BaseModel):
    """The table `[transports.audiosocket]` in vivavoce.toml."""

    model_config = ConfigDict(extra="forbid")
    host: str = "127.0.0.1"
    port: int = Field(9092, ge=0, le=65535)
    key_file: Path  # holds an API key of the server: each call is a call of this key
    lines: dict[UUID, dict[str, str]]  # the query of a call by the UUID in Asterisk's dialplan
    max_connections: int = Field(100, ge=1)
    line_within_s: float = Field(5.0, gt=0)  # a new connection names its line within this time
    close_within_s: float = Field(1.0, gt=0)  # a client reads the hang-up within this time
    silent_s: float = Field(30.0, gt=0)  # Asterisk sends audio all the time, unless it is gone


class AudioSocket:
    """Listens for Asterisk."""

    def __init__(self, services: TransportServices) -> None:
        self.services = services
        self.options: Options = services.options
        self.connections: set[AudioConnection] = set()
        self.key = ""
        self.port = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. Raises `OSError` if the key file or the port cannot be used."""
        self.key = (await asyncio.to_thread(self.options.key_file.read_text, "utf-8")).strip()
        loop = asyncio.get_running_loop()
        make = lambda: AudioConnection(self)  # noqa: E731
        self._server = await loop.create_server(make, self.options.host, self.options.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Listen no more, and close what is still connected."""
        if self._server is not None:
            self._server.close()
            for connection in list(self.connections):
                connection.abort()
            await self._server.wait_closed()


class AudioConnection(asyncio.Protocol):
    """One telephone call. The server writes 20 ms of audio at a time to it."""

    def __init__(self, endpoint: AudioSocket) -> None:
        self._endpoint = endpoint
        self._loop = asyncio.get_running_loop()
        self._client: MediaClient | None = None
        self._received = bytearray()
        self._digits = ""
        self._setting_up = self._paused = self._turning = self._hung_up = self._closing = False
        self._heard_at = 0.0
        self.full = False
        self._from_line = Resampler(RATE, SAMPLE_RATE)
        self._to_line, self._unframed = Resampler(SAMPLE_RATE, RATE), HELD_BACK

    # asyncio calls these

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Give a new connection some seconds to name its line."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=UNSENT)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNSENT)
        self._timer = self._loop.call_later(self._endpoint.options.line_within_s, self.abort)
        if len(self._endpoint.connections) >= self._endpoint.options.max_connections:
            self.abort()
        self._endpoint.connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Take the frames that are complete. A frame has at most 64 kB."""
        self._received += data
        self._heard_at = self._loop.time()
        if not self._turning:
            self._take_frames()

    def _take_frames(self) -> None:
        """Take some frames. The others wait until the event loop has done other work."""
        self._turning = False
        for _ in range(FRAMES_AT_ONCE):
            end = 3 + int.from_bytes(self._received[1:3])
            if self._over or self._setting_up or self._paused or len(self._received) < end:
                break
            kind, payload = self._received[0], bytes(self._received[3:end])
            del self._received[:end]
            self._take(kind, payload)
        else:
            self._turning = True
            self._loop.call_soon(self._take_frames)
        self._pace_reading()

    @property
    def _over(self) -> bool:
        return self._hung_up or self._closing

    def pause_writing(self) -> None:
        """Note that the client does not read: playback is held."""
        self.full = True

    def resume_writing(self) -> None:
        """Go on with playback."""
        self.full = False
        if self._client is not None:
            self._client.writable()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the call."""
        self._timer.cancel()
        self._closing = True
        self._endpoint.connections.discard(self)
        if self._client is not None:
            self._client.lost(NORMAL if self._hung_up else ABNORMAL, "")

    # The server calls these

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send 20 ms of audio, PCM16 at 24 kHz."""
        self._unframed += self._to_line.push(bytes(data))
        while len(self._unframed) >= PACKET:
            packet, self._unframed = self._unframed[:PACKET], self._unframed[PACKET:]
            self._send(AUDIO, packet)

    def pause_reading(self) -> None:
        """Read nothing more: the recogniser is behind."""
        self._paused = True
        self._pace_reading()

    def resume_reading(self) -> None:
        """Read on, after the frames that wait."""
        self._paused = False
        self._heard_at = self._loop.time()
        if not self._turning:
            self._turning = True
            self._loop.call_soon(self._take_frames)

    def close(self, code: int, reason: str) -> None:
        """Hang up. A client that does not read that soon is disconnected."""
        if not self._closing:
            self._closing = True
            self._send(HANG_UP, b"")
            self._transport.close()
            self._timer.cancel()
            self._timer = self._loop.call_later(self._endpoint.options.close_within_s, self.abort)

    def abort(self) -> None:
        """Disconnect at once."""
        self._closing = True
        self._transport.abort()

    def _pace_reading(self) -> None:
        """Read only what can be taken, so that little waits in memory."""
        stop = self._setting_up or self._paused or self._turning
        if not self._transport.is_closing():
            (self._transport.pause_reading if stop else self._transport.resume_reading)()

    def _send(self, kind: int, payload: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(bytes([kind]) + len(payload).to_bytes(2) + payload)

    # Frames

    def _take(self, kind: int, payload: bytes) -> None:
        if self._client is None:
            self._begin(kind, payload)
        elif kind == AUDIO and len(payload) % 2 == 0:
            self._client.feed_audio(self._from_line.push(payload))
        elif kind == DIGIT and len(payload) == 1:
            self._press(payload.decode("latin-1"))
        elif kind == HANG_UP:
            self._hung_up = True
            self._transport.close()
        elif kind in (AUDIO, DIGIT, LINE, ERROR):  # of unknown kinds nothing is expected
            log.warning("bad_frame", extra={"kind": kind, "bytes": len(payload)})
            self.abort()

    def _begin(self, kind: int, payload: bytes) -> None:
        """Set up the call of the line that the first frame names."""
        line = UUID(bytes=payload) if kind == LINE and len(payload) == 16 else None
        if line not in self._endpoint.options.lines or line is None:
            log.warning("unknown_line")
            self.abort()
            return
        self._timer.cancel()
        self._setting_up = True  # what follows waits until the call is set up
        self._endpoint.services.spawn(self._call(self._endpoint.options.lines[line]))

    async def _call(self, query: dict[str, str]) -> None:
        try:
            async with self._endpoint.services.call(self._endpoint.key, query) as call:
                if self._closing:  # the client has left
                    return
                self._client = call.attach_media(self)
                self._setting_up = False
                self.resume_reading()
                self._check_silence()
                await call.run()
        except CallRefused:
            pass  # the server has logged it, and a telephone has no words for the reason
        finally:
            self.close(NORMAL, "")

    def _check_silence(self) -> None:
        """Disconnect a client that vanished without a word."""
        left_s = self._heard_at + self._endpoint.options.silent_s - self._loop.time()
        if left_s <= 0 and not self._paused:
            self.abort()
        else:
            self._timer = self._loop.call_later(max(left_s, 1.0), self._check_silence)

    def _press(self, digit: str) -> None:
        """Collect digits. The key # sends them, as a message of the user."""
        assert self._client is not None
        if digit != "#":
            self._digits = (self._digits + digit)[-MAX_DIGITS:]
            return
        content = [{"type": "input_text", "text": self._digits}]
        item = {"type": "message", "role": "user", "content": content}
        self._client.frame(json.dumps({"type": "conversation.item.create", "item": item}).encode())
        self._client.frame(b'{"type": "response.create"}')
        self._digits = ""


async def make(services: TransportServices) -> Endpoint:
    """Make the endpoint of this server."""
    return AudioSocket(services)


audiosocket = TransportSpec(name="audiosocket", make=make, settings_model=Options)
