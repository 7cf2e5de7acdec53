"""All state of one upstream connection.

The call's own state (conversation, ledger, inactivity, expiry) is the machine's. Nothing in here
is needed after the connection has gone, except the frames that it never received.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ...protocol import server
from ...protocol.items import Message
from ..error_routing import SidebandErrors
from .audio_accounting import AudioAccounting, bytes_per_ms
from .frames import TAKEN, TAKEN_FOR_TOOLS
from .greeting import Greeting
from .opening import HeldFrame, Opening

if TYPE_CHECKING:
    from msgspec import Raw

OWN_EVENT = "event_vivavoce_"  # begins the ids of the events that the relay itself sends upstream
"""An id of the relay's own follows it, so that no client can use the same ids."""


class UpstreamState:
    """The state of the connection to one upstream."""

    __slots__ = (
        "audio",
        "confirmed",
        "flowing",
        "greeting",
        "opening",
        "own_event",
        "retold",
        "running",
        "sideband_errors",
    )

    def __init__(self, now: float, new_id: Callable[[str], str], *, tools: bool = False) -> None:
        """`tools`: the server has tools, so more frames are to be decoded."""
        self.flowing = False  # has the upstream confirmed the session?
        self.opening = Opening(now)
        self.own_event = f"{OWN_EVENT}{new_id('own')}_"
        self.greeting = Greeting(self.own_event)
        self.audio = AudioAccounting(TAKEN_FOR_TOOLS if tools else TAKEN)
        self.sideband_errors = SidebandErrors(new_id)
        self.running: dict[str, server.Response] = {}  # responses, by id
        self.retold: set[str] = (
            set()
        )  # items that the relay sent and the upstream has not confirmed
        self.confirmed: Raw | None = None  # the session, when the call opened

    @property
    def deadline(self) -> float:
        """Return when to stop waiting for the upstream's session, or for the end of a greeting."""
        return self.greeting.deadline if self.flowing else self.opening.deadline

    def unsent_frames(self) -> list[HeldFrame]:
        """Return the clients' frames that this upstream has not received, oldest first."""
        return self.opening.release_client_frames() + self.greeting.end()

    def answers_relay(self, event: server.ServerEvent) -> bool:
        """Return True if this event answers one that the relay sent by itself."""
        match event:
            case server.ItemAdded(item=item) | server.ItemCreated(item=item):
                return item.id in self.retold
            case server.ItemDone(item=item) if item.id in self.retold:
                self.retold.discard(item.id)
                return True
            case server.Error(error=body):
                return (body.event_id or "").startswith(self.own_event)
            case _:
                return False

    def observe(self, event: server.ServerEvent, frame_bytes: int) -> None:
        """Follow the upstream's responses and their audio. `frame_bytes`: the event's length."""
        match event:
            case server.ResponseCreated(response=response):
                self.running[response.id] = response
                self.greeting.on_response_created(response.id)
                self.audio.expect_item()
            case server.ItemAdded(item=Message(role="assistant")):
                self.audio.expect_item()
            case server.AudioDelta(response_id=response_id):
                response_audio = bytes_per_ms(self.running.get(response_id))
                self.audio.start(event, frame_bytes, response_audio)
            case server.ResponseDone(response=response):
                self.running.pop(response.id, None)
                self.audio.end_response()
            case _:
                pass
