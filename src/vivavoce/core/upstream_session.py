"""The session and the conversation, as a relay sends them to a new upstream."""

from __future__ import annotations

from typing import Literal, cast

import msgspec

from ..protocol.config import READ_ONLY, SessionConfig
from ..protocol.items import FunctionCall, FunctionOutput, Item, Message, Part
from .types import JsonObject

TRANSCRIBER = "gpt-realtime-whisper"  # the model, if the assistant names none


def upstream_session_update(session: SessionConfig) -> JsonObject:
    """Return the session of a `session.update` that asks an upstream for this session.

    It has the fields that differ from the defaults, and always a transcription model, because the
    user's words are stored.
    """
    asked = _differences(msgspec.to_builtins(session), msgspec.to_builtins(SessionConfig()))
    for name in READ_ONLY:
        asked.pop(name, None)
    audio = session.audio
    input_audio: JsonObject = {"turn_detection": msgspec.to_builtins(audio.input.turn_detection)}
    if audio.input.transcription is None:
        input_audio["transcription"] = {"model": TRANSCRIBER}
    always: JsonObject = {
        "type": "realtime",
        "instructions": session.instructions,
        "tools": msgspec.to_builtins(session.tools),
        "audio": {"input": input_audio, "output": {"voice": audio.output.voice}},
    }
    return _merged(asked, always)


def _differences(config: JsonObject, default: JsonObject) -> JsonObject:
    found: JsonObject = {}
    for name, value in config.items():
        standard = default.get(name)
        if value == standard:
            continue
        if _same_object_type(value, standard):
            value = _differences(cast("JsonObject", value), cast("JsonObject", standard))
        found[name] = value
    return found


def _merged(one: JsonObject, other: JsonObject) -> JsonObject:
    merged = one | other
    for name, value in other.items():
        before = one.get(name)
        if isinstance(value, dict) and isinstance(before, dict):
            merged[name] = _merged(before, value)
    return merged


def with_session_changes(asked: JsonObject, before: JsonObject, after: JsonObject) -> JsonObject:
    """Return what to ask of another upstream, with the changes that clients made to the session.

    `before` and `after`: the session as the upstream confirmed it, at the opening and last. Only
    fields that differ are taken over: what the upstream adds by itself, it adds again.
    """
    changes = {name: value for name, value in after.items() if name not in READ_ONLY}
    return _with_changes(asked, before, changes)


def _with_changes(asked: JsonObject, before: JsonObject, after: JsonObject) -> JsonObject:
    changed = dict(asked)
    for name, value in after.items():
        old, wanted = before.get(name), asked.get(name)
        if value == old:
            continue
        if _same_object_type(old, value) and isinstance(wanted, dict):
            value = _with_changes(wanted, cast("JsonObject", old), cast("JsonObject", value))
        changed[name] = value
    return changed


def _same_object_type(one: object, other: object) -> bool:
    """Return True if both are objects of one `type`: fields of different types do not mix."""
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return False
    return one.get("type") == other.get("type")


def as_upstream_item(item: Item) -> Item | None:
    """Return an item for a new upstream: its words without its audio. None: it has none."""
    match item:
        case Message(role=role, content=content):
            kind: Literal["input_text", "output_text"]
            kind = "output_text" if role == "assistant" else "input_text"
            words = (part.text or part.transcript for part in content)
            parts = tuple(Part(type=kind, text=text) for text in words if text)
            return Message(id=item.id, role=role, content=parts) if parts else None
        case FunctionCall() | FunctionOutput():
            return item
        case _:
            return None
