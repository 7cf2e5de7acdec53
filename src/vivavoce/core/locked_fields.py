"""Removes the session fields that an assistant has locked from the requests of a browser.

The fields are removed like an unknown `model` is, and `session.updated` shows the result. An error
would be worse: stock browser SDKs send instructions and tools on every connect, and would lose the
rest of the update. The same fields of a `response.create` are removed as well.

A message of the role `system` instructs the model like the instructions do. If such messages are
locked, the event that brings one is refused: without its item it would have no meaning.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar, cast

import msgspec

from ..errors import InvalidRequest
from ..protocol.client import Command, ItemCreate, ResponseCreate, SessionUpdate
from ..protocol.items import Message
from .types import JsonObject

SYSTEM_MESSAGES = "system_messages"  # in `limits.locked`, beside the fields of the session

T = TypeVar("T", bound=msgspec.Struct)


def strip_locked_fields(patch: JsonObject, locked: Iterable[str]) -> JsonObject:
    """Return the session of a `session.update` without these fields (`audio.output.voice`).

    It works for the response of a `response.create` too, which has the same fields.
    """
    for path in locked:
        patch = _without(patch, path.split("."))
    return patch


def _without(patch: JsonObject, path: list[str]) -> JsonObject:
    first, *rest = path
    inner = patch.get(first)
    if first not in patch or (rest and not isinstance(inner, dict)):
        return patch
    kept = {key: value for key, value in patch.items() if key != first}
    return kept | {first: _without(cast("JsonObject", inner), rest)} if rest else kept


def strip_locked_options(options: T, locked: Iterable[str]) -> T:
    """Return a response's options without these fields."""
    for path in locked:
        options = _without_option(options, path.split("."))
    return options


def _without_option(options: T, path: list[str]) -> T:
    first, *rest = path
    inner = getattr(options, first, None)
    if inner is None:
        return options
    return msgspec.structs.replace(
        options, **{first: _without_option(inner, rest) if rest else None}
    )


def without_locked(event: Command, locked: tuple[str, ...]) -> Command:
    """Return an event of a browser without these fields. Raises `InvalidRequest`."""
    match event:
        case SessionUpdate(session=patch):
            return msgspec.structs.replace(event, session=strip_locked_fields(patch, locked))
        case ItemCreate(item=Message(role="system")) if SYSTEM_MESSAGES in locked:
            raise no_system_message("item.role", event.event_id)
        case ResponseCreate(response=options) if options is not None:
            for index, item in enumerate(options.input or ()):
                if SYSTEM_MESSAGES in locked and getattr(item, "role", None) == "system":
                    raise no_system_message(f"response.input[{index}].role", event.event_id)
            return msgspec.structs.replace(event, response=strip_locked_options(options, locked))
        case _:
            return event


def no_system_message(param: str, event_id: str | None) -> InvalidRequest:
    """Refuse a system message of a client that may not instruct the model."""
    message = "This client may not add messages of the role 'system'."
    return InvalidRequest("invalid_value", message, param, event_id)
