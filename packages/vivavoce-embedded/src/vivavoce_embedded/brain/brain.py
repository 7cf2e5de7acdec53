"""The embedded brain as the cascade of a call asks it. Another process finds the answer."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncGenerator, Callable

from vivavoce.engines.base import GenerateOutput, GenerateRequest
from vivavoce.errors import EngineError

from .excerpt import Excerpt, excerpt
from .utterance import BrainReply
from .wording import thoughts
from .workers import Knowledge, Workers

WAITING = 16  # responses of one call that wait for its turn; one more fails


class ExtractiveBrain:
    """One for each call. `now` gives the local time, for "tomorrow" and "next".

    A call has one request at a time among those that wait for a process. So many responses of one
    call delay another call's by no more than one.
    """

    def __init__(
        self,
        workers: Workers,
        knowledge: Knowledge,
        *,
        now: Callable[[], dt.datetime] = dt.datetime.now,
    ) -> None:
        self._workers = workers
        self._knowledge = knowledge
        self._now = now
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def generate(self, question: GenerateRequest) -> AsyncGenerator[GenerateOutput, None]:
        """Answer. Raises `EngineError`: `brain_busy`, `brain_timeout` or `engine_failed`."""
        read = excerpt(question)
        reply = await self._reply(read)
        if use := self._knowledge.use(reply):
            yield use
        for thought in thoughts(question, read, reply):
            yield thought

    async def _reply(self, read: Excerpt) -> BrainReply:
        if self._waiting >= WAITING:
            raise EngineError("Too many responses of this call are waiting.", "brain_busy")
        self._waiting += 1
        try:
            async with self._turn:
                return await self._workers.reply(self._knowledge, read, self._now())
        finally:
            self._waiting -= 1
