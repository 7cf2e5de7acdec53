"""The events of a server that the commands read, decoded strictly.

`--url` may name any server. So each event is checked before a command uses it: a field of another
type closes the connection, and the command says which event it was. A server may leave out fields
that we can do without, and may add its own. Of other events only the type is read.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from ..errors import VivavoceError

_HEARD = "conversation.item.input_audio_transcription"
_DAY_MS = 86_400_000
Ms = Annotated[float, msgspec.Meta(ge=0, le=10 * _DAY_MS)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=10 * _DAY_MS / 1000)]


class UnreadableEventError(VivavoceError):
    """The server sent an event that is not one of the protocol's. The message says which."""


class ErrorBody(msgspec.Struct):
    message: str | None = None
    code: str | None = None


class StatusDetails(msgspec.Struct):
    error: ErrorBody | None = None


class OutputItem(msgspec.Struct):
    type: str | None = None
    name: str | None = None
    arguments: str | None = None


class Response(msgspec.Struct):
    id: str | None = None
    status: str | None = None
    status_details: StatusDetails | None = None
    output: list[OutputItem] | None = None


class Other(msgspec.Struct, kw_only=True):
    """An event of which only the type is read, and what it has in common with all."""

    type: str
    item_id: str | None = None
    response_id: str | None = None


class Error(Other, kw_only=True):
    error: ErrorBody


class SpeechStarted(Other, kw_only=True):
    audio_start_ms: Ms


class SpeechStopped(Other, kw_only=True):
    audio_end_ms: Ms


class Delta(Other, kw_only=True):
    delta: str | None = None


class Sound(Other, kw_only=True):
    delta: bytes  # base64 in the frame


class Transcript(Other, kw_only=True):
    transcript: str


class Segment(Other, kw_only=True):
    start: Seconds
    end: Seconds
    text: str
    speaker: str | None = None


class NotHeard(Other, kw_only=True):
    error: ErrorBody | None = None


class ResponseEvent(Other, kw_only=True):
    response: Response


class ResponseDone(Other, kw_only=True):
    response: Response


EVENTS: dict[str, type[Other]] = {
    "error": Error,
    "input_audio_buffer.speech_started": SpeechStarted,
    "input_audio_buffer.speech_stopped": SpeechStopped,
    f"{_HEARD}.delta": Delta,
    f"{_HEARD}.segment": Segment,
    f"{_HEARD}.completed": Transcript,
    f"{_HEARD}.failed": NotHeard,
    "response.created": ResponseEvent,
    "response.output_text.delta": Delta,
    "response.output_audio_transcript.delta": Delta,
    "response.output_audio.delta": Sound,
    "response.done": ResponseDone,
}


def decode(event: dict[str, Any]) -> Other:
    """Return the event with the types of its fields checked. Raises `UnreadableEventError`."""
    kind = event.get("type")
    found = EVENTS.get(kind, Other) if isinstance(kind, str) else Other
    try:
        return msgspec.convert(event, found)
    except msgspec.ValidationError as error:
        name = kind if isinstance(kind, str) else "an event without a type"
        raise UnreadableEventError(f"the server sent {name} that cannot be read: {error}") from None
