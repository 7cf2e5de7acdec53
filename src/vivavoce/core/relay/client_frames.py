"""Rewrite a client's frame for the upstream, if fields of the session are locked."""

from __future__ import annotations

import msgspec

from ...errors import InvalidRequest
from ...protocol import codec
from ..locked_fields import strip_locked_fields
from .frames import is_only_append

_CONFIGURES = (("session.update", "session"), ("response.create", "response"))


def without_locked_fields(data: bytes, locked: tuple[str, ...]) -> bytes:
    """Return a client's frame without the session fields that it may not change.

    The frame is encoded again, so that it has no key twice: the upstream could read the other one.
    """
    if not locked or is_only_append(data):
        return data
    codec.judge_size(data)
    try:
        event = msgspec.json.decode(data)
        for kind, field in _CONFIGURES:
            if isinstance(event, dict) and event.get("type") == kind:
                inner = event.get(field)
                if isinstance(inner, dict):
                    event[field] = strip_locked_fields(inner, locked)
        return msgspec.json.encode(event)
    except (ValueError, RecursionError):
        raise InvalidRequest("invalid_event", "Invalid JSON.") from None
