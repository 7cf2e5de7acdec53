"""The beta's flat session, over HTTP: what it asks of ours, and ours as it showed one (§2.7).

Only the shape of sessions is here. A secret that was minted with one opens an ordinary call.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ..errors import InvalidRequest
from .base import JsonObject, Strict
from .config import (
    AnySession,
    Format,
    FunctionTool,
    Include,
    MaxTokens,
    NoiseReduction,
    Pcma,
    Pcmu,
    Prompt,
    SessionConfig,
    SessionType,
    ToolChoice,
    Tracing,
    Transcription,
    TurnDetection,
)
from .validation_errors import complaint

FORMATS = {"pcm16": "audio/pcm", "g711_ulaw": "audio/pcmu", "g711_alaw": "audio/pcma"}
TEMPERATURE = (
    0.8  # the value that the server shows, whatever the client asked: the field was removed
)

FlatFormat = Literal["pcm16", "g711_ulaw", "g711_alaw"]
Modalities = Annotated[tuple[Literal["text", "audio"], ...], Meta(min_length=1, max_length=2)]


class FlatTranscription(Strict, frozen=True, kw_only=True):
    """`POST /v1/realtime/transcription_sessions`. A null means off, or sets nothing."""

    modalities: Modalities | UnsetType | None = UNSET
    input_audio_format: FlatFormat | UnsetType | None = UNSET
    input_audio_transcription: Transcription | UnsetType | None = UNSET
    input_audio_noise_reduction: NoiseReduction | UnsetType | None = UNSET
    turn_detection: TurnDetection | UnsetType | None = UNSET
    include: tuple[Include, ...] | UnsetType | None = UNSET


class FlatSession(FlatTranscription, frozen=True, kw_only=True):
    """`POST /v1/realtime/sessions`."""

    model: str | UnsetType | None = UNSET
    instructions: str | UnsetType | None = UNSET
    voice: str | UnsetType | None = UNSET
    speed: Annotated[float, Meta(ge=0.25, le=1.5)] | UnsetType | None = UNSET
    output_audio_format: FlatFormat | UnsetType | None = UNSET
    tools: tuple[FunctionTool, ...] | UnsetType | None = UNSET
    tool_choice: ToolChoice | UnsetType | None = UNSET
    temperature: Annotated[float, Meta(ge=0.6, le=1.2)] | UnsetType | None = UNSET
    max_response_output_tokens: MaxTokens | UnsetType | None = UNSET
    tracing: Literal["auto"] | Tracing | UnsetType | None = UNSET
    prompt: Prompt | UnsetType | None = UNSET


_OFF = frozenset({"input_audio_transcription", "input_audio_noise_reduction", "turn_detection"})
_SAME = ("model", "instructions", "tools", "tool_choice", "tracing", "prompt", "include")


def nested(flat: JsonObject, kind: SessionType) -> JsonObject:
    """Return the `session.update` that asks for the same as this flat session.

    Or `InvalidRequest`, whose `param` is the flat one's own.
    """
    flat = {k: v for k, v in flat.items() if v is not None or k in _OFF}
    if isinstance(detection := flat.get("turn_detection"), dict):
        flat["turn_detection"] = {"type": "server_vad"} | detection
    if isinstance(tools := flat.get("tools"), list):
        flat["tools"] = [{"type": "function"} | t if isinstance(t, dict) else t for t in tools]
    of = FlatSession if kind == "realtime" else FlatTranscription
    try:
        msgspec.convert(flat, of)
    except msgspec.ValidationError as error:
        raise _in_its_words(error, of) from None
    patch: JsonObject = {"type": kind} | {name: flat[name] for name in _SAME if name in flat}
    hears = _picked(
        flat,
        format="input_audio_format",
        transcription="input_audio_transcription",
        noise_reduction="input_audio_noise_reduction",
        turn_detection="turn_detection",
    )
    speaks = _picked(flat, format="output_audio_format", voice="voice", speed="speed")
    audio = {name: part for name, part in (("input", hears), ("output", speaks)) if part}
    if kind == "realtime":
        patch |= _picked(flat, max_output_tokens="max_response_output_tokens")
        if modalities := flat.get("modalities"):
            patch["output_modalities"] = ["audio" if "audio" in _list(modalities) else "text"]
    return patch | ({"audio": audio} if audio else {})


def _picked(flat: JsonObject, **names: str) -> JsonObject:
    """Our names for those of its fields that are there, with our values."""
    return {
        ours: {"type": FORMATS[str(flat[theirs])]} if ours == "format" else flat[theirs]
        for ours, theirs in names.items()
        if theirs in flat
    }


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _in_its_words(error: msgspec.ValidationError, of: type) -> InvalidRequest:
    found = complaint(error, of=of)
    return InvalidRequest(found.code, found.message, found.param)


def flattened(session: AnySession) -> JsonObject:
    """Return the session in the shape of the beta, without its `client_secret`."""
    hearing = session.audio.input
    flat: JsonObject = {"id": session.id, "object": session.object, "expires_at": 0}
    if isinstance(session, SessionConfig):
        speaking = session.audio.output
        flat |= {
            "model": session.model,
            "modalities": ["audio", "text"] if "audio" in session.output_modalities else ["text"],
            "instructions": session.instructions,
            "voice": speaking.voice,
            "speed": speaking.speed,
            "output_audio_format": _named(speaking.format),
            "tools": session.tools,
            "tool_choice": session.tool_choice,
            "temperature": TEMPERATURE,
            "max_response_output_tokens": session.max_output_tokens,
            "tracing": session.tracing,
        }
    else:
        flat["modalities"] = ["audio", "text"]
    flat |= {
        "input_audio_format": _named(hearing.format),
        "input_audio_transcription": hearing.transcription,
        "input_audio_noise_reduction": hearing.noise_reduction,
        "turn_detection": hearing.turn_detection,
        "include": session.include,
    }
    shown: JsonObject = msgspec.to_builtins(flat)
    if isinstance(detection := shown["turn_detection"], dict):
        detection.pop("idle_timeout_ms", None)  # the beta had none
    return shown


def _named(format: Format) -> str:
    match format:
        case Pcmu():
            return "g711_ulaw"
        case Pcma():
            return "g711_alaw"
        case _:
            return "pcm16"
