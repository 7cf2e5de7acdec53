"""Measure a microphone's frame on its way to the machine: CPU microseconds, best of five.

`python -m benchmarks frame`. A frame is 20 ms of audio, so a call with an open microphone uses
fifty times the last line per second, before recognition.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable

from vivavoce.audio.denoise import Denoiser, Depth
from vivavoce.audio.pcm import BYTES_PER_MS, SAMPLE_RATE, level_db
from vivavoce.audio.resample import Resampler
from vivavoce.clock import now
from vivavoce.core.call_settings import CallSettings
from vivavoce.core.ids import RANDOM_BYTES, new_id
from vivavoce.core.inputs import AudioReceived
from vivavoce.core.session import Session
from vivavoce.core.types import Frame
from vivavoce.engines.scripted.engine import scripted
from vivavoce.engines.vad.silero import Silero
from vivavoce.protocol import codec
from vivavoce.protocol.config import SessionConfig
from vivavoce.runtime.client_port import ClientPort
from vivavoce.runtime.driver import CallDriver
from vivavoce.runtime.engine_work import EngineWork
from vivavoce.runtime.input_pipeline import InputPipeline
from vivavoce.runtime.reader import SessionReader
from vivavoce.runtime.recorder import Recorder

from .caller import FRAME_MS, SILENCE

TIMES = 1_000
PCM = bytes(FRAME_MS * BYTES_PER_MS)


class Nowhere:
    """A transport that discards everything."""

    full = False

    def write(self, data: Frame) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def close(self, code: int, reason: str) -> None: ...


class Call:
    """Build everything except the socket, as `app.build` does."""

    def __init__(self) -> None:
        def make_id(kind: str) -> str:
            return new_id(kind, time.time(), secrets.token_bytes(RANDOM_BYTES))

        clock = asyncio.get_running_loop().time
        session = Session(SessionConfig(), CallSettings(gate_db=15), now=clock(), new_id=make_id)
        recorder = Recorder("rtc_1", "conv_1", lambda _, outcome: outcome(True), wall=now)
        self.ears = InputPipeline(Silero, lambda: session.config.audio.input)
        self.line = CallDriver(session, EngineWork(scripted()), recorder)

        def reader(client: ClientPort) -> SessionReader:
            return SessionReader(self.line, client, self.ears)

        self.client = self.line.attach(Nowhere(), reader)


def microseconds(work: Callable[[], object]) -> float:
    def once() -> float:
        began = time.process_time()
        for _ in range(TIMES):
            work()
        return (time.process_time() - began) / TIMES * 1e6

    return min(once() for _ in range(5))


async def measure() -> dict[str, float]:
    call = Call()
    living = asyncio.create_task(call.line.run())
    await asyncio.sleep(0)
    down, silero, ears = Resampler(SAMPLE_RATE, 16_000), Silero(), Call().ears
    near, far = Denoiser(Depth.near()), Denoiser(Depth.far())
    frame, heard = memoryview(SILENCE), AudioReceived(PCM, (0.0,), (-96.0,))
    made = {
        "decode the event": microseconds(lambda: codec.decode(frame)),
        "noise reduction, if on: near": microseconds(lambda: near.push(PCM)),
        "noise reduction, if on: far": microseconds(lambda: far.push(PCM)),
        "24 kHz → 16 kHz": microseconds(lambda: down.push(PCM)),
        "speech model, 20 of its 32 ms": microseconds(lambda: silero.step(bytes(1024))) * 20 / 32,
        "level, 20 of its 32 ms": microseconds(lambda: level_db(bytes(1024))) * 20 / 32,
        "all that ears do": microseconds(lambda: list(ears.decode(PCM))),
        "the line and its machine": microseconds(lambda: call.line.feed(heard, 1)),
        "the whole way of a frame": microseconds(lambda: call.client.frame(frame)),
    }
    call.client.lost(1000, "")
    await living
    return made


def main() -> None:
    for name, took in asyncio.run(measure()).items():
        print(f"{name:32} {took:6.1f} µs")
