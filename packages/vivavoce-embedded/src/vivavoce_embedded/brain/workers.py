"""The processes of the embedded brain. All calls share them.

Each request has a deadline. The server kills and replaces a process that misses it, and fails this
one response. If a process dies by itself, the server asks another one, once: the client has
received nothing of the reply yet.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import signal
from asyncio import IncompleteReadError
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import Self

import msgspec

from vivavoce.engines.child_process import ChildProcess, Stopped
from vivavoce.engines.leases import Leases
from vivavoce.errors import EngineError
from vivavoce.knowledge.base import KnowledgeUse
from vivavoce.knowledge.chunks import Chunk
from vivavoce.knowledge.memory import passage, revisions_of

from . import wire, worker
from .excerpt import Excerpt
from .utterance import BrainReply

SIZE = 2  # one answers while the other is replaced
WAIT_S = 5.0  # how long a request waits for a free process
LONGEST_ANSWER = 16 * 1024 * 1024  # bytes; a reply has a few thousand
LATE = "It took too long to find an answer."

log = logging.getLogger("vivavoce.brain")

_keys = count(1)


class Knowledge:
    """The knowledge of one assistant, as it is sent once to each process that needs it."""

    def __init__(
        self,
        chunks: Iterable[Chunk],
        languages: Sequence[str],
        name: str,
        fallback: Mapping[str, str] | None = None,
    ) -> None:
        known = tuple(chunks)
        self.key = next(_keys)
        self._known = {chunk.id: chunk for chunk in known}
        self._revisions = revisions_of(known)
        load = wire.Load(self.key, name, tuple(languages), known, dict(fallback or {}))
        self.load = wire.frame(load)

    def use(self, reply: BrainReply) -> KnowledgeUse | None:
        """Return what a reply took from the knowledge. None: it has nothing to do with it."""
        match reply.kind:
            case "unknown":
                return KnowledgeUse(answered=False, score=reply.score)
            case "answer":
                chunk = self._known.get(reply.chunk_id or "")
                chunks = [] if chunk is None else [chunk]
            case "programme":
                chunks = self._programmes(reply.language)
            case _:
                return None
        found = tuple(passage(chunk, reply.score, self._revisions) for chunk in chunks)
        return KnowledgeUse(passages=found, answered=True, score=reply.score)

    def _programmes(self, language: str) -> list[Chunk]:
        """Return a chunk for each file with a programme: a list may be made from all its rows."""
        rows = (each for each in self._known.values() if each.event and each.language == language)
        return [
            msgspec.structs.replace(chunk, id=chunk.source, title="", place="")
            for chunk in {row.source: row for row in rows}.values()
        ]


class Workers:
    """Start them when they are needed, and end them with `async with`.

    `wait_s`: how long a request waits for a free process, before it fails with `brain_busy`.
    `answer_s`: how long a reply may take, before it fails with `brain_timeout`.
    """

    def __init__(
        self, size: int = SIZE, *, wait_s: float = WAIT_S, answer_s: float = wire.ANSWER_S
    ) -> None:
        self._leases = Leases(
            [Worker(answer_s) for _ in range(size)],
            wait_s=wait_s,
            busy="Too many people are waiting for an answer. Please ask again.",
            code="brain_busy",
        )
        self._preparing = asyncio.Lock()
        self._replacing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._replacing is not None:
            self._replacing.cancel()
            await asyncio.wait([self._replacing])
        await self._leases.stop()

    async def prepare(self, knowledge: Knowledge) -> None:
        """Have one process index it, before the first request. Raises `EngineError`."""
        async with self._preparing:
            if not any(each.fitness(knowledge) == BEST for each in self._leases.workers):
                await self._load(knowledge)

    async def warm(self, knowledge: Knowledge) -> None:
        """Start all of them, and have each index it."""
        async with asyncio.TaskGroup() as tasks:
            for _ in self._leases.workers:  # each gets another one: none waits before its lease
                tasks.create_task(self._load(knowledge))

    async def reply(self, knowledge: Knowledge, read: Excerpt, now: dt.datetime) -> BrainReply:
        """Return a text or a tool call. Raises `EngineError`."""
        async with self._leases.lease(lambda each: each.fitness(knowledge)) as each:
            try:
                return await each.reply(knowledge, read, now)
            finally:
                if not each.running:
                    self._replace(knowledge)

    async def _load(self, knowledge: Knowledge) -> None:
        async with self._leases.lease(lambda each: -each.fitness(knowledge)) as each:
            await each.load(knowledge)

    def _replace(self, knowledge: Knowledge) -> None:
        """Start another one now, and not in the next request."""
        if self._replacing is None or self._replacing.done():
            self._replacing = asyncio.create_task(self._replaced(knowledge))

    async def _replaced(self, knowledge: Knowledge) -> None:
        try:
            await self._load(knowledge)
        except EngineError as error:  # the next request tries again
            log.warning("brain_not_replaced", extra={"code": error.code})


BEST = 3


class Worker:
    """One process, and how to talk with it. It works on one request at a time."""

    def __init__(self, answer_s: float) -> None:
        self._answer_s = answer_s
        self._child = ChildProcess(worker.__name__, "brain", late=LATE)
        self._known: set[int] = set()
        self._owed = 0  # answers still to come; those of cancelled requests are dropped
        self._size: int | None = None  # of the answer that is being read

    @property
    def running(self) -> bool:
        return self._child.running

    def fitness(self, knowledge: Knowledge) -> int:
        if not self.running:
            return 0
        return 1 + (not self._owed) + (not self._owed and knowledge.key in self._known)

    async def load(self, knowledge: Knowledge) -> None:
        await self._ready()
        await self._load(knowledge)

    async def reply(self, knowledge: Knowledge, read: Excerpt, now: dt.datetime) -> BrainReply:
        request = wire.frame(wire.Ask(knowledge.key, now, read))
        try:
            return await self._reply(knowledge, request)
        except Stopped:
            return await self._reply(knowledge, request)

    async def stop(self) -> None:
        await self._child.stop()

    async def reap(self) -> None:
        await self._child.reap()

    async def _reply(self, knowledge: Knowledge, request: bytes) -> BrainReply:
        await self._ready()
        if knowledge.key not in self._known:
            await self._load(knowledge)
        answer = await self._exchange(request, self._answer_s)
        if isinstance(answer, wire.Unknown):
            await self._load(knowledge)
            answer = await self._exchange(request, self._answer_s)
        if isinstance(answer, wire.Answered):
            return answer.reply
        raise _failed(answer)

    async def _load(self, knowledge: Knowledge) -> None:
        answer = await self._exchange(knowledge.load, wire.LOAD_S)
        if not isinstance(answer, wire.Loaded):
            raise _failed(answer)
        self._known.add(knowledge.key)

    async def _ready(self) -> None:
        """Start it if it does not run, and wait until it has finished a cancelled request."""
        if self._child.running and self._owed:
            try:
                await self._child.in_time(self._answer(), self._answer_s)
            except EngineError:
                await self._child.reap()  # that request was cancelled: its error concerns no client
        if not self._child.running:
            self._known.clear()
            self._owed, self._size = 0, None
            await self._child.start()

    async def _exchange(self, request: bytes, within_s: float) -> wire.Answer:
        self._owed += 1
        try:
            await self._child.send(request, within_s)
        except Stopped:
            raise (await self._ended()) from None
        return await self._child.in_time(self._answer(), within_s)

    async def _answer(self) -> wire.Answer:
        """Return the answer to the last request, and drop those to cancelled ones."""
        try:
            while True:
                answer = await self._frame()
                self._owed -= 1
                if not self._owed:
                    return wire.answers.decode(answer)
        except IncompleteReadError:
            raise (await self._ended()) from None
        except (ValueError, RecursionError):
            raise self._child.garbled() from None

    async def _frame(self) -> bytes:
        """Read a frame. After a cancellation, the next call continues with the same frame."""
        reader = self._child.answers
        if self._size is None:
            (size,) = wire.HEADER.unpack(await reader.readexactly(wire.HEADER.size))
            if size > LONGEST_ANSWER:
                raise self._child.garbled()
            self._size = size
        frame = await reader.readexactly(self._size)
        self._size = None
        return frame

    async def _ended(self) -> EngineError:
        """Say how it ended. SIGALRM means that it exceeded its deadline."""
        stopped = self._child.stopped()
        code = await self._child.reap()
        if code == -signal.SIGALRM:
            return EngineError(LATE, "brain_timeout")
        return stopped


def _failed(answer: wire.Answer) -> EngineError:
    if isinstance(answer, wire.Failed):
        log.error("brain_failed", extra={"error": answer.error, "place": answer.place})
    return EngineError("The assistant could not find an answer.")
