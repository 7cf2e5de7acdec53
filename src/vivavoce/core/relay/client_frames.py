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
from ...protocol.peek import peek_type
from ..error_routing import SidebandErrors
from ..locked_fields import SYSTEM_MESSAGES, no_system_message, strip_locked_fields
from ..types import JsonObject
from .frames import is_only_append
from .knowledge import RelayKnowledge
from .opening import HeldFrame
from .tools import RelayTools

_TYPES = frozenset(event.__struct_config__.tag for event in get_args(ClientEvent))
_SESSION = frozenset(
    {"type", *SessionConfig.__struct_fields__, *TranscriptionConfig.__struct_fields__}
)
_RESPONSE = frozenset(ResponseOptions.__struct_fields__)
_CONFIGURES = {"session.update": ("session", _SESSION), "response.create": ("response", _RESPONSE)}
"""The events that configure: their object, and its known fields."""

_ROLES = ("user", "assistant")


class ClientFrames:
    """Decides what the upstream receives of the clients' frames."""

    def __init__(
        self, tools: RelayTools, knowledge: RelayKnowledge, locked: tuple[str, ...]
    ) -> None:
        """`locked`: fields of the session that clients may not change."""
        self.inspects = bool(locked or tools.active or knowledge.active)
        self._tools = tools
        self._knowledge = knowledge
        self._locked = locked

    def for_upstream(
        self, held: HeldFrame, sideband_errors: SidebandErrors, now: float
    ) -> bytes | None:
        """Return what the upstream receives of a frame. None: it waits for tools or knowledge.

        `sideband_errors`: of this upstream. Raises `InvalidRequest`.
        """
        data = held.frame.data
        if self.inspects and not is_only_append(data):
            event = decode_frame(data)
            self._tools.refuse_forged(event)
            if self._tools.holds(held, event):
                return None
            if self._knowledge.active and self._knowledge.holds(held, event, now):
                return None
            if self._knowledge.active and peek_type(data) == b"session.update":
                data = without_locked_fields(event, ())  # its turn detection is changed
            if not held.frame.sideband:  # that came with an API key, so no field is locked for it
                return without_locked_fields(event, self._locked)
        if held.frame.sideband:  # an event id of the relay's own shows whose error an error is
            return sideband_errors.rename_event(data, held.client_id)
        return data


def without_locked_fields(event: object, locked: tuple[str, ...]) -> bytes:
    """Return a client's event as a frame, without the session fields that it may not change.

    The frame is encoded again, so that it has no key twice: the upstream could read the other one.
    Raises `InvalidRequest` for an event that the client may not send.
    """
    if locked:
        _strip_locked(locked, event)
    try:
        return msgspec.json.encode(event)
    except (ValueError, RecursionError) as error:
        raise codec.invalid_json(b"", error) from None


def decode_frame(data: bytes) -> object:
    """Return a client's frame as JSON. Raises `InvalidRequest`."""
    codec.validate_size(data)
    try:
        return msgspec.json.decode(data)
    except (ValueError, RecursionError) as error:
        raise codec.invalid_json(data, error) from None


def _strip_locked(locked: tuple[str, ...], event: object) -> None:
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
