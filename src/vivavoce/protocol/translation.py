"""The words of `/realtime/translations`: one voice in, another out, no turns and no items.

A socket of its own with a vocabulary of its own (protocol §3.13, §4.13). With the conversations' it
shares the shape of messages, errors, and the merge of a `session.update`, which has no `type` here.
"""

from __future__ import annotations

from typing import Literal

from .base import ClientMessage, JsonObject, ServerMessage, Strict
from .client import Sound
from .config import NoiseReduction, merge
from .server import Error


class Transcriber(Strict, frozen=True, kw_only=True):
    model: str


class TranslationInput(Strict, frozen=True, kw_only=True):
    transcription: Transcriber | None = None
    noise_reduction: NoiseReduction | None = None


class TranslationOutput(Strict, frozen=True, kw_only=True):
    language: str = "en"


class TranslationAudio(Strict, frozen=True, kw_only=True):
    input: TranslationInput = TranslationInput()
    output: TranslationOutput = TranslationOutput()


class TranslationConfig(Strict, frozen=True, kw_only=True):
    id: str = ""
    type: Literal["translation"] = "translation"
    expires_at: int = 0
    model: str = "vivavoce"
    audio: TranslationAudio = TranslationAudio()

    def merged(self, patch: JsonObject) -> TranslationConfig:
        return merge(self, patch, TranslationConfig())


# What the client says


class SessionUpdate(ClientMessage, frozen=True, kw_only=True, tag="session.update"):
    session: JsonObject


class SoundAppend(
    ClientMessage, frozen=True, kw_only=True, tag="session.input_audio_buffer.append"
):
    audio: Sound


class SessionClose(ClientMessage, frozen=True, kw_only=True, tag="session.close"):
    """Ask for the rest of the translation, then `session.closed`."""


TranslationClientEvent = SessionUpdate | SoundAppend | SessionClose


# What the server says


class SessionCreated(ServerMessage, frozen=True, kw_only=True, tag="session.created"):
    session: TranslationConfig


class SessionUpdated(ServerMessage, frozen=True, kw_only=True, tag="session.updated"):
    session: TranslationConfig


class _Timed(ServerMessage, frozen=True, kw_only=True):
    delta: str
    elapsed_ms: int  # of the input; steps of 200, and not unique


class InputDelta(_Timed, frozen=True, kw_only=True, tag="session.input_transcript.delta"):
    pass


class OutputDelta(_Timed, frozen=True, kw_only=True, tag="session.output_transcript.delta"):
    pass


class SoundDelta(ServerMessage, frozen=True, kw_only=True, tag="session.output_audio.delta"):
    delta: bytes
    format: Literal["pcm16"] = "pcm16"
    sample_rate: Literal[24_000] = 24_000
    channels: Literal[1] = 1
    elapsed_ms: int


class SessionClosed(ServerMessage, frozen=True, kw_only=True, tag="session.closed"):
    pass


TranslationServerEvent = (
    Error | SessionCreated | SessionUpdated | InputDelta | OutputDelta | SoundDelta | SessionClosed
)
