"""A simulated caller with a headset: an open microphone, and a loudspeaker.

Audio is sent in frames of 20 ms, each when its last sample would have been recorded. An onset is
the time of the first loud sample, not of its frame: the delay of the frame counts too.
"""

from __future__ import annotations

import asyncio
import base64
import time
import wave
from collections import deque
from pathlib import Path
from typing import Self

import msgspec
import numpy as np

from vivavoce.audio.pcm import BYTES_PER_MS, SAMPLE_RATE, duration_ms
from vivavoce.audio.resample import Resampler
from vivavoce.core.types import Frame
from vivavoce.net.dial import dial
from vivavoce.net.websocket import Socket
from vivavoce.protocol.peek import peek_type

FRAME_MS = 20
ANSWER_TIMEOUT_S = 20.0
LOUD = 600  # of 32768: the amplitude at which speech begins in a recording
SOUNDS = Path(__file__).parent.parent / "tests" / "sounds"

HEAD = b'{"type":"input_audio_buffer.append","audio":"'
SILENCE = HEAD + base64.b64encode(bytes(FRAME_MS * BYTES_PER_MS)) + b'"}'
CLOCK = time.perf_counter
# Like our page, callers ask for transcripts. A transcript is a receipt, which waits for the disk.
SESSION = {
    "type": "realtime",
    "audio": {"input": {"transcription": {"model": "whisper-1", "language": "en"}}},
}


class Sentence:
    """A recorded sentence, spoken by flite (see tests/sounds)."""

    def __init__(self, name: str) -> None:
        with wave.open(str(SOUNDS / f"{name}.wav")) as file:
            rate, sound = file.getframerate(), file.readframes(file.getnframes())
        pcm = Resampler(rate, SAMPLE_RATE).push(sound, last=True)
        loud = np.flatnonzero(np.abs(np.frombuffer(pcm, "<i2").astype(np.int32)) > LOUD)
        self.onset_s = int(loud[0]) / SAMPLE_RATE
        size = FRAME_MS * BYTES_PER_MS
        pcm += bytes(-len(pcm) % size)
        self.seconds = duration_ms(pcm) / 1000
        self.frames = [
            HEAD + base64.b64encode(pcm[i : i + size]) + b'"}' for i in range(0, len(pcm), size)
        ]


class _Error(msgspec.Struct):
    error: dict[str, object]


class Caller:
    """The `FrameReceiver` of its socket; `async with`. `late_ms`: the delay of our own frames."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url
        self._key = key
        self._socket: Socket
        self._seen: asyncio.Queue[tuple[float, str]] = asyncio.Queue()
        self._speech: deque[bytes] = deque()
        self._microphone: asyncio.Task[None] | None = None
        self._next = 0.0
        self._voiced = False
        self._lost = asyncio.Event()
        self.replying = False
        self.late_ms: list[float] = []

    async def __aenter__(self) -> Self:
        self._socket = await dial(self._url, headers={"Authorization": f"Bearer {self._key}"})
        self._socket.join(self)
        await self.until("session.created")
        self.send("session.update", session=SESSION)
        await self.until("session.updated")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._microphone is not None:
            self._microphone.cancel()
            await asyncio.wait([self._microphone])
        self._socket.close(1000, "")
        async with asyncio.timeout(10):
            await self._lost.wait()

    # Called by the socket

    def frame(self, data: Frame) -> None:
        at = CLOCK()
        kind = (peek_type(data) or b"").decode()
        match kind:
            case "response.output_audio.delta":
                if self._voiced:
                    return
                self._voiced = True
            case "response.created":
                self._voiced, self.replying = False, True
            case "response.done":
                self.replying = False
            case "error":
                kind = f"error: {msgspec.json.decode(bytes(data), type=_Error).error}"
        self._seen.put_nowait((at, kind))

    def writable(self) -> None: ...

    def lost(self, code: int, reason: str) -> None:
        self._lost.set()
        self._seen.put_nowait((CLOCK(), f"error: lost {code} {reason}"))

    # Actions of a caller

    def open_microphone(self) -> None:
        self._next = CLOCK() + FRAME_MS / 1000
        self._microphone = asyncio.create_task(self._record())

    def say(self, sentence: Sentence) -> float:
        """Speak, and return the time of the first loud sample."""
        self._speech.extend(sentence.frames)
        return self._next - FRAME_MS / 1000 + sentence.onset_s

    def hum(self, frame: bytes) -> None:
        """Send one frame at once."""
        self._socket.write(frame)

    def send(self, kind: str, **fields: object) -> float:
        self._socket.write(msgspec.json.encode({"type": kind, **fields}))
        return CLOCK()

    async def until(self, *kinds: str) -> float:
        """Wait for one of these events, and return its time. Earlier events are dropped."""
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            while True:
                at, kind = await self._seen.get()
                if kind in kinds:
                    return at
                if kind.startswith("error"):
                    raise RuntimeError(kind)

    async def _record(self) -> None:
        while True:
            if (early := self._next - CLOCK()) > 0:
                await asyncio.sleep(early)
            self.late_ms.append((CLOCK() - self._next) * 1000)
            self._socket.write(self._speech.popleft() if self._speech else SILENCE)
            self._next += FRAME_MS / 1000
