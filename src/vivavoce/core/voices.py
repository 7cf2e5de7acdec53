"""Names of voices: which of them a call's engine can speak with.

Programs written for OpenAI name OpenAI's voices, often by default. An engine that has other voices
speaks with the most similar one of its own, otherwise with the assistant's voice.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InvalidRequest
from ..protocol.validation_errors import wrong_value

OPENAI_VOICES = {  # each with the most similar one of the ten that espeak has
    "alloy": "alloy",
    "ash": "ash",
    "ballad": "ballad",
    "cedar": "cedar",
    "coral": "coral",
    "echo": "echo",
    "fable": "ballad",
    "marin": "marin",
    "nova": "coral",
    "onyx": "cedar",
    "sage": "sage",
    "shimmer": "shimmer",
    "verse": "verse",
}


@dataclass(frozen=True, slots=True)
class VoiceNames:
    """The voices of an engine. `supported` is None if it takes any name."""

    supported: frozenset[str] | None = None
    default: str = "marin"

    def require_voice(self, name: str, param: str) -> None:
        """Raise `InvalidRequest` for a voice that the engine cannot speak with."""
        if self.supported is None or name in self.supported or name in OPENAI_VOICES:
            return
        raise InvalidRequest("invalid_value", wrong_value(name, sorted(self.supported)), param)

    def resolve(self, name: str) -> str:
        """Return the engine's own name for a voice."""
        if self.supported is None or name in self.supported:
            return name
        similar = OPENAI_VOICES.get(name, self.default)
        return similar if similar in self.supported else self.default


ANY_VOICE = VoiceNames()
