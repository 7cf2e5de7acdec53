"""Rewrite a client's frame for the upstream, when the relay has to inspect it.

A client with locked fields sends only the events and fields that this server knows. Others could be
new at the provider, and do what the locks forbid.
"""

from __future__ import annotations

from typing import cast, get_args

import msgspec

from ...errors import InvalidRequest
from ...protocol import codec
from ...protocol.client import ClientEvent, ResponseOptions
from ...protocol.config import SessionConfig, TranscriptionConfig
from ..locked_fields import SYSTEM_MESSAGES, no_system_message, strip_locked_fields
from ..types import JsonObject

_TYPES = frozenset(event.__struct_config__.tag for event in get_args(ClientEvent))
_SESSION = frozenset(
    {"type", *SessionConfig.__struct_fields__, *TranscriptionConfig.__struct_fields__}
)
_RESPONSE = frozenset(ResponseOptions.__struct_fields__)
_CONFIGURES = {"session.update": ("session", _SESSION), "response.create": ("response", _RESPONSE)}
"""The events that configure: their object, and its known fields."""

_ROLES = ("user", "assistant")


def without_locked_fields(event: object, locked: tuple[str, ...]) -> bytes:
    """Return a client's event as a frame, without the session fields that it may not change.

    The frame is encoded again, so that it has no key twice: the upstream could read the other one.
    Raises `InvalidRequest` for an event that the client may not send.
    """
    if locked:
        _apply(locked, event)
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


def _apply(locked: tuple[str, ...], event: object) -> None:
    if not isinstance(event, dict):
        raise InvalidRequest("invalid_event", "The event must be an object.")
    _require_known(event)
    if SYSTEM_MESSAGES in locked:
        _refuse_system_messages(event)
    if event["type"] in _CONFIGURES:
        field, known = _CONFIGURES[event["type"]]
        if isinstance(inner := event.get(field), dict):
            inner = {name: value for name, value in inner.items() if name in known}
            event[field] = strip_locked_fields(inner, locked)


def _require_known(event: JsonObject) -> None:
    kind = event.get("type")
    if not isinstance(kind, str) or kind not in _TYPES:
        shown = kind[:60] if isinstance(kind, str) else ""
        raise InvalidRequest(
            "invalid_value", f"Invalid value: '{shown}'. This client may not send such an event.",
            "type", _event_id(event),
        )  # fmt: skip


def _refuse_system_messages(event: JsonObject) -> None:
    """Refuse each item with a role other than the user's or the assistant's."""
    items = {"item": event.get("item")}
    response = event.get("response")
    given = response.get("input") if isinstance(response, dict) else None
    if isinstance(given, list):
        items |= {f"response.input[{index}]": item for index, item in enumerate(given)}
    for place, item in items.items():
        if isinstance(item, dict) and item.get("role", "user") not in _ROLES:
            raise no_system_message(f"{place}.role", _event_id(event))


def _event_id(event: JsonObject) -> str | None:
    return cast("str | None", value) if isinstance(value := event.get("event_id"), str) else None
