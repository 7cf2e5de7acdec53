"""The session and the conversation, as a relay sends them to a new upstream."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import msgspec

from ..protocol.config import READ_ONLY, SessionConfig
from ..protocol.items import FunctionCall, FunctionOutput, Item, Message, Part, Role
from .types import JsonObject

TRANSCRIBER = "gpt-realtime-whisper"  # the model, if the assistant names none
OLDER_IMAGES_BYTES = 1024 * 1024  # of `image_url`, in all items: images wait in the outbox at once
LEFT_OUT = "(There was an image here. It was left out when the conversation was continued.)"


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


class _ImageRoom:
    """The room for images in a conversation that is sent again, from the newest image back."""

    def __init__(self) -> None:
        self._left: int | None = None  # bytes. None: no image was taken yet

    def take(self, image: Part) -> bool:
        """Return True if the image may be sent. The newest one always may."""
        size = len(image.image_url or "")
        if not size or (self._left is not None and size > self._left):
            return False
        self._left = OLDER_IMAGES_BYTES if self._left is None else self._left - size
        return True


def as_upstream_items(items: Iterable[Item]) -> list[Item]:
    """Return a conversation for a new upstream: its words without their audio, and its images.

    The newest image is sent, and older ones while they have at most `OLDER_IMAGES_BYTES` together.
    `LEFT_OUT` stands in the place of every other image, and of an image without data. Items that
    have nothing to send are left out.
    """
    room = _ImageRoom()
    newest_first = [_as_upstream_item(item, room) for item in reversed(list(items))]
    return [item for item in reversed(newest_first) if item is not None]


def _as_upstream_item(item: Item, room: _ImageRoom) -> Item | None:
    match item:
        case Message(role=role, content=content):
            sent = [_as_upstream_part(part, role, room) for part in reversed(content)]
            parts = tuple(part for part in reversed(sent) if part is not None)
            return Message(id=item.id, role=role, content=parts) if parts else None
        case FunctionCall() | FunctionOutput():
            return item
        case _:
            return None


def _as_upstream_part(part: Part, role: Role, room: _ImageRoom) -> Part | None:
    if part.type == "input_image" and room.take(part):
        return part
    text = LEFT_OUT if part.type == "input_image" else part.text or part.transcript
    if not text:
        return None
    return Part(type="output_text" if role == "assistant" else "input_text", text=text)
