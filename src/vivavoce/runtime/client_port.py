"""The port through which a call's driver tells one client things.

    driver ─► send(event) · forward(frame) · play(item, pcm) · hush(item) ─► ClientPort ─► client
    driver ◄─ feed_event(event) · feed_audio(pcm) · feed(Played) ◄────────── ClientPort ◄─ client

A client takes audio in one of two ways. With `"events"` it reads `response.output_audio.delta`
events, and it alone knows what it has played. With `"media"` it gets PCM by `play`, at the pace of
the engine; the port plays it in real time and reports what was played.

Nothing here waits. A port that cannot write at once keeps what waits, up to a bound.
"""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias

from ..core.effects import ClientId
from ..core.types import Frame
from ..protocol.client import ClientEvent
from .dialects import Dialect
from .outbox import OnFrameWritten
from .outgoing_event import OutgoingEvent
from .traffic import TrafficCounters

AudioKind: TypeAlias = Literal["events", "media"]


class Reader(Protocol):
    """Turns what one client sends into inputs of the machine, in order."""

    @property
    def is_behind(self) -> bool:
        """True if the client should send nothing more until the reader has caught up."""

    def frame(self, data: Frame) -> None:
        """Take one message, spelled in the client's dialect."""

    def event(self, event: ClientEvent) -> None:
        """Take one event that is already decoded."""

    def audio(self, pcm: bytes) -> None:
        """Take audio of the user: PCM16 at 24 kHz."""

    def resume(self) -> None:
        """Go on with what was held back, as far as there is room now."""

    def discard(self) -> None:
        """Drop what waits, and everything that comes later. The client is gone."""


class ClientPort(Protocol):
    """One client of a call, as the driver sees it.

    A port that is `closed` ignores every call.
    """

    @property
    def id(self) -> ClientId: ...

    @property
    def sideband(self) -> bool:
        """True for a client beside the call's own. It never slows the call, nor keeps it alive."""

    @property
    def dialect(self) -> Dialect: ...

    @property
    def audio(self) -> AudioKind: ...

    @property
    def reader(self) -> Reader: ...

    @property
    def traffic(self) -> TrafficCounters: ...

    @property
    def closed(self) -> bool: ...

    @property
    def full(self) -> bool:
        """True if the client is behind: the engines wait, and it may not send anything more."""

    @property
    def over_high_water(self) -> bool:
        """True if the outbox is over its mark, so that commands which add to it must wait."""

    def send(
        self, event: OutgoingEvent, *, receipt: int = 0, written: OnFrameWritten | None = None
    ) -> bool:
        """Tell the client, after what already waits. Return False if the port ignores it.

        `receipt`: the commit that must have happened first (0: none). The port calls `written`
        when it has written the event.
        """

    def forward(self, data: Frame) -> bool:
        """Pass on an upstream's frame in its own bytes. Return True if the client is now full.

        A view is valid only until this returns.
        """

    def play(self, item_id: str, pcm: bytes) -> None:
        """Queue audio for playback: PCM16 at 24 kHz. Only `"media"` ports are asked to."""

    def hush(self, item_id: str) -> None:
        """Drop what waits to be played of this item, and report how far it was played."""

    def committed(self, number: int) -> None:
        """Write the receipts up to this commit."""

    def deadline(self) -> float | None:
        """Return when a client that is behind must be closed, or None."""

    def update_backpressure(self) -> None:
        """Stop or resume reading from the client, as there is room."""

    def stop_reading(self) -> None:
        """Ignore what waits to be read, and everything that comes later."""

    def close(self, code: int, reason: str) -> None:
        """Close the connection when every event that waits has been written.

        Audio that waits to be played is dropped.
        """

    def abort(self, code: int, reason: str, last: OutgoingEvent | None = None) -> None:
        """Close the connection now. Of what waits, write nothing; write `last`, if there is one."""
