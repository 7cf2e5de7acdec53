"""The effects of a session's last input, in order.

An event is stamped and folded into the conversation when it is queued. So the events that the
client receives and the state that the machine believes cannot differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar

import msgspec

from ..errors import InvalidRequest
from ..protocol import error_body
from ..protocol.server import Error, ServerEvent
from . import effects as do
from .conversation import Conversation
from .effects import ClientId, EventEffect

Eff = TypeVar("Eff")
Eff_contra = TypeVar("Eff_contra", contravariant=True)


class EffectSink(Protocol[Eff_contra]):
    """The queue as a part of a machine sees it. `Eff_contra`: the effects that it may request."""

    @property
    def new_id(self) -> Callable[[str], str]:
        """Makes ids, unique in the process. The argument is their kind: `item`."""

    def send(self, event: ServerEvent, to: ClientId | None = None) -> None:
        """Queue an event for one client. None: for all of them."""

    def send_all(self, events: Iterable[ServerEvent]) -> None:
        """Queue events for all clients."""

    def send_error(
        self, error: InvalidRequest, event_id: str | None = None, client_id: ClientId | None = None
    ) -> None:
        """Queue an error for the client that caused it. `event_id`: of the client's event."""

    def record(self, event: ServerEvent) -> None:
        """Queue an event for the store alone."""

    def request(self, effect: Eff_contra) -> None:
        """Queue any other effect."""


class EffectQueue(Generic[Eff]):
    """Effects wait here until the driver drains them. `Eff`: those that are not events."""

    def __init__(self, conversation: Conversation, new_id: Callable[[str], str]) -> None:
        self.new_id = new_id
        self._conversation = conversation
        self._effects: list[EventEffect | Eff] = []

    def send(self, event: ServerEvent, to: ClientId | None = None) -> None:
        """Queue an event for one client. None: for all of them."""
        self._effects.append(do.Send(self._stamp(event), to))

    def send_all(self, events: Iterable[ServerEvent]) -> None:
        """Queue events for all clients."""
        for event in events:
            self.send(event)

    def send_error(
        self, error: InvalidRequest, event_id: str | None = None, client_id: ClientId | None = None
    ) -> None:
        """Queue an error for the client that caused it. `event_id`: of the client's event."""
        self.send(Error(error=error_body.invalid_request(error, event_id)), client_id)

    def record(self, event: ServerEvent) -> None:
        """Queue an event for the store alone."""
        self._effects.append(do.Record(self._stamp(event)))

    def request(self, effect: Eff) -> None:
        """Queue any other effect."""
        self._effects.append(effect)

    def drain(self) -> list[EventEffect | Eff]:
        """Return the effects since the last call, oldest first."""
        effects, self._effects = self._effects, []
        return effects

    def _stamp(self, event: ServerEvent) -> ServerEvent:
        self._conversation.apply(event)
        return msgspec.structs.replace(event, event_id=self.new_id("event"))
