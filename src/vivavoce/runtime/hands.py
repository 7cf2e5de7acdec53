"""What a session asks for and has to wait for: listening, answering, calling tools.

Each is a task of the line's group. What comes of it goes through the mailbox, which is bounded:
an engine that is ahead of its client waits there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

from ..core import effects as do
from ..core.effects import Effect
from ..core.inputs import (
    CutShort,
    Failed,
    Finished,
    NotTranscribed,
    Partial,
    Said,
    ToolRequested,
    ToolReturned,
    Transcribed,
)
from ..engines.base import Engine
from ..errors import EngineError
from ..protocol import server
from .mouth import Mouth
from .pace import Pace
from .padding import padded

if TYPE_CHECKING:
    from .line import Line

HEARING_BEHIND = 512  # pieces the recogniser may be behind before we give up on the utterance
HEARING_AHEAD = 128  # … and before sound that can wait has to
HEARD_AT_ONCE = 3  # utterances of sound that can wait: the one that grows, and those before it

Tools = Callable[[do.CallTool], Awaitable[str]]


async def no_tools(effect: do.CallTool) -> str:
    """Stands where no tool of the server's is declared."""
    return f'{{"error": "there is no tool named {effect.call.name}"}}'


class Hands:
    def __init__(
        self, engine: Engine, *, tools: Tools = no_tools, run_ahead_s: float | None = 4.0
    ) -> None:
        """`run_ahead_s`: how far spoken answers may run ahead of real time; None: not held back."""
        self._engine = engine
        self._tools = tools
        self._run_ahead_s = run_ahead_s
        self._mouth = Mouth()
        self._replies: dict[str, asyncio.Task[None]] = {}
        self._hearings: dict[str, tuple[asyncio.Queue[bytes | None], asyncio.Task[None]]] = {}
        self._calls: set[asyncio.Task[None]] = set()
        self._held: list[Callable[[], None]] = []  # who brings more when we have caught up
        self._line: Line
        self._tasks: asyncio.TaskGroup

    def begin(self, line: Line, tasks: asyncio.TaskGroup) -> None:
        self._line = line
        self._tasks = tasks

    def stop(self, effect: do.Cancel) -> None:
        if task := self._replies.pop(effect.response_id, None):
            task.cancel()

    def perform(self, effect: Effect) -> None:
        match effect:
            case do.Listen(item_id=item_id, pre_roll=pcm):
                sound: asyncio.Queue[bytes | None] = asyncio.Queue(HEARING_BEHIND)
                sound.put_nowait(pcm)
                task = self._tasks.create_task(self._hear(effect, sound))
                self._hearings[item_id] = (sound, task)
            case do.ListenTo(item_id=item_id, pcm=pcm):
                self._give(item_id, pcm)
            case do.ListenEnd(item_id=item_id):
                self._give(item_id, None)
            case do.ListenDrop(item_id=item_id):
                if hearing := self._hearings.pop(item_id, None):
                    hearing[1].cancel()
                    self._catch_up()
            case do.Respond(response_id=response_id):
                self._replies[response_id] = self._tasks.create_task(self._respond(effect))
            case do.CallTool():
                task = self._tasks.create_task(self._call(effect))
                self._calls.add(task)
                task.add_done_callback(self._calls.discard)
            case _:
                raise AssertionError(f"nobody does {type(effect).__name__}")

    def hold(self, go_on: Callable[[], None]) -> bool:
        """For sound that can wait, as a file can: must it, because the recogniser is behind?

        Then `go_on` is called once it is not. Nobody's file takes all recognisers, or is heard in
        part because it came too fast.
        """
        if self._behind:
            self._held.append(go_on)
            return True
        return False

    @property
    def _behind(self) -> bool:
        waiting = max((sound.qsize() for sound, _ in self._hearings.values()), default=0)
        return waiting > HEARING_AHEAD or len(self._hearings) > HEARD_AT_ONCE

    def _catch_up(self) -> None:
        if self._held and not self._behind:
            held, self._held = self._held, []
            for go_on in held:
                asyncio.get_running_loop().call_soon(go_on)

    def shape(self, event: server.ServerEvent) -> tuple[server.ServerEvent, ...]:
        return tuple(map(padded, self._mouth.shape(event)))

    def breathe(self) -> None:
        """The mailbox holds back what there is no room for."""

    def end(self) -> None:
        hearings = [task for _, task in self._hearings.values()]
        for task in (*self._replies.values(), *hearings, *self._calls):
            task.cancel()

    def _give(self, item_id: str, pcm: bytes | None) -> None:
        if hearing := self._hearings.get(item_id):
            try:
                hearing[0].put_nowait(pcm)
            except asyncio.QueueFull:
                del self._hearings[item_id]
                hearing[1].cancel()
                self._line.tell(NotTranscribed(item_id, "the recogniser fell behind"))

    async def _hear(self, request: do.Listen, sound: asyncio.Queue[bytes | None]) -> None:
        item_id = request.item_id

        async def sounds() -> AsyncIterator[bytes]:
            while (pcm := await sound.get()) is not None:
                self._catch_up()
                yield pcm

        async def partial(
            stable_text: str, guess: str = "", logprobs: tuple[server.Logprob, ...] = (), /
        ) -> None:
            await self._line.mailbox.put(Partial(item_id, stable_text, guess, logprobs))

        outcome: Transcribed | NotTranscribed
        try:
            heard = await self._engine.listen(request, sounds(), partial)
            outcome = Transcribed(
                item_id, heard.text, heard.logprobs, heard.languages, heard.segments
            )
        except EngineError as error:
            outcome = NotTranscribed(item_id, str(error))
        await self._line.mailbox.put(outcome)
        self._hearings.pop(item_id, None)
        self._catch_up()

    async def _respond(self, request: do.Respond) -> None:
        pace = Pace(self._run_ahead_s if request.paced else None, self._line.clock)

        async def emit(event: Said | ToolRequested | CutShort) -> None:
            if isinstance(event, Said):
                await pace.keep(event.pcm)
            await self._line.mailbox.put(event)

        outcome: Finished | Failed
        try:
            usage = await self._engine.respond(request, emit)
            outcome = Finished(request.response_id, usage)
        except* EngineError as errors:
            error = _first(errors)
            outcome = Failed(request.response_id, str(error), error.code)
        await self._line.mailbox.put(outcome)
        self._replies.pop(request.response_id, None)

    async def _call(self, effect: do.CallTool) -> None:
        output = await self._tools(effect)
        await self._line.mailbox.put(ToolReturned(effect.call.call_id, output))


def _first(errors: BaseExceptionGroup[EngineError]) -> EngineError:
    """The first of a tree of errors."""
    first: BaseException = errors
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    assert isinstance(first, EngineError)
    return first
