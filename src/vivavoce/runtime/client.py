"""One connection to a call: what it brings, what waits for it, what it does not want to know."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ..core.effects import ClientId
from ..core.inputs import Played
from ..core.types import Frame
from ..protocol import server
from ..protocol.peek import peek_type
from .outbox import Outbox, Transport

_HEAD = 96  # bytes of a frame in which its type stands
_SOUND = b"response.output_audio.delta"


class Reader(Protocol):
    """Makes inputs of a client's frames, in order."""

    @property
    def is_behind(self) -> bool:
        """It was brought more than it can take for now: stop reading the socket."""

    def frame(self, data: Frame) -> None: ...

    def resume(self) -> None:
        """There may be room again for what was held back."""

    def discard(self) -> None:
        """The client is gone, and what it brought with it."""


class DriverPort(Protocol):
    """The line, as its clients see it."""

    def feed(self, event: Played, client_id: ClientId | None = None) -> None: ...

    def detach(self, client: Client, code: int, reason: str) -> None: ...

    def reconcile(self) -> None: ...


def _nothing() -> None: ...


def _ignore(data: Frame) -> None: ...


class Client:
    """A transport calls `frame`, `writable`, `played` and `lost`; nothing here waits."""

    def __init__(
        self,
        driver: DriverPort,
        client_id: ClientId,
        transport: Transport,
        outbox: Outbox,
        reader: Callable[[Client], Reader],
        *,
        sideband: bool = False,
    ) -> None:
        self.id = client_id
        self.sideband = sideband
        self.transport = transport
        self.outbox = outbox
        self.on_lost: Callable[[], None] = _nothing
        self._driver = driver
        self._paused = False
        self._reader = reader(self)
        self.frame: Callable[[Frame], None] = self._reader.frame  # bound once: the hot path

    def writable(self) -> None:
        self.outbox.flush()
        self._driver.reconcile()

    def played(self, item_id: str, ms: int) -> None:
        """The loudspeaker has come `ms` into this item. Only who paces playout knows."""
        self._driver.feed(Played(item_id, ms), self.id)

    def lost(self, code: int, reason: str) -> None:
        """The connection is gone; `code` is what the peer said, 1006 if nothing."""
        self.outbox.forget()
        self._reader.discard()
        self.on_lost()
        self._driver.detach(self, code, reason)

    def take_no_more(self) -> None:
        """Whatever it brings from now on is not looked at, and neither is what still waits."""
        self.frame = _ignore
        self._reader.discard()

    def wants(self, event: server.ServerEvent) -> bool:
        """A sideband hears no sound, and the session was there before it (protocol §1.11)."""
        return not (self.sideband and isinstance(event, server.AudioDelta | server.SessionCreated))

    def wants_frame(self, data: Frame) -> bool:
        """The same of what a sideband's line forwards unread: `session.created` never is."""
        return peek_type(data[:_HEAD]) != _SOUND

    def update_backpressure(self) -> None:
        """Stop reading from who does not read, and from who brings more than can be heard."""
        self._reader.resume()
        pause = self.outbox.full or self._reader.is_behind
        if pause != self._paused and not self.outbox.closed:
            self._paused = pause
            (self.transport.pause_reading if pause else self.transport.resume_reading)()
