"""smart-turn v3: is the talker done, by melody and rhythm? An `EndOfTurnModel`.

The operator gives the model file (8.7 MB, BSD-2-Clause, by Daily). The `pipecat-ai` wheel holds
`smart-turn-v3.2-cpu.onnx`. The model gets the last 8 s at 16 kHz, padded with silence in front, and
returns one probability. Each call takes 50 to 150 ms of one processor, in a thread. onnxruntime and
numpy release the interpreter's lock, so the event loop goes on.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Semaphore
from types import TracebackType
from typing import Self

import numpy as np
import onnxruntime

from ...audio.pcm import SAMPLE_RATE
from ...audio.resample import Resampler
from ...errors import EngineError
from ...file_reading import UnreadableFileError, read_bytes
from .mel import BANDS, HOP, RATE, log_mel

HEARD_SAMPLES = 8 * RATE
SHAPE = (1, BANDS, HEARD_SAMPLES // HOP)
FILE_BYTES = 128 * 1024 * 1024
THREADS = 2
WAITING = 8  # pauses in work or waiting; the score of one more would arrive after its deadline


class SmartTurn:
    def __init__(self, path: Path) -> None:
        """Read the file, which blocks for 0.2 s. Raises `EngineError` for any other file.

        Close it (`with`) when no call needs it any more.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            model = read_bytes(path, FILE_BYTES)
        except UnreadableFileError as error:
            raise EngineError(f"{path}: {error.reason}", "turn_model") from None
        try:
            network = onnxruntime.InferenceSession(
                model, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's own have no common base
            raise EngineError(f"{path}: no model that can be read", "turn_model") from error
        (wanted,) = network.get_inputs() if len(network.get_inputs()) == 1 else (None,)
        if wanted is None or list(wanted.shape[1:]) != list(SHAPE[1:]):
            raise EngineError(f"{path}: not a smart-turn v3 model", "turn_model")
        self._network = network
        self._input = wanted.name
        self._threads = ThreadPoolExecutor(THREADS, "smart-turn")
        self._room = Semaphore(WAITING)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._threads.shutdown(cancel_futures=True)

    async def over(self, sound: bytes) -> float | None:
        if not self._room.acquire(blocking=False):
            return None
        work = self._threads.submit(self._score, sound)
        work.add_done_callback(lambda _: self._room.release())
        return await asyncio.wrap_future(work)

    def _score(self, sound: bytes) -> float:
        pcm = Resampler(SAMPLE_RATE, RATE).push(sound, last=True)
        samples = np.frombuffer(pcm, "<i2")[-HEARD_SAMPLES:].astype(np.float32) / 32_768
        heard = np.zeros(HEARD_SAMPLES, np.float32)
        heard[HEARD_SAMPLES - len(samples) :] = samples
        try:
            (given,) = self._network.run(None, {self._input: log_mel(heard)[None]})
        except Exception as error:
            raise EngineError("the model could not judge a pause", "turn_model") from error
        return float(given.reshape(-1)[0])
