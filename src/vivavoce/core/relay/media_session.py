"""What the media of a relayed call need of the upstream's session: formats and interruptions.

A provider writes more than this server knows, so only these fields are read. One that cannot be
read keeps its value.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec

from ...audio.g711 import Law
from ..types import JsonObject

_LAWS: dict[str, Law] = {"audio/pcmu": "ulaw", "audio/pcma": "alaw"}


class _Format(msgspec.Struct):
    type: str = "audio/pcm"


class _Detection(msgspec.Struct):
    interrupt_response: bool = True


class _Input(msgspec.Struct):
    format: _Format | None = None
    turn_detection: _Detection | None = None


class _Output(msgspec.Struct):
    format: _Format | None = None


class _Audio(msgspec.Struct):
    input: _Input = msgspec.field(default_factory=_Input)
    output: _Output = msgspec.field(default_factory=_Output)


class _Session(msgspec.Struct):
    audio: _Audio = msgspec.field(default_factory=_Audio)


@dataclass(frozen=True, slots=True)
class MediaSession:
    """`input_law`, `output_law`: of G.711; None for PCM16 at 24 kHz.

    `interrupts`: the upstream cancels its response when the user speaks.
    """

    input_law: Law | None = None
    output_law: Law | None = None
    interrupts: bool = True

    @classmethod
    def asked(cls, session: JsonObject) -> MediaSession:
        """Return what the relay asks for. The user's sound may come before it is confirmed."""
        try:
            return cls()._with(msgspec.convert(session, _Session))
        except msgspec.ValidationError:
            return cls()

    def confirmed(self, session: msgspec.Raw) -> MediaSession:
        """Return what the upstream has confirmed."""
        try:
            return self._with(msgspec.json.decode(session, type=_Session))
        except (msgspec.MsgspecError, RecursionError):
            return self

    def _with(self, session: _Session) -> MediaSession:
        audio = session.audio
        detection = audio.input.turn_detection
        return replace(
            self,
            input_law=_law(audio.input.format, self.input_law),
            output_law=_law(audio.output.format, self.output_law),
            interrupts=detection is None or detection.interrupt_response,
        )


def _law(format: _Format | None, before: Law | None) -> Law | None:
    return before if format is None else _LAWS.get(format.type)
