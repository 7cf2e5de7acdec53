"""What came of the last input, in order.

An event is stamped and folded into the conversation in the same breath as it is queued: what
the client will be told and what the machine believes cannot differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from ..errors import InvalidRequest
from ..protocol import error_body
from ..protocol.server import Error, ServerEvent
from . import effects as do
from .conversation import Conversation
from .effects import ClientId, Effect


class EffectQueue:
    def __init__(self, conversation: Conversation, new_id: Callable[[str], str]) -> None:
        self.new_id = new_id
        self._conversation = conversation
        self._effects: list[Effect] = []

    def send(self, event: ServerEvent, to: ClientId | None = None) -> None:
        self._effects.append(do.Send(self._stamp(event), to))

    def send_all(self, events: Iterable[ServerEvent]) -> None:
        for event in events:
            self.send(event)

    def send_error(
        self, error: InvalidRequest, event_id: str | None = None, client_id: ClientId | None = None
    ) -> None:
        """What cannot be had, told to `who` asked for it. `event_id`: their own, of the request."""
        self.send(Error(error=error_body.invalid_request(error, event_id)), client_id)

    def record(self, event: ServerEvent) -> None:
        self._effects.append(do.Record(self._stamp(event)))

    def request(self, effect: Effect) -> None:
        self._effects.append(effect)

    def drain(self) -> list[Effect]:
        effects, self._effects = self._effects, []
        return effects

    def _stamp(self, event: ServerEvent) -> ServerEvent:
        self._conversation.apply(event)
        return msgspec.structs.replace(event, event_id=self.new_id("event"))
