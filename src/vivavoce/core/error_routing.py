"""What control connections say to an upstream, and whose fault it is if it complains.

An error is for who caused it (protocol §3.1). The call's own client talks to the upstream in its
own bytes. What a control connection says is written anew with an event id of ours: an error that
names it goes to that connection alone, under the id that it gave its event itself.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from ..errors import InvalidRequest
from ..protocol import codec, server
from .effects import ClientId
from .validation import no_sound

REMEMBERED = 256  # events; an error that comes later than so many others is nobody's


class SidebandErrors:
    def __init__(self, new_id: Callable[[str], str]) -> None:
        self._new_id = new_id
        self._said: dict[str, tuple[ClientId | None, str | None]] = {}

    def upward(self, data: bytes, client_id: ClientId | None) -> bytes:
        """The event as the upstream is told it, or `InvalidRequest`."""
        codec.judge_size(data)
        try:
            said = msgspec.json.decode(data)
            own = _event_id(said)
            if said.get("type") == "input_audio_buffer.append":
                raise no_sound(own)
            name = self._new_id("event")
            upward = msgspec.json.encode(said | {"event_id": name})
        except (ValueError, RecursionError):
            raise InvalidRequest("invalid_event", "Invalid JSON.") from None
        self._said[name] = client_id, own
        if len(self._said) > REMEMBERED:
            del self._said[next(iter(self._said))]
        return upward

    def blamed(self, error: server.Error) -> tuple[server.Error, ClientId | None] | None:
        """The error as whoever caused it knows it; None: no control connection did."""
        found = self._said.pop(error.error.event_id or "", None)
        if found is None:
            return None
        client_id, own = found
        body = msgspec.structs.replace(error.error, event_id=own)
        return msgspec.structs.replace(error, error=body), client_id


def _event_id(said: object) -> str | None:
    if not isinstance(said, dict):
        raise InvalidRequest("invalid_event", "The event must be a JSON object.")
    own = said.get("event_id")
    if not isinstance(own, str | None):
        raise InvalidRequest("invalid_type", "Invalid type for 'event_id': expected string.",
                             "event_id")  # fmt: skip
    return own
