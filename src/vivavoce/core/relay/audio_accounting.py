"""Count how much of an item's audio was forwarded, without decoding each frame.

The first audio delta of an item is decoded. It shows how many bytes of a frame are not audio. The
upstream writes all deltas of one item alike, so their lengths give the audio of the others.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...audio.pcm import BYTES_PER_MS
from ...protocol import server
from ...protocol.config import Pcm
from .frames import AUDIO_DELTA, TAKEN

G711_BYTES_PER_MS = 8


@dataclass(slots=True)
class ItemAudio:
    """The audio frames of one item, counted by their lengths."""

    item_id: str
    envelope_bytes: int  # of a frame, around its base64
    bytes_per_ms: int
    total_bytes: int  # of all its frames
    frames: int = 1

    @classmethod
    def from_first_delta(
        cls, item_id: str, audio: bytes, frame_bytes: int, bytes_per_ms: int
    ) -> ItemAudio:
        """Start the count with a delta whose `audio` is decoded and whose frame has this length."""
        base64_bytes = 4 * -(-len(audio) // 3)
        return cls(item_id, frame_bytes - base64_bytes, bytes_per_ms, frame_bytes)

    @property
    def ms(self) -> int:
        """The duration of all frames that were counted."""
        base64_bytes = self.total_bytes - self.frames * self.envelope_bytes
        return base64_bytes * 3 // 4 // self.bytes_per_ms


class AudioAccounting:
    """The audio of the item that the upstream is speaking."""

    __slots__ = ("_taken", "_taken_with_audio", "current", "taken")

    def __init__(self, taken: frozenset[bytes | None] = TAKEN) -> None:
        """`taken`: types of the frames that are to be decoded, apart from audio."""
        self.taken = self._taken = taken
        self._taken_with_audio = taken | {AUDIO_DELTA}
        self.current: ItemAudio | None = None

    def expect_item(self) -> None:
        """Have the next audio delta decoded, because it may be the first one of its item."""
        self.taken = self._taken_with_audio

    def start(self, delta: server.AudioDelta, frame_bytes: int, bytes_per_ms: int) -> None:
        """Count from this delta, the first one of its item."""
        self.taken = self._taken
        self.current = ItemAudio.from_first_delta(
            delta.item_id, delta.delta, frame_bytes, bytes_per_ms
        )

    def end_response(self) -> None:
        """Expect no audio until the next response begins."""
        self.taken = self._taken

    def ms_of(self, item_id: str) -> int | None:
        """Return how much audio of this item was forwarded. None: it is not the current item."""
        current = self.current
        return current.ms if current is not None and current.item_id == item_id else None


def bytes_per_ms(response: server.Response | None) -> int:
    """Return the size of a millisecond of this response's audio, before base64."""
    output = response.audio.output if response and response.audio else None
    pcm = output is None or isinstance(output.format, Pcm)
    return BYTES_PER_MS if pcm else G711_BYTES_PER_MS
