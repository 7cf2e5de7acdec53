"""The official client's union of events. Whatever any test hears from us has to be in it."""

from __future__ import annotations

from typing import Any

from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from .notes import notes

_UNION: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)


def accept(frame: bytes, *, said: bool = True) -> Any:  # noqa: ANN401
    """Parse an event as the official client does. Raise pydantic's error if it cannot.

    `said`: the server really sends the event.
    """
    event = _UNION.validate_json(frame)
    assert not isinstance(event, dict), "an event of no known type"
    if said:
        notes.server(frame)
    return event
