"""Performs the effects of a session that wait: transcription, responses, tool calls.

Each runs as a task of the driver's group. Its results go through the bounded mailbox, where an
engine that is ahead of its client waits.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, assert_never

from ..audio import g711
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
    Transcribed,
)
from ..engines import boundary, checked, leases
from ..engines.base import EndOfTurnModel, Engine
from ..engines.boundary import contained
from ..errors import EngineError
from ..protocol import server
from .pacer import Pacer
from .tool_work import ToolWork
from .whole_sound import pieces, short_chunks

if TYPE_CHECKING:
    from .driver import SessionDriver

log = logging.getLogger(__name__)

# An utterance fails when its recogniser is behind by this number of pieces or bytes.
HEARING_BEHIND = 4096
HEARING_BYTES = 4 * 1024 * 1024  # more than the longest utterance
HEARING_AHEAD = 1024 * 1024  # bytes (21 s). The reader holds back audio beyond it
QUIET_S = 5.0  # without audio; the recogniser then gets an empty piece, and may serve other calls
UTTERANCES = 3  # of one call that wait for a transcript: no call takes all recognisers


class _UtteranceAudio:
    """The audio of one utterance on its way to the recogniser."""

    def __init__(self) -> None:
        self.task: asyncio.Task[None]
        self.waiting = 0  # bytes
        self.ended = False
        self._sound: asyncio.Queue[bytes | None] = asyncio.Queue(HEARING_BEHIND)
        self._loop = asyncio.get_running_loop()
        self._last_audio = self._loop.time()
        self._timer = self._loop.call_later(QUIET_S, self._check_quiet)

    def begin(self, task: asyncio.Task[None]) -> None:
        """`task` is the one that transcribes it."""
        self.task = task
        task.add_done_callback(lambda _: self._timer.cancel())

    def put(self, pcm: bytes | None) -> None:
        """Queue a piece; None ends the utterance. Raise `QueueFull` at the bounds above."""
        if pcm == b"":
            return
        if pcm is not None and self.waiting > HEARING_BYTES:
            raise asyncio.QueueFull
        self._sound.put_nowait(pcm)
        self._last_audio = self._loop.time()
        self.waiting += len(pcm or b"")
        self.ended = pcm is None

    async def get(self) -> bytes | None:
        pcm = await self._sound.get()
        self.waiting -= len(pcm or b"")
        return pcm

    def _check_quiet(self) -> None:
        """Queue an empty piece after `QUIET_S` without audio.

        One timer checks this, because a timer per piece costs more.
        """
        now, due = self._loop.time(), self._last_audio + QUIET_S
        if now >= due:
            if self._sound.empty():
                self._sound.put_nowait(b"")
            due = now + QUIET_S
        self._timer = self._loop.call_at(due, self._check_quiet)


class EngineWork:
    """The `Work` of a call that an engine of this server answers."""

    def __init__(
        self,
        engine: Engine,
        *,
        tools: ToolWork | None = None,
        run_ahead_s: float | None = 4.0,
        end_of_turn_model: EndOfTurnModel | None = None,
        person: str | None = None,
    ) -> None:
        """`tools` runs the tools of the server. None: it has none.

        `run_ahead_s` is how far spoken answers may run ahead of real time. None: no limit.

        `end_of_turn_model` scores pauses, if the machine asks for that. `person`: whose share of
        the engines' workers the call uses.
        """
        self._person = person
        self._engine = engine
        self._tools = tools or ToolWork()
        self._run_ahead_s = run_ahead_s
        self._end_of_turn_model = end_of_turn_model
        self._replies: dict[str, asyncio.Task[None]] = {}
        self._utterances: dict[str, _UtteranceAudio] = {}
        self._scoring: asyncio.Task[None] | None = None  # one pause at a time, the latest
        self._driver: SessionDriver
        self._tasks: asyncio.TaskGroup

    def begin(self, driver: SessionDriver, tasks: asyncio.TaskGroup) -> None:
        self._driver = driver
        self._tasks = tasks
        self._tools.begin(tasks, driver.feed)

    def replace_engine(self, engine: Engine) -> None:
        """Use another engine for the utterances and responses that begin from now on."""
        self._engine = engine

    def stop(self, effect: do.Cancel) -> None:
        if task := self._replies.pop(effect.response_id, None):
            task.cancel()

    def perform(self, effect: EngineEffect) -> None:
        match effect:
            case do.Listen(item_id=item_id, pre_roll=pcm):
                utterance = self._utterances[item_id] = _UtteranceAudio()
                utterance.put(pcm)
                utterance.begin(self._tasks.create_task(self._transcribe(effect, utterance)))
            case do.ListenTo(item_id=item_id, pcm=pcm):
                self._pass_audio(item_id, pcm)
            case do.ListenEnd(item_id=item_id):
                self._pass_audio(item_id, None)
            case do.ListenDrop(item_id=item_id):
                self._drop(item_id)
            case do.ScoreEndOfTurn():
                assert self._end_of_turn_model is not None, (
                    "the machine was told that no model scores turns"
                )
                if self._scoring:
                    self._scoring.cancel()
                self._scoring = self._tasks.create_task(
                    self._score_pause(self._end_of_turn_model, effect)
                )
            case do.Respond(response_id=response_id):
                self._replies[response_id] = self._tasks.create_task(self._respond(effect))
            case do.CallTool() | do.CancelTool() | do.ReportToolRounds():
                self._tools.perform(effect, self._driver.mailbox.put)
            case do.ListTools() | do.CallMcpTool() | do.CancelMcpTool():
                self._tools.perform_mcp(effect, self._driver.mailbox.put)
            case _:
                assert_never(effect)

    @property
    def is_behind(self) -> bool:
        """True if more audio waits for transcription than `HEARING_AHEAD`, or `UTTERANCES` of them.

        The reader then holds back events that add audio.
        """
        ended = 0
        for utterance in self._utterances.values():  # rarely more than one: this runs per frame
            if utterance.waiting > HEARING_AHEAD:
                return True
            ended += utterance.ended
        return ended >= UTTERANCES

    def update_backpressure(self) -> None:
        """Ignore this: the mailbox keeps results until the clients have room."""

    def end(self) -> None:
        transcriptions = [utterance.task for utterance in self._utterances.values()]
        for task in (*self._replies.values(), *transcriptions, self._scoring):
            if task is not None:
                task.cancel()
        self._replies.clear()
        self._utterances.clear()
        self._tools.end()
        self._scoring = None

    def _name_work(self, **ids: str) -> None:
        """Say what this task works on, for the log of an engine, and for whom it does."""
        boundary.name(call=self._driver.recorder.call_id, **ids)
        leases.work_for(self._person)

    def _pass_audio(self, item_id: str, pcm: bytes | None) -> None:
        if utterance := self._utterances.get(item_id):
            try:
                utterance.put(pcm)
            except asyncio.QueueFull:
                self._drop(item_id)
                self._driver.feed(NotTranscribed(item_id, "the recogniser fell behind"))

    def _drop(self, item_id: str) -> None:
        if utterance := self._utterances.pop(item_id, None):
            utterance.task.cancel()

    async def _transcribe(self, request: do.Listen, utterance: _UtteranceAudio) -> None:
        item_id = request.item_id
        self._name_work(item=item_id)

        async def partial(
            stable_text: str, guess: str = "", logprobs: tuple[server.Logprob, ...] = (), /
        ) -> None:
            text, guess = checked.text(stable_text), checked.text(guess)
            result = PartialTranscript(item_id, text, guess, checked.logprobs(logprobs))
            await self._driver.mailbox.put(result)

        outcome: Transcribed | NotTranscribed
        try:
            with contained(self._engine):
                sounds = self._pieces(utterance, request.law)
                transcript = checked.transcript(await self._engine.listen(request, sounds, partial))
            outcome = Transcribed(
                item_id,
                transcript.text,
                transcript.logprobs,
                transcript.languages,
                transcript.segments,
            )
        except EngineError as error:
            outcome = NotTranscribed(item_id, checked.text(str(error)))
        if self._utterances.get(item_id) is utterance:  # otherwise it was dropped meanwhile
            await self._driver.mailbox.put(outcome)
            self._utterances.pop(item_id, None)
            self._driver.reconcile()

    async def _pieces(
        self, utterance: _UtteranceAudio, law: g711.Law | None
    ) -> AsyncIterator[bytes]:
        """Yield the audio of an utterance, in pieces of PCM16 at 24 kHz."""
        while (sound := await utterance.get()) is not None:
            if utterance.waiting <= HEARING_AHEAD < utterance.waiting + len(sound):
                self._driver.reconcile()  # the reader may go on
            for pcm in pieces(sound, law):
                yield pcm
                if len(pcm) < len(sound):
                    await asyncio.sleep(0)  # minutes of audio: other calls go on in between

    async def _score_pause(
        self, end_of_turn_model: EndOfTurnModel, request: do.ScoreEndOfTurn
    ) -> None:
        """Score the pause. If the model fails, its length and the words decide."""
        self._name_work(item=request.item_id)
        try:
            with contained(end_of_turn_model):
                over = await end_of_turn_model.over(request.sound)
                over = None if over is None else checked.probability(over)
        except EngineError as error:
            log.warning("pause_not_judged", extra={**boundary.named(), "code": error.code})
            return
        if over is not None and self._scoring is asyncio.current_task():
            await self._driver.mailbox.put(EndOfTurnScored(request.item_id, request.pause, over))

    async def _respond(self, request: do.Respond) -> None:
        self._name_work(response=request.response_id)
        pace = Pacer(self._run_ahead_s if request.paced else None, self._driver.clock)

        async def emit(event: OutputChunk | ToolRequested | CutShort) -> None:
            event = checked.emitted(event)
            if not isinstance(event, OutputChunk):
                await self._driver.mailbox.put(event)
                return
            for chunk in short_chunks(event):
                await pace.keep(chunk.pcm)
                await self._driver.mailbox.put(chunk)

        outcome: Finished | Failed
        try:
            with contained(self._engine):
                usage = checked.usage(await self._engine.respond(request, emit))
            outcome = Finished(request.response_id, usage)
        except EngineError as error:
            outcome = Failed(
                request.response_id, checked.text(str(error)), checked.text(error.code)
            )
        if request.response_id in self._replies:  # otherwise it was cancelled when it failed
            await self._driver.mailbox.put(outcome)
            self._replies.pop(request.response_id, None)
