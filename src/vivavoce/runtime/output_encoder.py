"""Shapes what a session says for the wire: its sound in the format that the client asked for.

The session speaks PCM16 at 24 kHz. A response whose format is G.711 is brought down to 8 kHz on
its way out; the few samples that the filter holds back leave with the end of its sound. An item
that is retrieved sounds as the session's formats are now: nothing in it could say otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from ..audio import g711
from ..audio.pcm import SAMPLE_RATE
from ..audio.resample import Resampler
from ..protocol import server
from ..protocol.config import Format, Pcm, Pcma, Pcmu, SessionConfig
from ..protocol.items import Item, Message, Part


@dataclass(slots=True)
class _Telephone:
    law: g711.Law
    down: Resampler


class OutputEncoder:
    """The formats of the session and of the responses under way, told by their own events."""

    def __init__(self) -> None:
        self._telephones: dict[str, _Telephone] = {}
        self._heard: Format = Pcm()
        self._spoken: Format = Pcm()

    def shape(self, event: server.ServerEvent) -> tuple[server.ServerEvent, ...]:
        """What goes onto the wire for this event."""
        match event:
            case server.ResponseCreated(response=response):
                audio = response.audio
                format = audio.output.format if isinstance(audio, server.ResponseAudio) else None
                if isinstance(format, Pcmu | Pcma):
                    down = Resampler(SAMPLE_RATE, g711.RATE)
                    self._telephones[response.id] = _Telephone(format.law, down)
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
            case server.SessionCreated(session=session) | server.SessionUpdated(session=session):
                self._heard = session.audio.input.format
                if isinstance(session, SessionConfig):
                    self._spoken = session.audio.output.format
            case server.ItemRetrieved(item=item):
                return (msgspec.structs.replace(event, item=self._retrieved(item)),)
            case _:
                pass
        return (event,)

    def _retrieved(self, item: Item) -> Item:
        if not isinstance(item, Message):
            return item
        format = self._heard if item.role == "user" else self._spoken
        return msgspec.structs.replace(
            item, content=tuple(_in_format(part, format) for part in item.content)
        )


def _in_format(part: Part, format: Format) -> Part:
    if isinstance(format, Pcm) or not part.audio:
        return part
    pcm = Resampler(SAMPLE_RATE, g711.RATE).push(part.audio, last=True)
    return msgspec.structs.replace(part, audio=g711.encode(pcm, format.law))


def _delta(event: server.AudioDelta, pcm: bytes, law: g711.Law) -> tuple[server.ServerEvent, ...]:
    """Nothing, while the filter has not yet let anything through."""
    if not pcm:
        return ()
    return (msgspec.structs.replace(event, delta=g711.encode(pcm, law)),)
