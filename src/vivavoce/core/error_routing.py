"""Routes an upstream's errors to the sideband whose event caused them.

An error is for the client that caused it (protocol §3.1). The frames of the call's own client reach
the upstream unchanged. A sideband's event is encoded again, with an event id of the relay's own. An
error that names this id goes to that sideband alone, with the id that its own event had.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from ..errors import InvalidRequest
from ..protocol import codec, server
from .effects import ClientId
from .validation import no_sound

REMEMBERED = 256  # events of sidebands; an error about an older one goes to the call's client


class SidebandErrors:
    def __init__(self, new_id: Callable[[str], str]) -> None:
        self._new_id = new_id
        self._events: dict[str, tuple[ClientId | None, str | None]] = {}

    def rename_event(self, data: bytes, client_id: ClientId | None) -> bytes:
        """Return the event for the upstream. Raises `InvalidRequest`."""
        codec.validate_size(data)
        try:
            event = msgspec.json.decode(data)
            own = _event_id(event)
            if event.get("type") == "input_audio_buffer.append":
                raise no_sound(own)
            name = self._new_id("event")
            renamed = msgspec.json.encode(event | {"event_id": name})
        except (ValueError, RecursionError) as error:
            raise codec.invalid_json(data, error) from None
        self._events[name] = client_id, own
        if len(self._events) > REMEMBERED:
            del self._events[next(iter(self._events))]
        return renamed

    def route(self, error: server.Error) -> tuple[server.Error, ClientId | None] | None:
        """Return the error with the sideband that caused it. None: no sideband did."""
        found = self._events.pop(error.error.event_id or "", None)
        if found is None:
            return None
        client_id, own = found
        body = msgspec.structs.replace(error.error, event_id=own)
        return msgspec.structs.replace(error, error=body), client_id


def _event_id(event: object) -> str | None:
    if not isinstance(event, dict):
        raise InvalidRequest("invalid_event", "The event must be a JSON object.")
    own = event.get("event_id")
    if not isinstance(own, str | None):
        raise InvalidRequest("invalid_type", "Invalid type for 'event_id': expected string.",
                             "event_id")  # fmt: skip
    return own
