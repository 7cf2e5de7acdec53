"""Recogniser processes, and how the server talks with one.

An utterance leases a worker. A worker keeps the models that it used last.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Self

import msgspec

from vivavoce.engines.base import OnTranscript
from vivavoce.engines.child_process import ChildProcess
from vivavoce.engines.leases import Leases, WaitObserver
from vivavoce.errors import EngineError

from . import sphinx_worker as wire
from .lm import ModelFiles

FIRST = 2  # workers

NUMBERS = 1 << 32
NO_FILES = {"lm": None, "dict": None}

_Line = tuple[int, str, str, str | None]  # number, kind, text, more
_answers: msgspec.json.Decoder[_Line] = msgspec.json.Decoder(_Line)


class Pool:
    """Recogniser processes, started when they are needed. All calls share one pool.

    An utterance waits `wait_s` seconds at most for a free worker. A worker that owes an answer for
    `answer_s` seconds is killed and replaced. `observer` sees each wait.
    """

    def __init__(
        self,
        size: int,
        *,
        wait_s: float = 10.0,
        answer_s: float = 10.0,
        observer: WaitObserver | None = None,
    ) -> None:
        self._leases = Leases(
            [Worker(answer_s) for _ in range(size)],
            wait_s=wait_s,
            busy="All recognisers are busy.",
            code="recogniser_busy",
            observer=observer,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._leases.stop()

    async def warm(self, model: ModelFiles | None = None) -> None:
        """Start all idle workers and load this model, so that no utterance waits for it.

        Two at first: on a small machine the first talker would wait for all of them.
        """
        idle = len(self._leases.workers) - self.busy
        for size in (min(FIRST, idle), idle):
            async with asyncio.TaskGroup() as tasks:
                for _ in range(size):  # each gets another one: none waits before its lease
                    tasks.create_task(self._load(model))

    async def _load(self, model: ModelFiles | None) -> None:
        async with self.lease(model) as worker:
            await worker.load(model)

    @property
    def busy(self) -> int:
        """The number of workers that recognise an utterance or load a model."""
        return self._leases.taken

    def lease(self, model: ModelFiles | None) -> AbstractAsyncContextManager[Worker]:
        """Lend a worker, at best one that has loaded the model already."""
        return self._leases.lease(lambda worker: worker.readiness(model))


class Worker:
    """One process, and how to talk with it. It hears one utterance at a time."""

    def __init__(self, answer_s: float) -> None:
        self._answer_s = answer_s
        self._child = ChildProcess(wire.__name__, "recogniser")
        self._models: deque[ModelFiles | None] = deque(maxlen=wire.DECODERS)
        self._number = 0  # of the last request; answers to others are dropped

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
        """Return its words, and what the decoder has learnt of the voice."""
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
        """Read until it comes. `heard` gets the stable words and the guesses until then."""
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
    """Return how often this task was cancelled."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()
