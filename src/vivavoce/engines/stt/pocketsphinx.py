"""The recogniser that needs no download: pocketsphinx, in processes of its own. English only.

A worker is leased for each utterance, with what was said before it was free. So there are as many
as people talk at once, not as there are calls. Who finds all of them busy waits in line, and their
sound with them, in the call's own bounded queue.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing
from types import TracebackType
from typing import Self

import msgspec

from ...audio.pcm import SAMPLE_RATE, SILENT_DB, level_db
from ...audio.resample import Resampler
from ...core.types import Transcript
from ...errors import EngineError
from ..base import OnTranscript
from ..child_process import ChildProcess
from ..leases import Leases, NullWaitObserver, WaitObserver
from . import sphinx_worker as wire
from .lm import ModelFiles

HEARD_RATE = 16_000
LONGEST_S = 60.0  # of one stretch of sound; a decoder's memory grows with it
PARTED_S = 40.0  # after so much of it a stretch may end, where it is quiet
MEASURED_S = 30.0  # after so much of it we ask how loud it is; hardly anything ever is so long
QUIET_DB = 25.0  # so far below the loudest since then
PIECE_BYTES = SAMPLE_RATE * 2 // 10
REPLAYS = 1  # of the same sound; who falls quiet again has said what was heard until then
FIRST = 2  # workers

NUMBERS = 1 << 32
NO_FILES = {"lm": None, "dict": None}


_Line = tuple[int, str, str, str | None]  # number, kind, text, more
_answers: msgspec.json.Decoder[_Line] = msgspec.json.Decoder(_Line)


class Pool:
    """Recogniser processes, started when they are needed. All calls share one pool.

    `wait_s`: how long an utterance waits for a free worker. `answer_s`: how long a worker may say
    nothing when it should; then it is taken for hung, killed and replaced. `queue` is told who
    waits.
    """

    def __init__(
        self,
        size: int,
        *,
        wait_s: float = 10.0,
        answer_s: float = 10.0,
        queue: WaitObserver | None = None,
    ) -> None:
        self._workers = tuple(Worker(answer_s) for _ in range(size))
        self._leases = Leases(
            self._workers,
            wait_s=wait_s,
            busy="All recognisers are busy.",
            code="recogniser_busy",
            queue=queue or NullWaitObserver(),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        async with asyncio.TaskGroup() as tasks:
            for worker in self._workers:
                tasks.create_task(worker.stop())

    async def warm(self, model: ModelFiles | None = None) -> None:
        """Start all idle workers and load this model, so that no utterance waits for it.

        Two at first: on a small machine the first talker would wait for all of them.
        """
        idle = len(self._workers) - self.busy
        for size in (min(FIRST, idle), idle):
            async with asyncio.TaskGroup() as tasks:
                for _ in range(size):  # each gets another one: none waits before its lease
                    tasks.create_task(self._load(model))

    async def _load(self, model: ModelFiles | None) -> None:
        async with self.lease(model) as worker:
            await worker.load(model)

    @property
    def busy(self) -> int:
        """Workers that hear somebody, or load a model."""
        return self._leases.taken

    def lease(self, model: ModelFiles | None) -> AbstractAsyncContextManager[Worker]:
        """A worker of one's own, at best one that has loaded the model already."""
        return self._leases.lease(lambda worker: worker.readiness(model))


class Worker:
    """One process, and how to talk with it. It hears one utterance at a time."""

    def __init__(self, answer_s: float) -> None:
        self._answer_s = answer_s
        self._child = ChildProcess(wire.__name__, "recogniser")
        self._models: deque[ModelFiles | None] = deque(maxlen=wire.DECODERS)
        self._number = 0  # of the last request; answers to others come too late

    def readiness(self, model: ModelFiles | None) -> int:
        running = self._child.running
        return running + (running and model in self._models)

    async def load(self, model: ModelFiles | None) -> None:
        await self._begin(wire.LOAD, model, None)
        await self._child.in_time(self._answer(wire.READY, []), self._answer_s)

    async def hear(
        self,
        model: ModelFiles | None,
        voice: str | None,
        sound: AsyncIterator[bytes],
        stable: OnTranscript,
    ) -> tuple[str, str | None]:
        """Its words, and what the decoder has learnt of the voice."""
        await self._begin(wire.START, model, voice)
        heard: list[tuple[str, str]] = []
        told, asked = 0, _asked_to_end()
        try:
            async with asyncio.TaskGroup() as tasks:
                final = tasks.create_task(self._answer(wire.FINAL, heard))
                async for pcm in sound:
                    await self._send(wire.SOUND, pcm)
                    if len(heard) > told:
                        told = len(heard)
                        await stable(*heard[-1])
                await self._send(wire.END)
                return await self._child.in_time(final, self._answer_s)
        except* EngineError as errors:
            failure = errors.exceptions[0]
        finally:
            self._child.write(self._request(wire.ABORT))  # if it is still at it
        if _asked_to_end() > asked:  # a group that ends with an error forgets it (cpython 116720)
            raise asyncio.CancelledError
        raise failure

    async def stop(self) -> None:
        await self._child.stop()

    async def reap(self) -> None:
        await self._child.reap()

    async def _begin(self, kind: bytes, model: ModelFiles | None, voice: str | None) -> None:
        if not self._child.running:
            self._models.clear()
            await self._child.start()
        self._number = (self._number + 1) % NUMBERS
        files = {"lm": str(model.lm), "dict": str(model.dict)} if model else NO_FILES
        await self._send(kind, json.dumps({**files, "voice": voice}).encode())
        if model in self._models:
            self._models.remove(model)
        self._models.append(model)

    async def _answer(self, wanted: str, heard: list[tuple[str, str]]) -> tuple[str, str | None]:
        """Read until it comes. The words so far, stable and guessed, are left in `heard`."""
        while line := await self._line():
            number, kind, text, more = self._read(line)
            if number != self._number:
                continue
            if kind == wire.FAILED:
                self._models.clear()
                raise EngineError("The recogniser failed.")
            if kind == wanted:
                return text, more
            heard.append((text, more or ""))
        raise self._child.stopped()

    async def _line(self) -> bytes:
        """Return the next line, or b"" where the process ended."""
        try:
            return await self._child.answers.readline()
        except ValueError:  # a line without an end
            raise self._child.garbled() from None

    def _read(self, line: bytes) -> _Line:
        try:
            return _answers.decode(line)
        except (ValueError, RecursionError):
            raise self._child.garbled() from None

    async def _send(self, kind: bytes, payload: bytes = b"") -> None:
        """Wait while it is behind."""
        await self._child.send(self._request(kind, payload), self._answer_s)

    def _request(self, kind: bytes, payload: bytes = b"") -> bytes:
        return wire.HEADER.pack(kind, self._number, len(payload)) + payload


def _asked_to_end() -> int:
    """How often this task was cancelled."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


class Pocketsphinx:
    """Hears the talker of one call (a `SpeechToText`), and gets used to their voice.

    A call has one worker at a time: its utterances wait for each other. A client that sends
    minutes of speech at once would otherwise occupy all workers, and all processors with them.
    """

    def __init__(self, pool: Pool, model: ModelFiles | None = None) -> None:
        """`model`: from `lm.prepare`. None: pocketsphinx's own, larger and without our words."""
        self._pool = pool
        self._model = model
        self._voice: str | None = None
        self._one_worker = asyncio.Lock()

    async def listen(
        self,
        sound: AsyncIterator[bytes],
        stable: OnTranscript,
        *,
        language: str | None = None,
        logprobs: bool = False,
    ) -> Transcript:
        """It has probabilities of its own, but none that say how sure a word is: no logprobs."""
        if language and not language.lower().startswith("en"):
            raise EngineError(
                "The embedded recogniser understands English only. For other languages, "
                "configure another speech-to-text adapter.",
                "language_not_supported",
            )
        said = ""
        async with aclosing(_as_heard(sound)) as pieces:
            stretches = _Stretches(pieces)
            while not stretches.over:
                said = await self._hear_stretch(stretches.next(), said, stable)
        return Transcript(said)

    async def _hear_stretch(
        self, sound: AsyncGenerator[bytes, None], said: str, stable: OnTranscript
    ) -> str:
        """What was `said` before it, and its words."""

        async def so_far(text: str, guess: str = "", logprobs: object = (), /) -> None:
            await stable(f"{said} {text}".strip(), f"{said} {guess}".strip())

        async with aclosing(sound):
            tape = _Tape(sound)
            while not tape.over:
                try:
                    text, voice = await self._hear(tape, so_far)
                except _Quiet:
                    pass
                else:
                    said = f"{said} {text}".strip()
                    self._voice = voice or self._voice
                if not tape.over:
                    await tape.more()
        return said

    async def _hear(self, tape: _Tape, stable: OnTranscript) -> tuple[str, str | None]:
        async with (
            self._one_worker,
            self._pool.lease(self._model) as worker,
            aclosing(tape.play()) as sound,
        ):
            return await worker.hear(self._model, self._voice, sound, stable)


class _Quiet(EngineError):
    """No sound comes, and no end of it."""


class _Tape:
    """A talker's sound, which another worker may hear again from its beginning.

    Somebody who holds a button down and says nothing, or whose connection died in the middle of a
    word, must not keep a worker that others wait for. Nor may they have the same sound heard again
    and again, by saying a little whenever they have fallen quiet: what was replayed `REPLAYS` times
    ends there, and only what comes after it is heard next.
    """

    def __init__(self, sound: AsyncGenerator[bytes, None]) -> None:
        self._sound = sound
        self._heard: list[bytes] = []  # at most `LONGEST_S`
        self._replays = 0
        self.over = False

    async def more(self) -> None:
        """Wait until there is more of it, or the end."""
        async for piece in self._sound:
            if piece:
                self._heard.append(piece)
                return

    async def play(self) -> AsyncGenerator[bytes, None]:
        """All of it. Raises `_Quiet` where it has fallen quiet and may be heard again."""
        for piece in tuple(self._heard):
            yield piece
        async for piece in self._sound:
            if not piece:
                break
            self._heard.append(piece)
            yield piece
        else:
            self.over = True
            return
        if self._replays < REPLAYS:
            self._replays += 1
            raise _Quiet("Nobody speaks.")
        self._replays = 0
        self._heard.clear()


class _Stretches:
    """A long utterance in parts that a decoder can hold, parted where it is quiet if it ever is."""

    def __init__(self, sound: AsyncGenerator[bytes, None]) -> None:
        self._sound = sound
        self.over = False

    async def next(self) -> AsyncGenerator[bytes, None]:
        """One of them. `over` when it was the last."""
        seconds, loudest = 0.0, SILENT_DB
        async for pcm in self._sound:
            yield pcm
            seconds += len(pcm) / 2 / HEARD_RATE
            if seconds < MEASURED_S or not pcm:
                continue
            level = level_db(pcm)
            loudest = max(loudest, level)
            quiet = level < loudest - QUIET_DB
            if seconds >= LONGEST_S or (quiet and seconds >= PARTED_S):
                return
        self.over = True


async def _as_heard(sound: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """At the rate of the decoder. What is empty says that nothing comes, and nothing else is."""
    resampler = Resampler(SAMPLE_RATE, HEARD_RATE)
    async for pcm in sound:
        if not pcm:
            yield b""
        for start in range(0, len(pcm), PIECE_BYTES):
            if heard := resampler.push(pcm[start : start + PIECE_BYTES]):
                yield heard
    if rest := resampler.push(b"", last=True):
        yield rest
