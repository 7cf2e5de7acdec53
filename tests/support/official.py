"""The official client's union of events. Whatever any test hears from us has to be in it."""

from __future__ import annotations

from typing import Any

from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from .notes import notes

_UNION: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)


def accept(frame: bytes, *, said: bool = True) -> Any:  # noqa: ANN401
    """The event as the official client has it. Raises pydantic's error for one that it has not.

    `said`: it goes out to somebody.
    """
    event = _UNION.validate_json(frame)
    assert not isinstance(event, dict), "an event of no known type"
    if said:
        notes.server(frame)
    return event
