"""The owner of one machine: everything that happens to a call happens here, one thing at a time.

A client's port passes inputs to the driver. The driver passes them to the machine at once, and
performs the machine's effects at once, because nothing here waits. Engines, tools and an
upstream's connection do wait. They are the driver's `Work`: they run in its task group, and their
results come back as inputs.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, Protocol

from ..access.auth_failure import AuthFailure
from ..core import effects as do
from ..core.effects import ClientId, DriverEffect, EngineEffect, UpstreamEffect
from ..core.inputs import DriverInput, HungUp, Played, RelayInput, SessionInput
from ..core.limits import UNLIMITED, ByteAccount
from ..core.types import Frame
from ..errors import ConversationDeletedError, StoreError
from ..net.websocket import SLOW_PEER_TIMEOUT_S
from ..protocol import error_body, server
from ..protocol.client import ClientEvent
from ..protocol.close_codes import HUNG_UP, CloseCode
from . import call_ending
from .attached_clients import AttachedClients, Port
from .call_ending import CallEnding
from .client import Client
from .client_port import ClientPort, Reader
from .dialects import GA, Dialect
from .event_sender import EventSender, Observer, OnAudioWritten, ignore_written
from .machine import Eff, In, Machine
from .mailbox import Mailbox
from .media_client import MediaClient
from .outbox import LIMIT, Connection
from .outgoing_event import OutgoingEvent
from .port_factory import PortFactory
from .recorder import Recorder
from .traffic import TrafficCounters


class Work(Protocol[In, Eff]):
    """Performs the effects that take time, and feeds their results to the machine."""

    def begin(self, driver: CallDriver[In, Eff], tasks: asyncio.TaskGroup) -> None: ...

    def stop(self, effect: do.Cancel) -> None:
        """Cancel a response, before any other effect of its batch is performed."""

    def perform(self, effect: Eff) -> None: ...

    def update_backpressure(self) -> None:
        """Adapt to the room in the clients' outboxes."""

    def end(self) -> None:
        """Stop everything, because the call is over."""


class CallDriver(Generic[In, Eff]):
    """Owns one machine, its clients, its timer and the tasks that work for it."""

    def __init__(
        self,
        machine: Machine[In, Eff],
        work: Work[In, Eff],
        recorder: Recorder,
        *,
        send_buffer_bytes: int = LIMIT,
        timeout_s: float = SLOW_PEER_TIMEOUT_S,
        observers: Sequence[Observer] = (),
        on_written: OnAudioWritten = ignore_written,
        traffic: TrafficCounters | None = None,
        account: ByteAccount = UNLIMITED,
        playback_bytes: int | None = None,
    ) -> None:
        """`observers` see every event that is true, sent or not. They must not wait.

        `playback_bytes`: of audio that waits to be played. None: `send_buffer_bytes`.
        """
        self._loop = asyncio.get_running_loop()
        self.clock = self._loop.time
        self.machine = machine
        self.recorder = recorder
        self._clients = AttachedClients()
        self._events = EventSender(self._clients, recorder, self.clock, observers, on_written)
        self._ending = CallEnding()
        self.has_room = self._clients.has_room
        self.over_high_water = self._clients.over_high_water
        self.mailbox = Mailbox(self.feed, self.has_room)
        self._work = work
        self._ports = PortFactory(
            self._events.formats,
            self.clock,
            send_buffer_bytes=send_buffer_bytes,
            timeout_s=timeout_s,
            traffic=traffic,
            account=account,
            playback_bytes=playback_bytes,
        )
        self._inbox: deque[tuple[In | DriverInput, ClientId | None]] = deque()
        self._busy = True  # until `run` has a task group to work in
        self._timer: asyncio.TimerHandle | None = None
        self._due: float | None = None  # time of `_timer`; uvloop's handles do not know theirs
        self._over = asyncio.Event()
        self._bug: Exception | None = None
        self._commit_done = asyncio.Event()
        recorder.on_commit = self._committed
        recorder.on_failure = self._not_committed

    def attach(
        self,
        connection: Connection,
        reader: Callable[[ClientPort], Reader],
        *,
        sideband: bool = False,
        limit: int | None = None,
        dialect: Dialect = GA,
    ) -> Client:
        """Attach a client that reads and writes events. `limit`: bytes of its outbox."""
        make = self._ports.event_client(
            self, connection, reader, sideband=sideband, limit=limit, dialect=dialect
        )
        return self.attach_port(make)

    def attach_media(
        self,
        audio: Connection,
        reader: Callable[[ClientPort], Reader],
        *,
        events: Connection | None = None,
        limit: int | None = None,
    ) -> MediaClient:
        """Attach a client whose audio the server paces. Without `events` it receives none."""
        make = self._ports.media_client(self, audio, reader, events=events, limit=limit)
        return self.attach_port(make)

    def attach_port(self, make: Callable[[ClientId], Port]) -> Port:
        """Attach a client of any kind. `make` returns its port, which keeps the id it gets.

        After the end of the call it is closed at once, and nothing of it is read.
        """
        client = self._clients.add(make)
        if self.over:
            client.stop_reading()
            close_frame = self._ending.close_frame or (CloseCode.NORMAL, HUNG_UP)
            self._ending.abort(client, *close_frame)
            self._clients.remove(client.id)
        return client

    @property
    def over(self) -> bool:
        """True if no client can attach to this call any more."""
        return self.machine.closed or self._over.is_set()

    @property
    def sidebands(self) -> int:
        return self._clients.sidebands

    @property
    def ending(self) -> str:
        """The word for how the call ended, as it is stored."""
        return self._ending.word

    async def run(self) -> None:
        """Run the whole call. Return when it is over, stored, and none of its tasks is running.

        An unexpected exception ends the call with 1011 and is raised, because it is our bug.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                self._work.begin(self, tasks)
                self._busy = False
                self._pump(begin=True)
                try:
                    await self._over.wait()
                except asyncio.CancelledError:  # its tasks too; `end` lets them know
                    self._work.end()
                    raise
                if self._bug is not None:
                    raise self._bug
        except Exception:
            self._ending.word = "internal_error"
            raise
        finally:
            self._busy = True
            self._work.end()
            if self._timer:
                self._timer.cancel()
            close_frame = self._ending.close_frame or (CloseCode.INTERNAL_ERROR, "internal error")
            for client in self._clients.open():  # after a bug, or in a process that cannot wait
                self._ending.abort(client, *close_frame)
            if self.recorder.finish() or self.recorder.waiting:
                await self._stored()

    def hang_up(self, code: int, reason: str) -> None:
        """End the call from this side, after what still waits to be written."""
        self._ending.hang_up(code, reason)
        self.feed(HungUp(code, reason))
        for client in self._clients.open():  # the clients that the machine's own closing left out
            self._ending.close(client, code, reason)
        self.reconcile()

    def abort(self, code: int, reason: str) -> None:
        """End the call now, and drop the frames that wait to be written."""
        self.hang_up(code, reason)
        for client in self._clients.open():
            self._ending.abort(client, code, reason)
        self.reconcile()

    def revoke(self, why: AuthFailure) -> None:
        """End the call, because a credential that it depends on was revoked.

        Its own client reads the reason. Sidebands have credentials of their own: for them, and
        for an upstream, the call ends like any other.
        """
        self._ending.revoke(why)
        self.hang_up(CloseCode.NORMAL, HUNG_UP)

    def dismiss(self, client: ClientPort, why: AuthFailure, *, at_once: bool = False) -> None:
        """End one sideband, whose credential was revoked. The call goes on.

        Nothing more is read from it. It closes after what waits for it, or `at_once`.
        """
        call_ending.dismiss(client, why, at_once=at_once)
        self.reconcile()

    # Inputs

    def feed(self, event: In | DriverInput, client_id: ClientId | None = None) -> None:
        """Pass one input to the machine, and perform what it asks for."""
        self._inbox.append((event, client_id))
        if not self._busy:
            self._pump()

    def feed_event(self, event: ClientEvent, client_id: ClientId) -> None:
        """Take an event of a client whose port decodes by itself. Ignored after it has left."""
        if client := self._clients.find(client_id):
            client.reader.event(event)

    def feed_audio(self, pcm: bytes, client_id: ClientId) -> None:
        """Take audio of a client's user, PCM16 at 24 kHz. Ignored after the client has left."""
        if client := self._clients.find(client_id):
            client.reader.audio(pcm)

    def detach(self, client_id: ClientId, code: int = CloseCode.ABNORMAL, reason: str = "") -> None:
        """Remove a client whose connection is gone. Without its own client the call ends."""
        self._clients.remove(client_id)
        if not self._clients.has_own:
            self._ending.closed_by("client", code)
            self.feed(HungUp(code, reason))
        self.reconcile()

    def _pump(self, *, begin: bool = False, due: bool = False) -> None:
        """Pass what waits to the machine, and perform its effects, until the inbox is empty.

        Inputs that an effect causes wait in the inbox, so the machine is never re-entered. The
        caller (a socket, a timer, the committer) is not to blame for a bug here: `run` raises it.
        """
        self._busy = True
        try:
            if due:
                self.machine.on_deadline(self.clock())
            if begin or due:
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
        """Update backpressure, the mailbox, the timer and the end of the call, after any change.

        An exception ends this call. Its caller may be another one, so it is not raised.
        """
        if self._busy:
            return
        try:
            for client in self._clients.all:
                client.update_backpressure()
            self._work.update_backpressure()
            if self.mailbox.waiting and self.has_room():
                self._loop.call_soon(self.mailbox.deliver)
            self._rearm()
            if self.machine.closed and not self._clients.open():
                self._over.set()
        except Exception as bug:
            self._break(bug)

    def _rearm(self) -> None:
        """Arm one timer for all deadlines, and only when the earliest comes before it.

        Every frame of audio moves the end for inactivity. The timer may run too early: then nothing
        is due, and it is armed again.
        """
        due = self._clients.next_deadline(self.machine.next_deadline())
        if due is not None and self._due is not None and due >= self._due:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._due = due
        self._timer = None if due is None else self._loop.call_at(due, self._on_time)

    def _on_time(self) -> None:
        self._timer = self._due = None
        now = self.clock()
        for client in self._clients.overdue(now):
            client.abort(CloseCode.TRY_AGAIN_LATER, "too slow")
            self.detach(client.id, CloseCode.TRY_AGAIN_LATER, "too slow")
        due = self.machine.next_deadline()
        self._pump(due=due is not None and now >= due)

    # Effects

    def _perform(self, effects: Sequence[DriverEffect | Eff]) -> None:
        for effect in effects:  # before any event of the batch is sent
            if isinstance(effect, (do.Cancel, do.Hush)):
                self._silence(effect)
        for effect in effects:
            match effect:
                case do.Send(event=event, to=to):
                    self._events.send(event, to)
                case do.ForwardToClients():
                    self._events.forward(effect)
                case do.Record(event=event):
                    self._events.record(event)
                case do.CloseCall(code=code, reason=reason):
                    self._close(code, reason)
                case do.Cancel() | do.Hush():
                    pass  # performed above
                case _:
                    self._work.perform(effect)

    def _silence(self, effect: do.Cancel | do.Hush) -> None:
        if isinstance(effect, do.Cancel):
            self._work.stop(effect)
            return
        for client in self._clients.open():
            client.hush(effect.item_id)

    def forward(self, data: Frame) -> None:
        """Forward a frame that no machine has to read. This is the hot path."""
        for client in self._clients.all:
            if client.forward(data):
                self.reconcile()

    def _close(self, code: int, reason: str) -> None:
        self._work.end()
        code, reason = self._ending.close_frame or (code, reason)
        if clients := self._clients.open():
            self._ending.closed_by("server", code)
        for client in clients:
            self._ending.close(client, code, reason)

    # Commits

    def _committed(self, number: int) -> None:
        for client in self._clients.all:
            client.committed(number)
        self._commit_done.set()
        self.reconcile()

    def _not_committed(self, failure: StoreError) -> None:
        """End the call: the receipts that wait would be false, and their clients must know it."""
        if isinstance(failure, ConversationDeletedError):
            self._drop_clients(CloseCode.DO_NOT_RETRY, "conversation_deleted")
        else:
            body = error_body.server_error(
                "storage_unavailable", "The conversation could not be stored."
            )
            error = OutgoingEvent(server.Error(event_id="event_storage", error=body))
            self._drop_clients(CloseCode.INTERNAL_ERROR, "storage_unavailable", error)
        self._commit_done.set()
        self.feed(HungUp())

    def _drop_clients(self, code: int, reason: str, last: OutgoingEvent | None = None) -> None:
        self._ending.word = reason
        for client in self._clients.open():
            client.abort(code, reason, last)

    async def _stored(self) -> None:
        while self.recorder.waiting:
            self._commit_done.clear()
            await self._commit_done.wait()


SessionDriver = CallDriver[SessionInput, EngineEffect]
"""Drives a call that an engine answers or transcribes."""

RelayDriver = CallDriver[RelayInput, UpstreamEffect]
"""Drives a call that an upstream answers."""

AnyDriver = SessionDriver | RelayDriver
