"""Rewrite a client's frame for the upstream, when the relay has to inspect it."""

from __future__ import annotations

import msgspec

from ...protocol import codec
from ..locked_fields import strip_locked_fields

_CONFIGURES = (("session.update", "session"), ("response.create", "response"))


def without_locked_fields(event: object, locked: tuple[str, ...]) -> bytes:
    """Return a client's event as a frame, without the session fields that it may not change.

    The frame is encoded again, so that it has no key twice: the upstream could read the other one.
    """
    for kind, field in _CONFIGURES:
        if isinstance(event, dict) and event.get("type") == kind:
            inner = event.get(field)
            if isinstance(inner, dict):
                event[field] = strip_locked_fields(inner, locked)
    try:
        return msgspec.json.encode(event)
    except (ValueError, RecursionError) as error:
        raise codec.invalid_json(b"", error) from None


def decode_frame(data: bytes) -> object:
    """Return a client's frame as JSON. Raises `InvalidRequest`."""
    codec.judge_size(data)
    try:
        return msgspec.json.decode(data)
    except (ValueError, RecursionError) as error:
        raise codec.invalid_json(data, error) from None
