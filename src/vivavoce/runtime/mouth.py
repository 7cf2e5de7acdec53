"""Shapes what a session says for the wire: its sound in the format that the client asked for.

The session speaks PCM16 at 24 kHz. A response whose format is G.711 is brought down to 8 kHz on
its way out; the few samples that the filter holds back leave with the end of its sound.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from ..audio import g711
from ..audio.pcm import SAMPLE_RATE
from ..audio.resample import Resampler
from ..protocol import server
from ..protocol.config import Pcma, Pcmu


@dataclass(slots=True)
class _Telephone:
    law: g711.Law
    down: Resampler


class Mouth:
    """The formats of the responses under way, told by their own `response.created`."""

    def __init__(self) -> None:
        self._telephones: dict[str, _Telephone] = {}

    def shape(self, event: server.ServerEvent) -> tuple[server.ServerEvent, ...]:
        """What goes onto the wire for this event."""
        match event:
            case server.ResponseCreated(response=response):
                audio = response.audio
                format = audio.output.format if isinstance(audio, server.ResponseAudio) else None
                if isinstance(format, Pcmu | Pcma):
                    law: g711.Law = "ulaw" if isinstance(format, Pcmu) else "alaw"
                    down = Resampler(SAMPLE_RATE, g711.RATE)
                    self._telephones[response.id] = _Telephone(law, down)
            case server.ResponseDone(response=response):
                self._telephones.pop(response.id, None)
            case server.AudioDelta(response_id=response_id) if self._telephones:
                if telephone := self._telephones.get(response_id):
                    sound = telephone.down.push(event.delta)
                    return _delta(event, sound, telephone.law)
            case server.AudioDone(response_id=response_id) if self._telephones:
                if telephone := self._telephones.get(response_id):
                    rest = telephone.down.push(b"", last=True)
                    last = server.AudioDelta(
                        event_id=f"{event.event_id}_rest",
                        response_id=event.response_id,
                        item_id=event.item_id,
                        output_index=event.output_index,
                        content_index=event.content_index,
                        delta=b"",
                    )
                    return (*_delta(last, rest, telephone.law), event)
            case _:
                pass
        return (event,)


def _delta(event: server.AudioDelta, pcm: bytes, law: g711.Law) -> tuple[server.ServerEvent, ...]:
    """Nothing, while the filter has not yet let anything through."""
    if not pcm:
        return ()
    return (msgspec.structs.replace(event, delta=g711.encode(pcm, law)),)
