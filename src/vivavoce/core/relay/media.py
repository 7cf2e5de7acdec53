"""The sound of a relayed call whose client gets paced audio (WebRTC, telephone).

    response.output_audio.delta ─► play ──► PCM for the client's port, and its place in the playout
    Played ──────────────────────► played ► output_audio_buffer.stopped, when all was heard
    speech_started ──────────────► interrupt ► Hush, output_audio_buffer.cleared,
                                               conversation.item.truncate to the upstream

An upstream over WebSocket sends sound faster than it is heard, and expects its client to play and
to truncate it. The relay is that client. What the client of the call receives is the timeline of
WebRTC (protocol §4.9); the `conversation.item.truncated` in it is the upstream's own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from ...audio import g711
from ...audio.pcm import BYTES_PER_MS, SAMPLE_RATE
from ...audio.resample import Resampler
from ...protocol import client, server
from ...protocol.config import Pcm
from ...protocol.peek import peek_type
from .. import effects as do
from ..conversation import Conversation
from ..ledger import Ledger
from ..playout import Playout
from ..types import Frame, JsonObject
from .effect_queue import RelayEffectQueue
from .media_session import MediaSession
from .upstream_state import UpstreamState

CLEAR = b"output_audio_buffer.clear"
LARGEST_CLEAR = 1024  # bytes: it has a type and an id


def is_clear(frame: Frame) -> bool:
    """Return True if a client's frame is an `output_audio_buffer.clear`."""
    return len(frame) <= LARGEST_CLEAR and peek_type(frame) == CLEAR


@dataclass(slots=True)
class _Stream:
    """The sound of one item of a response that is being made."""

    delta: server.AudioDelta  # its first
    law: g711.Law | None  # None: PCM16 at 24 kHz
    resampler: Resampler | None = None  # for G.711: 8 to 24 kHz
    total_bytes: int = 0

    @property
    def ms(self) -> int:
        """The duration of the sound that the upstream has sent."""
        return self.total_bytes // (g711.RATE // 1000 if self.law else BYTES_PER_MS)

    def decode(self, audio: bytes, *, last: bool = False) -> bytes:
        """Return PCM16 at 24 kHz. `last`: with what the resampler still holds back."""
        self.total_bytes += len(audio)
        if self.law is None:
            return audio
        if self.resampler is None:
            self.resampler = Resampler(g711.RATE, SAMPLE_RATE)
        return self.resampler.push(g711.decode(audio, self.law), last=last)


class RelayMedia:
    """Plays what the upstream says, and knows how much of it was heard."""

    def __init__(
        self,
        effects: RelayEffectQueue,
        conversation: Conversation,
        ledger: Ledger,
        asked: JsonObject,
    ) -> None:
        """`asked`: the session that the relay asks of the upstream."""
        self._effects = effects
        self._conversation = conversation
        self._ledger = ledger
        self._playout = Playout(effects, conversation, ledger, self._truncate)
        self._session = MediaSession.asked(asked)
        self._streams: dict[str, _Stream] = {}  # by item
        self._stopped: set[str] = set()  # running responses whose further sound is not played
        self._earlier: frozenset[str] = frozenset()  # items of a lost upstream that still play
        self._own_event = ""
        self._downwards: Resampler | None = None  # of the user's sound, for G.711

    @property
    def playing(self) -> bool:
        """True if the user has not heard everything."""
        return bool(self._playout)

    def take_session(self, confirmed: msgspec.Raw) -> None:
        """Take over the audio formats, and the rule for interruptions, of a confirmed session."""
        before, self._session = self._session, self._session.confirmed(confirmed)
        if before.input_law != self._session.input_law:
            self._downwards = None

    def encode(self, pcm: bytes) -> bytes:
        """Return the user's sound in the upstream's input format. `pcm`: PCM16 at 24 kHz.

        Empty while the resampler holds everything back.
        """
        if (law := self._session.input_law) is None:
            return pcm
        if self._downwards is None:
            self._downwards = Resampler(SAMPLE_RATE, g711.RATE)
        return g711.encode(self._downwards.push(pcm), law)

    # From the upstream

    def play(self, event: server.AudioDelta, data: bytes, upstream: UpstreamState) -> None:
        """Play a delta, unless its response was stopped. `data`: its frame."""
        if event.response_id in self._stopped:
            return
        stream = self._streams.get(event.item_id)
        if begins := stream is None:
            law = self._law(upstream.running.get(event.response_id))
            stream = self._streams[event.item_id] = _Stream(event, law)
            self._ledger.add_sent(event.item_id, "", 0)
        pcm = stream.decode(event.delta)
        self._ledger[event.item_id].sent_ms = stream.ms
        self._effects.forward(data, msgspec.structs.replace(event, delta=pcm))
        if begins:
            self._playout.add(event.response_id, event.item_id)

    def close(self, response_id: str) -> None:
        """Note that a response is done: no more sound of it comes."""
        self._stopped.discard(response_id)
        for item_id, stream in list(self._streams.items()):
            if stream.delta.response_id == response_id:
                del self._streams[item_id]
                if rest := stream.resampler and stream.decode(b"", last=True):
                    last = msgspec.structs.replace(stream.delta, delta=rest)
                    self._effects.request(do.ForwardToClients(b"", last))
        self._playout.close(response_id)

    def interrupt(self, upstream: UpstreamState) -> None:
        """Stop and truncate what is heard, because the user speaks, if the session says so.

        The upstream has cancelled its response by itself.
        """
        if self._session.interrupts:
            self._stop(upstream, truncate=True)

    def replace_upstream(self, ended: Iterable[server.Response]) -> None:
        """Play on what the lost upstream has said. It cannot be truncated there any more."""
        for response in ended:
            self.close(response.id)
        self._earlier = frozenset(self._playout.item_ids)

    # From the client

    def clear(self, upstream: UpstreamState) -> None:
        """Stop what is heard, for a client's `output_audio_buffer.clear`."""
        self._stop(upstream, truncate=False)

    def played(self, item_id: str, ms: int) -> bool:
        """Note how far an item was played. Return True if nothing is left to be played."""
        was_playing = self.playing
        self._playout.played(item_id, ms)
        return was_playing and not self.playing

    def _stop(self, upstream: UpstreamState, *, truncate: bool) -> None:
        self._own_event = upstream.own_event
        self._stopped |= upstream.running.keys()
        self._streams.clear()
        self._playout.clear(truncate=truncate)

    def _truncate(self, item_id: str, ms: int) -> None:
        if item_id not in self._earlier:
            event_id = f"{self._own_event}truncate_{item_id}"
            self._effects.send_upstream(
                client.ItemTruncate(
                    event_id=event_id, item_id=item_id, content_index=0, audio_end_ms=ms
                )
            )
            return
        truncated = server.ItemTruncated(item_id=item_id, content_index=0, audio_end_ms=ms)
        self._ledger.truncate(item_id, ms)
        self._conversation.apply(truncated)
        self._effects.send(truncated)

    def _law(self, response: server.Response | None) -> g711.Law | None:
        """Return the format of a response's sound: its own, or that of the session."""
        output = response.audio.output if response and response.audio else None
        if output is None:
            return self._session.output_law
        return None if isinstance(output.format, Pcm) else output.format.law
