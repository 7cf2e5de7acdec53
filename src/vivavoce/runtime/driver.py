"""The owner of one machine: everything that happens to a call happens here, one thing at a time.

A transport calls its client's `frame`, `writable` and `lost`; the machine is told at once and what
it asks for is done at once, because nothing here waits. What waits (engines, tools, an upstream's
connection) is the line's `Work`: it runs in the line's task group and comes back as an input.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from ..access.auth_failure import AuthFailure
from ..core import effects as do
from ..core.effects import ClientId, DriverEffect, EngineEffect, UpstreamEffect
from ..core.inputs import DriverInput, HungUp, Played, RelayInput, SessionInput
from ..core.types import Frame
from ..protocol import codec, error_body, server
from ..protocol.close_codes import CloseCode
from . import refusals
from .client import Client, Reader
from .mailbox import Mailbox
from .outbox import LIMIT, SLOW_PEER_TIMEOUT_S, OnFrameWritten, Outbox, Transport
from .recorder import Recorder
from .traffic import TrafficCounters

HUNG_UP = "hung up"  # the close reason that a control connection reads at the end of its call


In = TypeVar("In")
In_contra = TypeVar("In_contra", contravariant=True)
Eff = TypeVar("Eff")
Eff_co = TypeVar("Eff_co", covariant=True)


class Machine(Protocol[In_contra, Eff_co]):
    """The rules of a call: `core.session.Session`, `core.relay.Relay`, …

    `In_contra`: the inputs that it takes. `Eff_co`: the work that it requests.
    """

    closed: bool

    def receive(
        self, event: In_contra | DriverInput, now: float, client_id: ClientId | None = None
    ) -> None: ...

    def effects(self) -> Sequence[DriverEffect | Eff_co]: ...

    def next_deadline(self) -> float | None: ...

    def on_deadline(self, now: float) -> None: ...


class Work(Protocol[In, Eff]):
    """Performs the effects that take time, and feeds their results to the machine."""

    def begin(self, driver: CallDriver[In, Eff], tasks: asyncio.TaskGroup) -> None: ...

    def stop(self, effect: do.Cancel) -> None:
        """Performed before anything else of its batch."""

    def perform(self, effect: Eff) -> None: ...

    def shape(self, event: server.ServerEvent) -> tuple[server.ServerEvent, ...]:
        """What goes onto the wire for this event (sound as G.711, say)."""

    def update_backpressure(self) -> None:
        """There may be more room in the clients' outboxes now, or less."""

    def end(self) -> None:
        """The call is over: stop everything."""


class OnAudioWritten(Protocol):
    """Told when sound, or the end of the user's, was written to a client (monotonic seconds).

    It could have been written since `due`, but for the disk; `held`: or but for its client.
    """

    def __call__(self, event: server.ServerEvent, due: float, now: float, held: bool) -> None: ...


def ignore_written(event: server.ServerEvent, due: float, now: float, held: bool) -> None:
    """Wants to know when anything was written."""


class CallDriver(Generic[In, Eff]):
    def __init__(
        self,
        machine: Machine[In, Eff],
        work: Work[In, Eff],
        recorder: Recorder,
        *,
        send_buffer_bytes: int = LIMIT,
        timeout_s: float = SLOW_PEER_TIMEOUT_S,
        on_event: Callable[[server.ServerEvent], None] = lambda event: None,
        on_written: OnAudioWritten = ignore_written,
        traffic: TrafficCounters | None = None,
    ) -> None:
        """`on_event` sees every event that is true, sent or not (metrics, subscribers)."""
        self._loop = asyncio.get_running_loop()
        self.clock = self._loop.time
        self.machine = machine
        self.recorder = recorder
        self.mailbox = Mailbox(self.feed, self.has_room)
        self.ending = "ended"
        self._work = work
        self._send_buffer_bytes = send_buffer_bytes
        self._timeout_s = timeout_s
        self._on_event = on_event
        self._on_written = on_written
        self._traffic = traffic
        self._clients: list[Client] = []
        self._seats = 0  # clients that ever came: nobody gets the number of who has left
        self._inbox: deque[tuple[In | DriverInput, ClientId | None]] = deque()
        self._busy = True  # until `run` has a task group to work in
        self._timer: asyncio.TimerHandle | None = None
        self._due: float | None = None  # when it rings; not every loop's handles know
        self._over = asyncio.Event()
        self._bug: Exception | None = None
        self._goodbye: tuple[int, str] | None = None  # if we end the call, how
        self._revoked: AuthFailure | None = None  # if a credential did, why
        self._kept = asyncio.Event()
        recorder.on_commit = self._committed
        recorder.on_failure = self._not_committed

    def attach(
        self,
        transport: Transport,
        reader: Callable[[Client], Reader],
        *,
        sideband: bool = False,
        limit: int | None = None,
    ) -> Client:
        outbox = Outbox(
            transport,
            self.clock,
            limit=limit or self._send_buffer_bytes,
            timeout_s=self._timeout_s,
            traffic=self._traffic,
        )
        self._seats += 1
        client = Client(self, self._seats, transport, outbox, reader, sideband=sideband)
        self._clients.append(client)
        return client

    @property
    def over(self) -> bool:
        """It is too late to attach to this call."""
        return self.machine.closed or self._over.is_set()

    @property
    def sidebands(self) -> int:
        return sum(client.sideband for client in self._attached())

    async def run(self) -> None:
        """Live the whole call. Returns when it is over, stored, and nothing of it is running.

        An unexpected exception ends the call with 1011 and is raised: it is our bug.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                self._work.begin(self, tasks)
                self._busy = False
                self._pump()
                try:
                    await self._over.wait()
                except asyncio.CancelledError:  # its tasks too; `end` lets them know
                    self._work.end()
                    raise
                if self._bug is not None:
                    raise self._bug
        except Exception:
            self.ending = "internal_error"
            raise
        finally:
            self._busy = True
            self._work.end()
            if self._timer:
                self._timer.cancel()
            goodbye = self._goodbye or (CloseCode.INTERNAL_ERROR, "internal error")
            for client in self._attached():  # a bug, or a process that cannot wait
                client.outbox.abort(*self._farewell(client, *goodbye), self._last_word(client))
            if self.recorder.finish() or self.recorder.waiting:
                await self._stored()

    def hang_up(self, code: int, reason: str) -> None:
        """End the call from our side, behind what still waits to be written."""
        if self._goodbye is None:
            self.ending = reason.replace(" ", "_")
            self._goodbye = (code, reason)
        self.feed(HungUp(code, reason))
        for client in self._attached():  # those whom the machine's own closing left out
            self._say_goodbye(client, code, reason)
        self.reconcile()

    def abort(self, code: int, reason: str) -> None:
        """End the call now: what waits to be written is never written."""
        self.hang_up(code, reason)
        for client in self._attached():
            client.outbox.abort(*self._farewell(client, code, reason), self._last_word(client))
        self.reconcile()

    def revoke(self, why: AuthFailure) -> None:
        """End the call, because a credential that it depends on was revoked.

        Its own client reads why. Control connections have credentials of their own: for them
        it is the end of a call like others, and so it is for an upstream.
        """
        if self._goodbye is None:
            self.ending = why.code
            self._goodbye, self._revoked = (CloseCode.UNAUTHORIZED, close_reason(why)), why
        self.hang_up(CloseCode.NORMAL, HUNG_UP)

    def dismiss(self, client: Client, why: AuthFailure, *, at_once: bool = False) -> None:
        """End one control connection, whose credential was revoked. The call goes on.

        Nothing more is taken from it. It is closed behind what waits for it, or `at_once`.
        """
        client.take_no_more()
        if at_once:
            client.outbox.abort(CloseCode.UNAUTHORIZED, close_reason(why), _error(why))
        else:
            client.outbox.put(_error(why))
            client.outbox.close(CloseCode.UNAUTHORIZED, close_reason(why))
        self.reconcile()

    def _farewell(self, client: Client, code: int, reason: str) -> tuple[int, str]:
        if self._revoked is None:
            return code, reason
        if client.sideband:
            return CloseCode.NORMAL, HUNG_UP
        return CloseCode.UNAUTHORIZED, close_reason(self._revoked)

    def _last_word(self, client: Client) -> bytes:
        return b"" if self._revoked is None or client.sideband else _error(self._revoked)

    def _say_goodbye(self, client: Client, code: int, reason: str) -> None:
        if last_word := self._last_word(client):
            client.outbox.put(last_word)  # not taken after the first goodbye
        client.outbox.close(*self._farewell(client, code, reason))

    # What happened

    def feed(self, event: In | DriverInput, client_id: ClientId | None = None) -> None:
        self._inbox.append((event, client_id))
        if not self._busy:
            self._pump()

    def detach(self, client: Client, code: int = CloseCode.ABNORMAL, reason: str = "") -> None:
        self._clients = [other for other in self._clients if other is not client]
        if not any(not other.sideband for other in self._attached()):
            if self.ending == "ended":
                self.ending = f"client_closed_{code}"
            self.feed(HungUp(code, reason))
        self.reconcile()

    def _pump(self, *, due: bool = False) -> None:
        """Tell the machine, do what it asks. What comes in meanwhile waits its turn.

        Whoever calls this (a socket, a timer, the writer) is not to blame for what goes wrong in
        it: `run` raises it.
        """
        self._busy = True
        try:
            if due:
                self.machine.on_deadline(self.clock())
            self._perform(self.machine.effects())
            while self._inbox and not self.machine.closed:
                event, client_id = self._inbox.popleft()
                self.machine.receive(event, self.clock(), client_id)
                self._perform(self.machine.effects())
                if isinstance(event, Played):
                    self.recorder.mark_played(event.item_id)
        except Exception as bug:
            self._break(bug)
            return
        self._busy = False
        self.reconcile()

    def _break(self, bug: Exception) -> None:
        """End the call. It stays busy, so that a broken machine gets no more input."""
        self._busy = True
        self._bug = bug
        self._over.set()

    def reconcile(self) -> None:
        """Update clients, work, mailbox, timer and end of call, after anything at all.

        An exception ends this call. Its caller may be another one, so it is not raised.
        """
        if self._busy:
            return
        try:
            self._reconcile()
        except Exception as bug:
            self._break(bug)

    def _reconcile(self) -> None:
        for client in self._clients:
            client.update_backpressure()
        self._work.update_backpressure()
        if self.mailbox.letters and self.has_room():
            self._loop.call_soon(self.mailbox.deliver)
        self._rearm()
        if self.machine.closed and not self._attached():
            self._over.set()

    def _rearm(self) -> None:
        """One timer for all deadlines, re-armed only when the earliest changed."""
        due = self.machine.next_deadline()
        for client in self._clients:
            if (at := client.outbox.deadline()) is not None and (due is None or at < due):
                due = at
        if due == self._due:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._due = due
        self._timer = None if due is None else self._loop.call_at(due, self._on_time)

    def _on_time(self) -> None:
        self._timer = self._due = None
        now = self.clock()
        for client in self._attached():
            if (at := client.outbox.deadline()) is not None and now >= at:
                client.outbox.abort(CloseCode.TRY_AGAIN_LATER, "too slow")
                self.detach(client, CloseCode.TRY_AGAIN_LATER, "too slow")
        due = self.machine.next_deadline()
        self._pump(due=due is not None and now >= due)

    def _attached(self) -> list[Client]:
        return [client for client in self._clients if not client.outbox.closed]

    def has_room(self) -> bool:
        """Nobody we wait for is behind."""
        return not any(c.outbox.full for c in self._clients if not c.sideband)

    def over_high_water(self) -> bool:
        """So much waits for somebody we wait for that nobody's words should bring more."""
        return any(c.outbox.over_high_water for c in self._clients if not c.sideband)

    # What to do about it

    def _perform(self, effects: Sequence[DriverEffect | Eff]) -> None:
        for effect in effects:  # before the first word of the batch is sent
            if isinstance(effect, do.Cancel):
                self._work.stop(effect)
            elif isinstance(effect, do.Hush):
                for client in self._attached():
                    client.transport.hush(effect.item_id)
        for effect in effects:
            match effect:
                case do.Send(event=event, to=to):
                    self._send(event, to)
                case do.ForwardToClients():
                    self._pass(effect)
                case do.Record(event=event):
                    self.recorder.record_event(event)
                    self._on_event(event)
                case do.CloseCall(code=code, reason=reason):
                    self._close(code, reason)
                case do.Cancel() | do.Hush():
                    pass  # done
                case _:
                    self._work.perform(effect)

    def _send(self, event: server.ServerEvent, to: ClientId | None) -> None:
        receipt = self.recorder.record_event(event)
        self._on_event(event)
        stamp = self._stamp(event)
        for shaped in self._work.shape(event):
            data = codec.encode(shaped)
            for client in self._attached():
                if to in (None, client.id) and client.wants(event):
                    client.outbox.put(data, receipt=receipt, written=stamp)
                    stamp = None  # the first to be told is the one we time

    def forward(self, data: Frame) -> None:
        """Tell the clients at once what no machine has to know. This is the hot path."""
        for client in self._clients:
            if not client.sideband or client.wants_frame(data):
                client.outbox.forward(data)
                if client.outbox.full:
                    self.reconcile()

    def _pass(self, passed: do.ForwardToClients) -> None:
        event, receipt, stamp = passed.event, 0, None
        if event is not None:
            receipt = self.recorder.record_event(event)
            self._on_event(event)
            stamp = self._stamp(event)
        for client in self._attached():
            if client.sideband and not passed.sidebands:
                continue
            if event is None or client.wants(event):
                client.outbox.put(passed.data, receipt=receipt, written=stamp)
                stamp = None

    def _stamp(self, event: server.ServerEvent) -> OnFrameWritten | None:
        if not isinstance(event, server.AudioDelta | server.SpeechStopped):
            return None
        due = self.clock()

        def stamp(held: bool) -> None:
            now = self.clock()
            self.recorder.written(event, now)
            self._on_written(event, due, now, held)

        return stamp

    def _close(self, code: int, reason: str) -> None:
        self._work.end()
        code, reason = self._goodbye or (code, reason)
        if self.ending == "ended" and self._attached():
            self.ending = f"server_closed_{code}"
        for client in self._attached():
            self._say_goodbye(client, code, reason)

    # Commits

    def _committed(self, number: int) -> None:
        for client in self._clients:
            client.outbox.committed(number)
        self._kept.set()
        self.reconcile()

    def _not_committed(self) -> None:
        """What the client would have been told is not true. It is told so, and nothing else."""
        self.ending = "storage_unavailable"
        body = error_body.server_error(
            "storage_unavailable", "The conversation could not be stored."
        )
        error = codec.encode(server.Error(event_id="event_storage", error=body))
        for client in self._attached():
            client.outbox.abort(CloseCode.INTERNAL_ERROR, "storage_unavailable", error)
        self._kept.set()
        self.feed(HungUp())

    async def _stored(self) -> None:
        while self.recorder.waiting:
            self._kept.clear()
            await self._kept.wait()


def close_reason(why: AuthFailure) -> str:
    """What stands beside 3000 in the close frame, as with a credential that is not taken."""
    return refusals.close_reason(refusals.refused(why))


def _error(why: AuthFailure) -> bytes:
    return refusals.error_event(refusals.refused(why), "event_revoked")


SessionDriver = CallDriver[SessionInput, EngineEffect]
"""Drives a call that an engine answers or transcribes."""

RelayDriver = CallDriver[RelayInput, UpstreamEffect]
"""Drives a call that an upstream answers."""

AnyDriver = SessionDriver | RelayDriver
