"""What items sound like, kept for a client that asks for them again (protocol §3.8).

In memory only, and bounded twice. An item longer than one frame may carry is not kept: four client
stacks drop a connection that brings them a frame of a mebibyte (protocol §0, rule 10), and they ask
for items on their own accord. Of all items together the newest are kept.
"""

from __future__ import annotations

import msgspec

from ..audio.pcm import BYTES_PER_MS
from ..protocol.items import Item, Message

LONGEST_MS = 15_000  # as base64: 960 kB of PCM16
KEPT_BYTES = 4 * 1024 * 1024  # 87 s of PCM16


class ItemAudioCache:
    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        """`kept_bytes`: of all items together; 0 keeps nothing."""
        self._kept_bytes = kept_bytes
        self._audio_cache: dict[str, bytearray] = {}  # PCM16 at 24 kHz, the oldest item first
        self._bytes = 0
        self._growing: set[str] = set()
        self._full: set[str] = set()  # of those, the ones of which no more is kept

    def add(self, item_id: str, pcm: bytes) -> None:
        """More of what this item sounds like."""
        self._growing.add(item_id)
        if not pcm or item_id in self._full:
            return
        sound = self._audio_cache.setdefault(item_id, bytearray())
        sound += pcm
        self._bytes += len(pcm)
        if len(sound) > LONGEST_MS * BYTES_PER_MS:
            self._drop_for_good(item_id)
        while self._bytes > self._kept_bytes:
            self._drop_for_good(next(iter(self._audio_cache)))

    def _drop_for_good(self, item_id: str) -> None:
        """What still comes of it is only its end, and no sound of the item."""
        self.drop(item_id)
        if item_id in self._growing:
            self._full.add(item_id)

    def whole(self, item_id: str) -> None:
        """No more of it will come."""
        self._growing.discard(item_id)
        self._full.discard(item_id)

    def truncate(self, item_id: str, ms: int) -> None:
        """It was truncated to its first `ms`, and so is what is still to come of it."""
        if (sound := self._audio_cache.get(item_id)) is not None:
            before = len(sound)
            del sound[ms * BYTES_PER_MS :]
            self._bytes -= before - len(sound)
        if item_id in self._growing:
            self._full.add(item_id)

    def drop(self, item_id: str) -> None:
        """The item is gone, or was thrown away before it was one."""
        self._bytes -= len(self._audio_cache.pop(item_id, b""))

    def with_sound(self, item: Item) -> Item:
        """The item as `conversation.item.retrieved` shows it: its sound in its part for sound."""
        sound = self._audio_cache.get(item.id)
        if not sound or not isinstance(item, Message):
            return item
        audio_cache = [
            i for i, p in enumerate(item.content) if p.type in ("input_audio", "output_audio")
        ]
        content = tuple(
            msgspec.structs.replace(part, audio=bytes(sound)) if index in audio_cache[:1] else part
            for index, part in enumerate(item.content)
        )
        return msgspec.structs.replace(item, content=content)
