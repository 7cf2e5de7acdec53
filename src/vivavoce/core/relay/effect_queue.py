"""The effects of the relay's last input, in order."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from ...protocol import codec, server
from ...protocol.base import ClientMessage
from .. import effects as do
from ..effects import ClientId, RelayEffect


class RelayEffectQueue:
    """Effects wait here until the driver drains them."""

    def __init__(self, new_id: Callable[[str], str]) -> None:
        self._new_id = new_id
        self._effects: list[RelayEffect] = []

    def send_upstream(self, event: ClientMessage) -> None:
        """Send an event of the relay's own to the upstream."""
        self.request(do.SendUpstream(codec.encode(event)))

    def forward(self, data: bytes, event: server.ServerEvent | None) -> None:
        """Forward a frame of the upstream to all clients."""
        self.request(do.ForwardToClients(data, event))

    def send(self, event: server.ServerEvent, client_id: ClientId | None = None) -> None:
        """Send an event of the relay's own to one client. None: to all of them."""
        event = msgspec.structs.replace(event, event_id=self._new_id("event"))
        self.request(do.Send(event, client_id))

    def send_error(self, body: server.ErrorBody, client_id: ClientId | None = None) -> None:
        """Send an error to one client. None: to all of them."""
        self.send(server.Error(error=body), client_id)

    def request(self, effect: RelayEffect) -> None:
        """Queue any other effect."""
        self._effects.append(effect)

    def drain(self) -> list[RelayEffect]:
        """Return the effects since the last call, oldest first."""
        effects, self._effects = self._effects, []
        return effects
