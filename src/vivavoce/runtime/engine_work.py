"""What a session asks for and has to wait for: listening, answering, calling tools.

Each is a task of the line's group. What comes of it goes through the mailbox, which is bounded:
an engine that is ahead of its client waits there.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, assert_never

from ..core import effects as do
from ..core.effects import EngineEffect
from ..core.inputs import (
    CutShort,
    EndOfTurnScored,
    Failed,
    Finished,
    NotTranscribed,
    OutputChunk,
    PartialTranscript,
    ToolRequested,
    ToolReturned,
    Transcribed,
)
from ..engines import boundary, checked
from ..engines.base import EndOfTurnModel, Engine
from ..engines.boundary import contained
from ..errors import EngineError
from ..protocol import server
from .obfuscation import padded
from .output_encoder import OutputEncoder
from .pacer import Pacer
from .whole_sound import pieces

if TYPE_CHECKING:
    from .driver import SessionDriver

log = logging.getLogger("vivavoce.hearing")

HEARING_BEHIND = 4096  # pieces the recogniser may be behind before we give up on the utterance,
HEARING_BYTES = 4 * 1024 * 1024  # or so much sound: longer than any utterance may be
HEARING_AHEAD = 1024 * 1024  # 21 s of sound: what is brought beyond it is held until it is heard
QUIET_S = 5.0  # without sound, and the recogniser is told: others may wait for it
UTTERANCES = 3  # of one call that wait for their words: nobody's recording takes all recognisers

Tools = Callable[[do.CallTool], Awaitable[str]]


async def no_tools(effect: do.CallTool) -> str:
    """Stands where no tool of the server's is declared."""
    return json.dumps({"error": f"there is no tool named {effect.call.name}"})


class _Hearing:
    """The sound of an utterance on its way to the recogniser."""

    def __init__(self) -> None:
        self.task: asyncio.Task[None]
        self.waiting = 0  # bytes
        self.ended = False
        self._sound: asyncio.Queue[bytes | None] = asyncio.Queue(HEARING_BEHIND)
        self._loop = asyncio.get_running_loop()
        self._came = self._loop.time()
        self._timer = self._loop.call_later(QUIET_S, self._look)

    def begin(self, task: asyncio.Task[None]) -> None:
        """`task`: who hears it."""
        self.task = task
        task.add_done_callback(lambda _: self._timer.cancel())

    def put(self, pcm: bytes | None) -> None:
        """None: that was all. Raises `QueueFull`."""
        if pcm == b"":
            return
        if pcm is not None and self.waiting > HEARING_BYTES:
            raise asyncio.QueueFull
        self._sound.put_nowait(pcm)
        self._came = self._loop.time()
        self.waiting += len(pcm or b"")
        self.ended = pcm is None

    async def get(self) -> bytes | None:
        pcm = await self._sound.get()
        self.waiting -= len(pcm or b"")
        return pcm

    def _look(self) -> None:
        """Has it fallen quiet? One timer looks now and then, instead of one for each piece."""
        now, due = self._loop.time(), self._came + QUIET_S
        if now >= due:
            if self._sound.empty():
                self._sound.put_nowait(b"")
            due = now + QUIET_S
        self._timer = self._loop.call_at(due, self._look)


class EngineWork:
    def __init__(
        self,
        engine: Engine,
        *,
        tools: Tools = no_tools,
        run_ahead_s: float | None = 4.0,
        judge: EndOfTurnModel | None = None,
    ) -> None:
        """`run_ahead_s`: how far spoken answers may run ahead of real time; None: not held back.
        `judge`: who judges pauses, if the machine asks for that."""
        self._engine = engine
        self._tools = tools
        self._run_ahead_s = run_ahead_s
        self._judge = judge
        self._encoder = OutputEncoder()
        self._replies: dict[str, asyncio.Task[None]] = {}
        self._hearings: dict[str, _Hearing] = {}
        self._calls: set[asyncio.Task[None]] = set()
        self._judging: asyncio.Task[None] | None = None  # one pause at a time: the latest
        self._driver: SessionDriver
        self._tasks: asyncio.TaskGroup

    def begin(self, driver: SessionDriver, tasks: asyncio.TaskGroup) -> None:
        self._driver = driver
        self._tasks = tasks

    def stop(self, effect: do.Cancel) -> None:
        if task := self._replies.pop(effect.response_id, None):
            task.cancel()

    def perform(self, effect: EngineEffect) -> None:
        match effect:
            case do.Listen(item_id=item_id, pre_roll=pcm):
                hearing = self._hearings[item_id] = _Hearing()
                hearing.put(pcm)
                hearing.begin(self._tasks.create_task(self._hear(effect, hearing)))
            case do.ListenTo(item_id=item_id, pcm=pcm):
                self._give(item_id, pcm)
            case do.ListenEnd(item_id=item_id):
                self._give(item_id, None)
            case do.ListenDrop(item_id=item_id):
                self._drop(item_id)
            case do.ScoreEndOfTurn():
                assert self._judge is not None, "the machine was told that no model scores turns"
                if self._judging:
                    self._judging.cancel()
                self._judging = self._tasks.create_task(self._judge_pause(self._judge, effect))
            case do.Respond(response_id=response_id):
                self._replies[response_id] = self._tasks.create_task(self._respond(effect))
            case do.CallTool():
                task = self._tasks.create_task(self._call(effect))
                self._calls.add(task)
                task.add_done_callback(self._calls.discard)
            case _:
                assert_never(effect)

    @property
    def is_behind(self) -> bool:
        """More waits to be heard than anybody says in a hurry: hold what brings more of it."""
        ended = 0
        for hearing in self._hearings.values():  # asked for every frame, and rarely more than one
            if hearing.waiting > HEARING_AHEAD:
                return True
            ended += hearing.ended
        return ended >= UTTERANCES

    def shape(self, event: server.ServerEvent) -> tuple[server.ServerEvent, ...]:
        return tuple(map(padded, self._encoder.shape(event)))

    def update_backpressure(self) -> None:
        """The mailbox holds back what there is no room for."""

    def end(self) -> None:
        hearings = [hearing.task for hearing in self._hearings.values()]
        for task in (*self._replies.values(), *hearings, *self._calls, self._judging):
            if task is not None:
                task.cancel()
        self._replies.clear()
        self._hearings.clear()
        self._calls.clear()
        self._judging = None

    def _say_who(self, **ids: str) -> None:
        """Name the call and what is done for it, in all that this task logs of an engine."""
        boundary.name(call=self._driver.recorder.call_id, **ids)

    def _give(self, item_id: str, pcm: bytes | None) -> None:
        if hearing := self._hearings.get(item_id):
            try:
                hearing.put(pcm)
            except asyncio.QueueFull:
                self._drop(item_id)
                self._driver.feed(NotTranscribed(item_id, "the recogniser fell behind"))

    def _drop(self, item_id: str) -> None:
        if hearing := self._hearings.pop(item_id, None):
            hearing.task.cancel()

    async def _hear(self, request: do.Listen, hearing: _Hearing) -> None:
        item_id = request.item_id
        self._say_who(item=item_id)

        async def sounds() -> AsyncIterator[bytes]:
            while (sound := await hearing.get()) is not None:
                if hearing.waiting <= HEARING_AHEAD < hearing.waiting + len(sound):
                    self._driver.reconcile()  # who was not read may go on
                for pcm in pieces(sound, request.law):
                    yield pcm
                    if len(pcm) < len(sound):
                        await asyncio.sleep(0)  # minutes of it: others are served between

        async def partial(
            stable_text: str, guess: str = "", logprobs: tuple[server.Logprob, ...] = (), /
        ) -> None:
            await self._driver.mailbox.put(
                PartialTranscript(
                    item_id,
                    checked.text(stable_text),
                    checked.text(guess),
                    checked.logprobs(logprobs),
                )
            )

        outcome: Transcribed | NotTranscribed
        try:
            with contained(self._engine):
                heard = checked.transcript(await self._engine.listen(request, sounds(), partial))
            outcome = Transcribed(
                item_id, heard.text, heard.logprobs, heard.languages, heard.segments
            )
        except EngineError as error:
            outcome = NotTranscribed(item_id, checked.text(str(error)))
        if self._hearings.get(item_id) is hearing:  # false: it was dropped, and raised then
            await self._driver.mailbox.put(outcome)
            self._hearings.pop(item_id, None)
            self._driver.reconcile()

    async def _judge_pause(self, judge: EndOfTurnModel, request: do.ScoreEndOfTurn) -> None:
        """Without an answer, the length of the pause and the words decide."""
        self._say_who(item=request.item_id)
        try:
            with contained(judge):
                over = await judge.over(request.sound)
                over = None if over is None else checked.probability(over)
        except EngineError as error:
            log.warning("pause_not_judged", extra={**boundary.named(), "code": error.code})
            return
        if over is not None and self._judging is asyncio.current_task():
            await self._driver.mailbox.put(EndOfTurnScored(request.item_id, request.pause, over))

    async def _respond(self, request: do.Respond) -> None:
        self._say_who(response=request.response_id)
        pace = Pacer(self._run_ahead_s if request.paced else None, self._driver.clock)

        async def emit(event: OutputChunk | ToolRequested | CutShort) -> None:
            event = checked.emitted(event)
            if isinstance(event, OutputChunk):
                await pace.keep(event.pcm)
            await self._driver.mailbox.put(event)

        outcome: Finished | Failed
        try:
            with contained(self._engine):
                usage = checked.usage(await self._engine.respond(request, emit))
            outcome = Finished(request.response_id, usage)
        except EngineError as error:
            outcome = Failed(
                request.response_id, checked.text(str(error)), checked.text(error.code)
            )
        if request.response_id in self._replies:  # else it was stopped at the moment it failed
            await self._driver.mailbox.put(outcome)
            self._replies.pop(request.response_id, None)

    async def _call(self, effect: do.CallTool) -> None:
        self._say_who(tool_call=effect.call.call_id)
        try:
            with contained("tool", message="The tool failed."):
                output = checked.text(await self._tools(effect))
        except EngineError as error:
            output = json.dumps({"error": str(error)})
        if asyncio.current_task() in self._calls:
            await self._driver.mailbox.put(ToolReturned(effect.call.call_id, output))
