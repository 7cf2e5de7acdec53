"""Frames: which of them the relay decodes, and how it rewrites a single field of one."""

from __future__ import annotations

import re
from enum import Enum, auto

import msgspec

from ...protocol import server
from ...protocol.peek import peek_type
from ..types import Frame

HEAD = 96  # bytes; in every recorded session the `type` stands within them
APPEND = b"input_audio_buffer.append"
AUDIO_DELTA = b"response.output_audio.delta"
_TRANSCRIPTION = b"conversation.item.input_audio_transcription"


class Direction(Enum):
    """The way a frame travels."""

    UP = auto()  # from the client to the upstream
    DOWN = auto()  # from the upstream to the client


class Verdict(Enum):
    """The way of a frame: forward it unread, or take it into the machine."""

    FORWARD = auto()
    TAKE = auto()


TAKEN: frozenset[bytes | None] = frozenset(
    {
        None,  # the type is not visible
        b"error",
        b"session.created",
        b"session.updated",
        b"input_audio_buffer.speech_stopped",
        b"input_audio_buffer.committed",
        b"conversation.item.added",
        b"conversation.item.done",
        b"conversation.item.deleted",
        b"conversation.item.truncated",
        _TRANSCRIPTION + b".completed",
        _TRANSCRIPTION + b".failed",
        b"response.created",
        b"response.done",
    }
)
"""The upstream's events that the relay decodes."""

TAKEN_FOR_TURNS = TAKEN | {
    b"input_audio_buffer.speech_started",
    b"input_audio_buffer.cleared",
    b"input_audio_buffer.timeout_triggered",
    b"response.output_item.added",
}
"""The same if the server has tools, whose outputs must not interrupt the user, or knowledge, which
it searches at the end of a turn."""

TAKEN_FOR_MEDIA = TAKEN_FOR_TURNS | {AUDIO_DELTA}
"""The same if the relay plays the audio, and stops it when the user speaks."""


def is_only_append(frame: Frame) -> bool:
    """Return True if the frame is an `input_audio_buffer.append` and cannot be anything else.

    A second `type` in the same object could make it another event. Any event that locks apply to
    needs an object inside, so a frame without a second brace is harmless.
    """
    return peek_type(frame[:HEAD]) == APPEND and bytes(frame).find(b"{", 1) < 0


def session_of(frame: bytes) -> msgspec.Raw:
    """Return the `session` field of an event as the upstream wrote it."""
    return _decode_session(frame).session


def with_session(created: bytes, session: msgspec.Raw) -> bytes:
    """Return a `session.created` that shows this session, in the bytes that the upstream wrote.

    `created`: its `session.created`, or its `session.updated` if it sent no other.
    """
    event: dict[str, msgspec.Raw] = msgspec.json.decode(created, type=dict[str, msgspec.Raw])
    return msgspec.json.encode(event | {"type": "session.created", "session": session})


def in_conversation(event: server.ServerEvent, frame: bytes, call_id: str | None) -> bytes:
    """Return a frame with the call's conversation id, if it names the upstream's.

    `event`: the decoded frame. `call_id`: the call's conversation. None: the upstream's id stays.
    """
    if not isinstance(event, server.ResponseCreated | server.ResponseDone):
        return frame
    upstream_id = event.response.conversation_id
    if call_id is None or upstream_id is None:  # None: out of band
        return frame
    # Quotes inside a JSON string are escaped, so the pattern matches only the key itself.
    named = rb'("conversation_id"\s*:\s*)"' + re.escape(upstream_id.encode()) + b'"'
    return re.sub(named, rb'\1"' + call_id.encode() + b'"', frame, count=1)


def response_in_conversation(response: server.Response, call_id: str | None) -> server.Response:
    """Return a response with the call's conversation id, if it names the upstream's."""
    if call_id is None or response.conversation_id is None:
        return response
    return msgspec.structs.replace(response, conversation_id=call_id)


class _WithSession(msgspec.Struct):
    session: msgspec.Raw


_decode_session = msgspec.json.Decoder(_WithSession).decode
