"""espeak-ng, in a process of its own: 100 languages, first sound in a millisecond, word times.

The process is `vivavoce_espeak`, a package under another licence. The server starts it and talks
with it, and never imports it (its README describes the pipe). One process serves all calls, because
a sentence takes a few milliseconds. If it dies, the running requests fail and the next one starts
another process.

Each speaker has at most `PORTION` characters in the making. So the queues are bounded, and a long
text does not delay the first word of other calls.
"""

from __future__ import annotations

import asyncio
import importlib.util
import struct
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

import msgspec

from ...audio.pcm import SAMPLE_RATE
from ...audio.resample import Resampler
from ...errors import EngineError
from ..base import AudioChunk, VoiceRequest
from ..child_process import command, environment
from .chunking import SpeechChunker, portions

MODULE = "vivavoce_espeak"
PORTION = 300  # characters
LONGEST_FRAME = 4 * 1024 * 1024  # bytes; 40 ms of sound and the names of all voices are far less
START_S = 20.0  # a machine may be busy when the first call comes
DEADLINE_S = 10.0  # between two pieces of sound
SLOWEST = 80  # words a minute; slower than that only by pausing between words
GAP_AT_HALF = 23  # the pause that makes 80 words a minute 40
STOPPED = "espeak stopped"
_LENGTHS = struct.Struct(">II")


@dataclass(frozen=True, slots=True)
class Timbre:
    variant: str
    pitch: int
    range: int
    rate: int  # words a minute
    accent: str = "us"  # of English


# The protocol's ten voices, 77 to 270 Hz; where two are close in pitch they differ in colour. A
# test measures that every two sound different.
TIMBRES = {
    "alloy": Timbre("", 53, 50, 172),
    "ash": Timbre("m3", 35, 45, 165),
    "ballad": Timbre("m7", 54, 70, 155, "gb"),
    "coral": Timbre("f2", 58, 60, 165),
    "echo": Timbre("m1", 34, 40, 170),
    "sage": Timbre("f5", 44, 45, 160),
    "shimmer": Timbre("f4", 80, 65, 180),
    "verse": Timbre("m2", 78, 75, 180, "gb"),
    "marin": Timbre("Annie", 58, 60, 172),
    "cedar": Timbre("Andy", 30, 45, 162),
}

# What people write, where espeak-ng knows only more exact names.
_LANGUAGES = {"fr": "fr-fr", "zh": "cmn", "no": "nb", "nn": "nb"}
_SPOKEN = """
af am an ar as az ba be bg bn bpy bs ca chr cmn cs cv cy da de el en eo es et eu fa fi fo fr ga gd
gn grc gu hak haw he hi hr ht hu hy hyw ia id io is it ja jbo ka kaa kk kl kn ko kok ku ky la lb lfn
lt ltg lv mi mk ml mr ms mt mto my nb nci ne nl nog om or pa pap piqd pl pt py qdb qu quc qya ro ru
sd shn si sjn sk sl smj sq sr sv sw ta te th ti tk tn tr tt ug uk ur uz vi xex yue
"""
LANGUAGES = frozenset(_SPOKEN.split()) | frozenset(_LANGUAGES)
"""The languages of the library's voices, without regions."""


class _Ready(msgspec.Struct, frozen=True, tag="ready", tag_field="type"):
    rate: int
    voices: dict[str, str]


class _Sound(msgspec.Struct, frozen=True, tag="sound", tag_field="type"):
    id: int
    words: list[tuple[int, int]]
    pcm: bytes = b""


class _End(msgspec.Struct, frozen=True, tag="end", tag_field="type"):
    id: int


class _Error(msgspec.Struct, frozen=True, tag="error", tag_field="type"):
    id: int | None
    message: str


# The frames of one portion, and None at its end. Bounded by the portion's length.
_Frames = asyncio.Queue[_Sound | EngineError | None]

_decoder = msgspec.json.Decoder(_Ready | _Sound | _End | _Error)
_encoder = msgspec.json.Encoder()


def installed() -> bool:
    """Look for the process's package without importing it."""
    return importlib.util.find_spec(MODULE) is not None


class Espeak:
    """Speaks for all calls of this process. `close` it."""

    voices = tuple(TIMBRES)

    def __init__(self, *, deadline_s: float = DEADLINE_S) -> None:
        self._deadline_s = deadline_s
        self._process: _Process | None = None
        self._starting = asyncio.Lock()

    async def warm(self) -> None:
        """Start the process and let it load its voices before the first call."""
        async for _ in self.speak("Hello.", VoiceRequest(name="marin")):
            pass

    async def speak(self, text: str, voice: VoiceRequest) -> AsyncGenerator[AudioChunk, None]:
        """Speak a text. Raises `EngineError` for an unknown voice: calls check the name earlier."""
        timbre = TIMBRES.get(voice.name)
        if timbre is None:
            raise EngineError(f"espeak has no voice {voice.name!r}", "voice_not_found")
        for portion in portions(text, PORTION):
            process = await self._running()
            resampler = Resampler(process.rate, SAMPLE_RATE)
            pieces = SpeechChunker(portion)
            name, frames = process.speak(_request(portion, voice, timbre, process.voices))
            try:
                while (frame := await self._next(frames, process)) is not None:
                    ready = pieces.push(resampler.push(frame.pcm), frame.words)
                    for piece in ready:
                        yield piece
            finally:
                process.forget(name)
            for piece in pieces.finish(resampler.push(b"", last=True)):
                yield piece

    async def close(self) -> None:
        if self._process is not None:
            await self._process.close()
            self._process = None

    async def _next(self, frames: _Frames, process: _Process) -> _Sound | None:
        try:
            async with asyncio.timeout(self._deadline_s):
                frame = await frames.get()
        except TimeoutError:
            process.kill()
            raise EngineError("espeak did not answer in time", "engine_timeout") from None
        if isinstance(frame, EngineError):
            raise frame
        return frame

    async def _running(self) -> _Process:
        async with self._starting:
            if self._process is None or not self._process.alive:
                await self.close()
                self._process = await _start()
            return self._process


def _request(
    text: str, voice: VoiceRequest, timbre: Timbre, identifiers: dict[str, str]
) -> dict[str, object]:
    base = _identifier(voice.language or "en", timbre, identifiers)
    wanted = timbre.rate * min(max(voice.speed, 0.25), 1.5)
    return {
        "text": text,
        "voice": f"{base}+{timbre.variant}" if timbre.variant else base,
        "pitch": timbre.pitch,
        "range": timbre.range,
        "rate": max(round(wanted), SLOWEST),
        "gap": round(GAP_AT_HALF * max(SLOWEST / wanted - 1, 0)),
    }


def _identifier(language: str, timbre: Timbre, identifiers: dict[str, str]) -> str:
    """Return the library's name for a language, or English for one that it does not speak."""
    exact = language.lower().replace("_", "-")
    short = exact.partition("-")[0]
    wanted = [exact, _LANGUAGES.get(exact, ""), short, _LANGUAGES.get(short, "")]
    regional = [code for code in identifiers if code.startswith(short + "-")]
    if exact == "en":
        wanted, regional = [f"en-{timbre.accent}"], []
    for code in (*wanted, *regional, f"en-{timbre.accent}"):
        if code in identifiers:
            return identifiers[code]
    return "en"


async def _start() -> _Process:
    if not installed():
        raise EngineError("the package vivavoce-espeak is not installed")
    try:
        _, process = await asyncio.get_running_loop().subprocess_exec(
            _Process, *command(MODULE), env=environment(MODULE)
        )
    except OSError as error:
        raise EngineError(f"espeak cannot be started: {error.strerror}") from None
    try:
        async with asyncio.timeout(START_S):
            await asyncio.shield(process.ready)
            if not process.rate > 0:
                raise EngineError("espeak named no rate of its sound")
    except BaseException as error:
        process.kill()
        await process.close()
        if isinstance(error, TimeoutError):
            raise EngineError("espeak did not start in time", "engine_timeout") from None
        raise
    return process


class _Process(asyncio.SubprocessProtocol):
    """The pipe: callbacks, so that no task must be supervised."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[None] = loop.create_future()
        self.rate = 0
        self.voices: dict[str, str] = {}
        self.alive = True
        self._gone: asyncio.Future[None] = loop.create_future()
        self._received = bytearray()
        self._complaint = b""
        self._waiting: dict[int, _Frames] = {}
        self._names = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.SubprocessTransport", transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 2:
            self._complaint = (self._complaint + data)[-2000:]
            return
        self._received += data
        while len(self._received) >= _LENGTHS.size:
            head, sound = _LENGTHS.unpack_from(self._received)
            end = _LENGTHS.size + head + sound
            if end > LONGEST_FRAME:  # it is out of step, and no more of it can be understood
                self._received.clear()
                self.kill()
                return
            if len(self._received) < end:
                return
            message = bytes(self._received[_LENGTHS.size : end])
            del self._received[:end]
            self._take(message[:head], message[head:])

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == 1:
            self._fail()

    def process_exited(self) -> None:
        self._fail()

    def connection_lost(self, exc: Exception | None) -> None:
        """Comes last: by now it has said why."""
        self._fail()
        if not self.ready.done():
            reason = self._complaint.decode(errors="replace").strip()
            self.ready.set_exception(EngineError(reason or STOPPED))
            self.ready.exception()  # without a waiting caller, asyncio must not warn
        self._gone.set_result(None)

    def speak(self, request: dict[str, object]) -> tuple[int, _Frames]:
        self._names += 1
        frames = self._waiting[self._names] = _Frames()
        if self.alive:
            self._write({"type": "speak", "id": self._names, **request})
        if not self.alive and self._waiting.pop(self._names, None) is not None:
            frames.put_nowait(EngineError(STOPPED))
        return self._names, frames

    def forget(self, name: int) -> None:
        """Cancel a request: the process makes no more of it."""
        if self._waiting.pop(name, None) is not None and self.alive:
            self._write({"type": "cancel", "id": name})

    def kill(self) -> None:
        self._fail()
        with suppress(ProcessLookupError):
            self._transport.kill()

    async def close(self) -> None:
        """End its input, and kill it if it does not end."""
        if (pipe := self._transport.get_pipe_transport(0)) is not None:
            pipe.close()
        try:
            async with asyncio.timeout(2):
                await asyncio.shield(self._gone)
        except TimeoutError:
            self.kill()
            await asyncio.shield(self._gone)
        finally:
            self._transport.close()

    def _write(self, message: dict[str, object]) -> None:
        data = _encoder.encode(_clean(message))
        pipe = cast("asyncio.WriteTransport | None", self._transport.get_pipe_transport(0))
        try:
            if pipe is None or pipe.is_closing():
                raise BrokenPipeError
            pipe.write(_LENGTHS.pack(len(data), 0) + data)
        except (OSError, RuntimeError):  # it dies as it is asked; uvloop says so by the latter
            self._fail()

    def _take(self, head: bytes, pcm: bytes) -> None:
        try:
            message = _decoder.decode(head)
        except (ValueError, RecursionError):
            self.kill()
            return
        match message:
            case _Ready(rate=rate, voices=voices):
                self.rate, self.voices = rate, voices
                if not self.ready.done():
                    self.ready.set_result(None)
            case _Sound(id=name, words=words) if name in self._waiting:
                self._waiting[name].put_nowait(_Sound(name, words, pcm))
            case _End(id=name) if name in self._waiting:
                self._waiting.pop(name).put_nowait(None)
            case _Error(id=int(name), message=text) if name in self._waiting:
                self._waiting.pop(name).put_nowait(EngineError(text))

    def _fail(self) -> None:
        self.alive = False
        error = EngineError(STOPPED)
        for frames in self._waiting.values():
            frames.put_nowait(error)
        self._waiting.clear()


def _clean(message: dict[str, object]) -> dict[str, object]:
    """Replace half a surrogate pair, which a pipe cannot carry."""
    text = message.get("text")
    if not isinstance(text, str):
        return message
    return {**message, "text": text.encode("utf-8", "replace").decode()}
