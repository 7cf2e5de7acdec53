"""Engines and clients with known results and known durations."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from vivavoce.audio import pcm as audio
from vivavoce.core.inputs import AudioReceived
from vivavoce.core.ledger import Word
from vivavoce.core.types import Transcript
from vivavoce.engines.base import AudioChunk, GenerateRequest, OnTranscript, VoiceRequest
from vivavoce.errors import EngineError, StoreError
from vivavoce.protocol import codec
from vivavoce.protocol.client import AudioAppend, ClientEvent
from vivavoce.protocol.items import FunctionCall
from vivavoce.protocol.server import AudioDelta, ServerEvent, Usage
from vivavoce.runtime.client import Client
from vivavoce.store.base import Change, ItemRow, ResponseRow

from .official import accept

Event = TypeVar("Event", bound=ServerEvent)


def now() -> float:
    return round(asyncio.get_running_loop().time(), 3)


@dataclass
class FakeStt:
    """Transcribes the first word with the first audio, and the rest at the end.

    `speed`: factor of real time. None: as fast as audio arrives.
    """

    takes_s: float = 0.2
    broken: Exception | None = None
    speed: float | None = None
    heard_ms: list[int] = field(default_factory=list)
    quiet_at: list[float] = field(default_factory=list)  # when it got the empty piece of a silence
    open: int = 0  # utterances that it hears
    most: int = 0  # … at once, until now

    async def listen(
        self,
        sound: AsyncIterator[bytes],
        stable: OnTranscript,
        *,
        language: str | None = None,
        logprobs: bool = False,
    ) -> Transcript:
        self.open += 1
        self.most = max(self.most, self.open)
        heard = 0  # bytes
        try:
            async for pcm in sound:
                if not pcm:
                    self.quiet_at.append(now())
                elif not heard:
                    await stable("what")
                heard += len(pcm)
                if self.speed:
                    await asyncio.sleep(audio.duration_ms(pcm) / 1000 / self.speed)
            self.heard_ms.append(heard // audio.BYTES_PER_MS)
            await asyncio.sleep(self.takes_s)
        finally:
            self.open -= 1
        if self.broken:
            raise self.broken
        return Transcript("what time is it")


@dataclass
class FakeBrain:
    pieces: Sequence[str | FunctionCall]
    first_token_s: float = 0.3
    broken: Exception | None = None

    async def generate(
        self, question: GenerateRequest
    ) -> AsyncGenerator[str | FunctionCall | Usage, None]:
        await asyncio.sleep(self.first_token_s)
        for piece in self.pieces:
            yield piece
        if self.broken:
            raise self.broken


@dataclass
class FakeTts:
    first_audio_s: float = 0.1
    chunks: int = 3
    chunk_s: float = 0.02
    spoken: list[str] = field(default_factory=list)
    stopped_at: list[float] = field(default_factory=list)
    made: int = 0

    async def speak(self, text: str, voice: VoiceRequest) -> AsyncGenerator[AudioChunk, None]:
        try:
            await asyncio.sleep(self.first_audio_s)
            for i in range(self.chunks):
                self.made += 1
                words = () if i else (Word(text, 0),)
                yield AudioChunk(pcm=audio.silence(100), words=words)
                await asyncio.sleep(self.chunk_s)
            self.spoken.append(text)
        except (asyncio.CancelledError, GeneratorExit):
            self.stopped_at.append(now())
            raise


@dataclass
class FakeJudge:
    """Scores pauses after a given time, with given probabilities."""

    says: Sequence[float | None] = (1.0,)
    takes_s: float = 0.1
    broken: Exception | None = None
    heard_ms: list[int] = field(default_factory=list)
    stopped: int = 0

    async def over(self, sound: bytes) -> float | None:
        self.heard_ms.append(audio.duration_ms(sound))
        try:
            await asyncio.sleep(self.takes_s)
        except asyncio.CancelledError:
            self.stopped += 1
            raise
        if self.broken:
            raise self.broken
        return self.says[min(len(self.heard_ms), len(self.says)) - 1]


WINDOW = 4  # frames that the network holds for a client that does not read


@dataclass
class FakeWire:
    """A connection whose far end reads one event per interval. Keeps events and times."""

    read_every_s: float = 0.0
    heard: list[tuple[float, ServerEvent]] = field(default_factory=list)
    closed: tuple[float, int, str] | None = None
    reading: bool = True
    client: Client | None = None
    _pipe: deque[bytes] = field(default_factory=deque)

    @property
    def full(self) -> bool:
        return len(self._pipe) >= WINDOW

    def write(self, data: bytes | bytearray | memoryview) -> None:
        data = bytes(data)
        if not self.read_every_s:
            self._hear(data)
            return
        self._pipe.append(data)
        if len(self._pipe) == 1:
            asyncio.get_running_loop().call_later(self.read_every_s, self._read)

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def close(self, code: int, reason: str) -> None:
        assert self.closed is None, "closed twice"
        self.closed = (now(), code, reason)

    def script(self, events: Sequence[tuple[float, ClientEvent]], hang_up_at: float) -> None:
        """Send these events at their times, then hang up."""
        assert self.client is not None
        loop = asyncio.get_running_loop()
        for at, event in events:
            loop.call_at(at, self.client.frame, codec.encode(event))
        loop.call_at(hang_up_at, self.client.lost, 1000, "")

    def say(self, data: bytes) -> None:
        assert self.client is not None
        self.client.frame(data)

    def all(self, kind: type[Event]) -> list[tuple[float, Event]]:
        return [(at, e) for at, e in self.heard if isinstance(e, kind)]

    def first(self, kind: type[Event]) -> tuple[float, Event]:
        return self.all(kind)[0]

    @property
    def audio_chunks(self) -> int:
        return len(self.all(AudioDelta))

    def _hear(self, data: bytes) -> None:
        accept(data)
        event = codec.decode_server(data)
        assert event is not None
        self.heard.append((now(), event))

    def _read(self) -> None:
        self._hear(self._pipe.popleft())
        if self._pipe:
            asyncio.get_running_loop().call_later(self.read_every_s, self._read)
        if self.client is not None and self.closed is None:
            self.client.writable()


@dataclass
class SlowStore:
    """A store with a chosen delay, which can fail."""

    takes_s: float = 0.0
    broken: bool = False
    rows: dict[str, ItemRow] = field(default_factory=dict)
    responses: dict[str, ResponseRow] = field(default_factory=dict)
    batches: list[int] = field(default_factory=list)

    async def commit(self, changes: Sequence[Change]) -> None:
        await asyncio.sleep(self.takes_s)
        if self.broken:
            raise StoreError("disk full")
        self.batches.append(len(changes))
        for change in changes:
            self.rows |= {row.item.id: row for row in change.items}
            self.responses |= {row.id: row for row in change.responses}
            for item_id in change.deleted:
                self.rows.pop(item_id, None)


LOUD = b"\xff\x7f" * (audio.FRAME_MS * audio.BYTES_PER_MS // 2)
QUIET = audio.silence(audio.FRAME_MS)
FRAME_S = audio.FRAME_MS / 1000


class ExactDecoder:
    """Scores every frame that is not silent as speech, at the end of the frame."""

    def __init__(self) -> None:
        self._frame = b""

    def decode(self, data: bytes) -> Iterator[AudioReceived]:
        for start in range(0, len(data), 3 * len(LOUD)):
            piece = data[start : start + 3 * len(LOUD)]
            self._frame += piece
            verdicts = []
            while len(self._frame) >= len(LOUD):
                verdicts.append(float(any(self._frame[: len(LOUD)])))
                self._frame = self._frame[len(LOUD) :]
            yield AudioReceived(piece, tuple(verdicts))

    def held_back(self) -> Iterator[AudioReceived]:
        return iter(())


def speech(start: float, end: float) -> list[tuple[float, ClientEvent]]:
    """32 ms packets: loud from start to end, then half a second of quiet."""
    frames = round((end - start) / FRAME_S)
    sound = [LOUD] * frames + [QUIET] * 16
    return [(start + FRAME_S * i, AudioAppend(audio=pcm)) for i, pcm in enumerate(sound)]


BROKEN = EngineError("the model is on fire")
