"""The owner of one machine: everything that happens to a call happens here, one thing at a time.

A transport calls `frame`, `writable` and `lost`; the machine is told at once and what it asks for
is done at once, because nothing here waits. Only work waits (engines, tools): it runs in the
line's task group and comes back through the mailbox.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

from ..core import effects as do
from ..core.effects import Effect, Who
from ..core.inputs import (
    Failed,
    Finished,
    Heard,
    HungUp,
    Input,
    NotTranscribed,
    Partial,
    Played,
    Said,
    ToolRequested,
    ToolReturned,
    Transcribed,
    Unreadable,
)
from ..core.session import Session
from ..engines.base import Engine
from ..errors import EngineError, InvalidRequest
from ..protocol import codec, server
from ..protocol.client import AudioAppend, Command
from .ears import Ears, Vad
from .mailbox import Mailbox
from .outbox import LIMIT, TRY_AGAIN_LATER, Outbox, Transport
from .pace import Pace
from .recorder import Recorder

BACKLOG = 1024 * 1024  # bytes of sound taken in but not yet heard; above it we stop reading
HEARING_BEHIND = 512  # pieces the recogniser may be behind before we give up on the utterance

Tools = Callable[[do.CallTool], Awaitable[str]]


class Client:
    """One connection to the call: its callbacks, its outbox, and what it does not want to know."""

    def __init__(
        self, line: Line, who: Who, transport: Transport, vad: Vad, *, sideband: bool, limit: int
    ) -> None:
        self.who = who
        self.sideband = sideband
        self.transport = transport
        self.outbox = Outbox(transport, line.clock, limit=limit)
        self._line = line
        self._ears = Ears(vad)
        self._backlog: deque[Command | Unreadable | Iterator[Heard]] = deque()
        self._backlog_bytes = 0
        self._paused = False

    def frame(self, data: bytes | memoryview) -> None:
        event = _read(data)
        if isinstance(event, AudioAppend):
            self._backlog_bytes += len(event.audio)
            self._backlog.append(self._ears.take(event.audio))
        else:
            self._backlog.append(event)
        if len(self._backlog) == 1:
            self._take()

    def writable(self) -> None:
        self.outbox.flush()
        self._line.settle()

    def played(self, item_id: str, ms: int) -> None:
        self._line.tell(Played(item_id, ms), self.who)

    def lost(self, code: int, reason: str) -> None:
        self.outbox.forget()
        self._backlog.clear()
        self._line.detach(self)

    def wants(self, event: server.ServerEvent) -> bool:
        return not (self.sideband and isinstance(event, server.AudioDelta))

    def breathe(self) -> None:
        """Stop reading from who does not read, and from who brings more than can be heard."""
        pause = self.outbox.full or self._backlog_bytes > BACKLOG
        if pause != self._paused and not self.outbox.closed:
            self._paused = pause
            (self.transport.pause_reading if pause else self.transport.resume_reading)()

    def _take(self) -> None:
        """Tell what came, in order. A long sound is heard in pieces, one per turn of the loop."""
        while self._backlog:
            event = self._backlog[0]
            if not isinstance(event, Iterator):
                self._line.tell(event, self.who)
            elif (heard := next(event, None)) is not None:
                self._backlog_bytes -= len(heard.pcm)
                self._line.tell(heard, self.who)
                if self._backlog_bytes > 0:
                    asyncio.get_running_loop().call_soon(self._take)
                    return
                continue
            if self._backlog:  # telling may have ended the call
                self._backlog.popleft()
        self._backlog_bytes = 0


class Line:
    def __init__(
        self,
        session: Session,
        engine: Engine,
        recorder: Recorder,
        *,
        tools: Tools,
        vad: Vad,
        run_ahead_s: float | None = 4.0,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.clock = self._loop.time
        self._session = session
        self._engine = engine
        self._recorder = recorder
        self._tools = tools
        self._vad = vad
        self._run_ahead_s = run_ahead_s
        self._clients: list[Client] = []
        self._mailbox = Mailbox(self.tell, self._has_room)
        self._inbox: deque[tuple[Input, Who | None]] = deque()
        self._busy = True  # until `run` has a task group to work in
        self._work: asyncio.TaskGroup
        self._replies: dict[str, asyncio.Task[None]] = {}
        self._hearings: dict[str, tuple[asyncio.Queue[bytes | None], asyncio.Task[None]]] = {}
        self._calls: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._over = asyncio.Event()
        recorder.on_commit = self._committed
        recorder.on_failure = self._not_committed

    def attach(self, transport: Transport, *, sideband: bool = False, limit: int = LIMIT) -> Client:
        who = len(self._clients) + 1
        client = Client(self, who, transport, self._vad, sideband=sideband, limit=limit)
        self._clients.append(client)
        return client

    async def run(self) -> None:
        """Live the whole call. Returns when it is over and nothing of it is left running."""
        try:
            async with asyncio.TaskGroup() as self._work:
                self._busy = False
                self._pump()
                await self._over.wait()
        finally:
            self._busy = True
            if self._timer:
                self._timer.cancel()
            for client in self._attached():  # somebody's bug ended the call
                client.outbox.abort(1011, "internal error")

    # What happened

    def tell(self, event: Input, who: Who | None = None) -> None:
        self._inbox.append((event, who))
        if not self._busy:
            self._pump()

    def detach(self, client: Client) -> None:
        if not any(not other.sideband for other in self._attached()):
            self.tell(HungUp())
        self.settle()

    def _pump(self) -> None:
        """Tell the machine, do what it asks. What comes in meanwhile waits its turn."""
        self._busy = True
        self._perform(self._session.effects())
        while self._inbox and not self._session.closed:
            event, who = self._inbox.popleft()
            self._session.receive(event, self.clock(), who)
            self._perform(self._session.effects())
        self._busy = False
        self.settle()

    def settle(self) -> None:
        """After anything at all: who may breathe, what is due, are we done?"""
        if self._busy:
            return
        for client in self._clients:
            client.breathe()
        if self._has_room():
            self._loop.call_soon(self._mailbox.deliver)
        self._rearm()
        if self._session.closed and not self._attached():
            self._over.set()

    def _rearm(self) -> None:
        if self._timer:
            self._timer.cancel()
        deadlines = [client.outbox.deadline() for client in self._attached()]
        due = min([self._session.next_deadline() or float("inf"), *deadlines])
        self._timer = None if due == float("inf") else self._loop.call_at(due, self._on_time)

    def _on_time(self) -> None:
        now = self.clock()
        for client in self._attached():
            if now >= client.outbox.deadline():
                client.outbox.abort(TRY_AGAIN_LATER, "too slow")
                self.detach(client)
        due = self._session.next_deadline()
        if due is not None and now >= due:
            self._session.on_deadline(now)
        self._pump()

    def _attached(self) -> list[Client]:
        return [client for client in self._clients if not client.outbox.closed]

    def _has_room(self) -> bool:
        return not any(c.outbox.full for c in self._attached() if not c.sideband)

    # What to do about it

    def _perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, do.Cancel | do.Hush):
                self._stop(effect)
        for effect in effects:
            self._do(effect)

    def _stop(self, effect: do.Cancel | do.Hush) -> None:
        if isinstance(effect, do.Hush):
            for client in self._attached():
                client.transport.hush(effect.item_id)
        elif task := self._replies.pop(effect.response_id, None):
            task.cancel()

    def _do(self, effect: Effect) -> None:
        match effect:
            case do.Send(event=event, to=to):
                self._send(event, to)
            case do.Note(event=event):
                self._recorder.take(event)
            case do.Listen(item_id=item_id, pre_roll=pcm):
                sound: asyncio.Queue[bytes | None] = asyncio.Queue(HEARING_BEHIND)
                sound.put_nowait(pcm)
                task = self._work.create_task(self._hear(effect, sound))
                self._hearings[item_id] = (sound, task)
            case do.ListenTo(item_id=item_id, pcm=pcm):
                self._give(item_id, pcm)
            case do.ListenEnd(item_id=item_id):
                self._give(item_id, None)
            case do.ListenDrop(item_id=item_id):
                if hearing := self._hearings.pop(item_id, None):
                    hearing[1].cancel()
            case do.Respond():
                task = self._work.create_task(self._respond(effect))
                self._replies[effect.response_id] = task
            case do.CallTool():
                task = self._work.create_task(self._call(effect))
                self._calls.add(task)
                task.add_done_callback(self._calls.discard)
            case do.Close(code=code, reason=reason):
                self._close(code, reason)
            case do.Cancel() | do.Hush():
                pass  # performed before everything else

    def _send(self, event: server.ServerEvent, to: Who | None) -> None:
        receipt = self._recorder.take(event)
        data = codec.encode(event)
        first = True
        for client in self._attached():
            if to in (None, client.who) and client.wants(event):
                stamp = self._stamp(event) if first else None
                client.outbox.put(data, receipt=receipt, written=stamp)
                first = False

    def _stamp(self, event: server.ServerEvent) -> Callable[[], None] | None:
        if isinstance(event, server.AudioDelta | server.SpeechStopped):
            return lambda: self._recorder.written(event, self.clock())
        return None

    def _close(self, code: int, reason: str) -> None:
        hearings = [task for _, task in self._hearings.values()]
        for task in (*self._replies.values(), *hearings, *self._calls):
            task.cancel()
        for client in self._attached():
            client.outbox.close(code, reason)

    # Commits

    def _committed(self, number: int) -> None:
        for client in self._clients:
            client.outbox.committed(number)
        self.settle()

    def _not_committed(self) -> None:
        """What the client would have been told is not true. It is told so, and nothing else."""
        body = server.ErrorBody(
            type="server_error",
            code="storage_unavailable",
            message="The conversation could not be stored.",
        )
        error = codec.encode(server.Error(event_id="event_storage", error=body))
        for client in self._attached():
            client.outbox.abort(1011, "storage_unavailable", error)
        self.tell(HungUp())

    # Work that waits

    def _give(self, item_id: str, pcm: bytes | None) -> None:
        if hearing := self._hearings.get(item_id):
            try:
                hearing[0].put_nowait(pcm)
            except asyncio.QueueFull:
                del self._hearings[item_id]
                hearing[1].cancel()
                self.tell(NotTranscribed(item_id, "the recogniser fell behind"))

    async def _hear(self, request: do.Listen, sound: asyncio.Queue[bytes | None]) -> None:
        item_id = request.item_id

        async def sounds() -> AsyncIterator[bytes]:
            while (pcm := await sound.get()) is not None:
                yield pcm

        async def partial(stable_text: str) -> None:
            await self._mailbox.put(Partial(item_id, stable_text))

        outcome: Transcribed | NotTranscribed
        try:
            outcome = Transcribed(item_id, await self._engine.listen(request, sounds(), partial))
        except EngineError as error:
            outcome = NotTranscribed(item_id, str(error))
        await self._mailbox.put(outcome)
        self._hearings.pop(item_id, None)

    async def _respond(self, request: do.Respond) -> None:
        pace = Pace(self._run_ahead_s if request.paced else None, self.clock)

        async def emit(event: Said | ToolRequested) -> None:
            if isinstance(event, Said):
                await pace.keep(event.pcm)
            await self._mailbox.put(event)

        outcome: Finished | Failed
        try:
            usage = await self._engine.respond(request, emit)
            outcome = Finished(request.response_id, usage)
        except* EngineError as errors:
            outcome = Failed(request.response_id, str(errors.exceptions[0]))
        await self._mailbox.put(outcome)
        self._replies.pop(request.response_id, None)

    async def _call(self, effect: do.CallTool) -> None:
        output = await self._tools(effect)
        await self._mailbox.put(ToolReturned(effect.call.call_id, output))


def _read(data: bytes | memoryview) -> Command | AudioAppend | Unreadable:
    try:
        return codec.decode(data)
    except InvalidRequest as error:
        return Unreadable(error)
