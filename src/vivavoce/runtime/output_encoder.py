"""Encodes output audio for the wire, in the format that the session or the response asks for.

A session's audio is PCM16 at 24 kHz. A response whose format is G.711 is resampled to 8 kHz on its
way out. The resampler holds back a few samples; they leave with the end of the response's audio.

The formats belong to the call, so that a client that attaches late knows them too. The state of a
resampler belongs to one client.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from ..audio import g711
from ..audio.pcm import SAMPLE_RATE
from ..audio.resample import Resampler
from ..protocol import server
from ..protocol.config import Format, Pcm, Pcma, Pcmu, SessionConfig
from ..protocol.items import Message, Part


class OutputFormats:
    """The audio formats of a call's session and of its running responses."""

    def __init__(self) -> None:
        self.input: Format = Pcm()
        self.output: Format = Pcm()
        self.g711: dict[str, g711.Law] = {}  # of the running responses that are not PCM, by id

    def follow(self, event: server.ServerEvent) -> None:
        """Learn the formats from the events that announce them."""
        match event:
            case server.ResponseCreated(response=response):
                audio = response.audio
                format = audio.output.format if isinstance(audio, server.ResponseAudio) else None
                if isinstance(format, Pcmu | Pcma):
                    self.g711[response.id] = format.law
            case server.ResponseDone(response=response):
                self.g711.pop(response.id, None)
            case server.SessionCreated(session=session) | server.SessionUpdated(session=session):
                self.input = session.audio.input.format
                if isinstance(session, SessionConfig):
                    self.output = session.audio.output.format
            case _:
                pass


@dataclass(slots=True)
class _G711Stream:
    """The audio of one response, resampled and companded."""

    law: g711.Law
    resampler: Resampler


class OutputEncoder:
    """Encodes the audio that one client reads in events."""

    def __init__(self, formats: OutputFormats) -> None:
        self._formats = formats
        self._streams: dict[str, _G711Stream] = {}  # by response id

    def encode(self, event: server.ServerEvent | None) -> tuple[server.ServerEvent, ...] | None:
        """Return the events that go onto the wire in its place. None: it goes as it is."""
        match event:
            case server.AudioDelta(response_id=response_id) if self._formats.g711:
                if stream := self._stream(response_id):
                    return _delta(event, stream.resampler.push(event.delta), stream.law)
            case server.AudioDone(response_id=response_id) if self._streams:
                if stream := self._streams.pop(response_id, None):
                    return (*_rest(event, stream), event)
            case server.ResponseDone(response=response) if self._streams:
                self._streams.pop(response.id, None)
            case server.ItemRetrieved(item=Message() as item):
                return self._retrieved(event, item)
            case _:
                pass
        return None

    def _stream(self, response_id: str) -> _G711Stream | None:
        law = self._formats.g711.get(response_id)
        if law is not None and response_id not in self._streams:
            self._streams[response_id] = _G711Stream(law, Resampler(SAMPLE_RATE, g711.RATE))
        return self._streams.get(response_id)

    def _retrieved(
        self, event: server.ItemRetrieved, item: Message
    ) -> tuple[server.ServerEvent, ...] | None:
        """Encode the item's audio in the formats of the session, because the item names none."""
        format = self._formats.input if item.role == "user" else self._formats.output
        if isinstance(format, Pcm):
            return None
        content = tuple(_in_format(part, format) for part in item.content)
        item = msgspec.structs.replace(item, content=content)
        return (msgspec.structs.replace(event, item=item),)


def _in_format(part: Part, format: Pcmu | Pcma) -> Part:
    if not part.audio:
        return part
    pcm = Resampler(SAMPLE_RATE, g711.RATE).push(part.audio, last=True)
    return msgspec.structs.replace(part, audio=g711.encode(pcm, format.law))


def _rest(event: server.AudioDone, stream: _G711Stream) -> tuple[server.ServerEvent, ...]:
    """Return what the resampler still held back, as one more delta."""
    last = server.AudioDelta(
        event_id=f"{event.event_id}_rest",
        response_id=event.response_id,
        item_id=event.item_id,
        output_index=event.output_index,
        content_index=event.content_index,
        delta=b"",
    )
    return _delta(last, stream.resampler.push(b"", last=True), stream.law)


def _delta(event: server.AudioDelta, pcm: bytes, law: g711.Law) -> tuple[server.ServerEvent, ...]:
    """Return no event while the resampler has not let any samples through."""
    if not pcm:
        return ()
    return (msgspec.structs.replace(event, delta=g711.encode(pcm, law)),)
