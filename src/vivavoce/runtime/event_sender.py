"""Record the events of one call, and send each to the clients that it concerns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from ..core import effects as do
from ..core.effects import ClientId
from ..protocol import server
from .attached_clients import AttachedClients
from .client_port import ClientPort
from .outbox import OnFrameWritten
from .outgoing_event import OutgoingEvent
from .output_encoder import OutputFormats
from .recorder import Recorder


class OnAudioWritten(Protocol):
    """Called when audio, or the end of the user's speech, was written to the first client.

    `due`: when it was ready, but for the disk. `now`: when it was written. Both are monotonic
    seconds. `held`: the client's socket was full in between, so the delay is the client's.
    """

    def __call__(self, event: server.ServerEvent, due: float, now: float, held: bool) -> None: ...


def ignore_written(event: server.ServerEvent, due: float, now: float, held: bool) -> None:
    """Ignore the times. This is the default of `on_written`."""


Observer: TypeAlias = Callable[[server.ServerEvent], None]


class EventSender:
    """Sends events in order. An event is recorded before the first client gets it."""

    def __init__(
        self,
        clients: AttachedClients,
        recorder: Recorder,
        clock: Callable[[], float],
        observers: Sequence[Observer] = (),
        on_written: OnAudioWritten = ignore_written,
    ) -> None:
        self.formats = OutputFormats()  # as the last `session` event says
        self._clients = clients
        self._recorder = recorder
        self._clock = clock
        self._observers = tuple(observers)
        self._on_written = on_written

    def record(self, event: server.ServerEvent) -> int:
        """Fold the event into the record, and show it to the observers. Return its receipt."""
        receipt = self._recorder.record_event(event)
        for observe in self._observers:
            observe(event)
        return receipt

    def send(self, event: server.ServerEvent, to: ClientId | None) -> None:
        """Send an event to one client, or to all (`to` is None)."""
        receipt, on_written = self.record(event), self._on_frame_written(event)
        self.formats.follow(event)
        outgoing = OutgoingEvent(event)
        for client in self._clients.all:
            if client.closed:
                continue
            if to in (None, client.id) and _deliver(client, outgoing, receipt, on_written):
                on_written = None  # the delay is measured at the first client that takes the event

    def forward(self, passed: do.ForwardToClients) -> None:
        """Forward a frame that the machine has read, behind what already waits."""
        event, receipt, on_written = passed.event, 0, None
        if event is not None:
            receipt, on_written = self.record(event), self._on_frame_written(event)
        outgoing = OutgoingEvent(event, passed.data)
        for client in self._clients.all:
            if client.closed or (client.sideband and not passed.sidebands):
                continue
            if _deliver(client, outgoing, receipt, on_written):
                on_written = None

    def _on_frame_written(self, event: server.ServerEvent) -> OnFrameWritten | None:
        if not isinstance(event, server.AudioDelta | server.SpeechStopped):
            return None
        due = self._clock()

        def written(held: bool) -> None:
            now = self._clock()
            self._recorder.written(event, now)
            self._on_written(event, due, now, held)

        return written


def _deliver(
    client: ClientPort, event: OutgoingEvent, receipt: int, on_written: OnFrameWritten | None
) -> bool:
    """Play audio to a client with media; send everything else. Return False if it is ignored."""
    if client.audio == "media" and isinstance(event.event, server.AudioDelta):
        client.play(event.event.item_id, event.event.delta)
        if on_written:
            on_written(False)  # the port paces playback, so the client is not behind
        return True
    return client.send(event, receipt=receipt, written=on_written)
