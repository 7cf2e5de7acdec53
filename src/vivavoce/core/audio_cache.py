"""The audio of items, kept for a client that retrieves them (protocol §3.8).

It is kept in memory only, with two bounds. An item that does not fit into one frame is not kept:
four client stacks close a connection on a frame of 1 MiB (protocol §0, rule 10), and they retrieve
items without being asked. Of all other items the newest are kept.
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
        self._audio: dict[str, bytearray] = {}  # PCM16 at 24 kHz, the oldest item first
        self._bytes = 0
        self._growing: set[str] = set()
        self._full: set[str] = set()  # growing items whose further audio is not kept

    def add(self, item_id: str, pcm: bytes) -> None:
        """Append audio to an item."""
        self._growing.add(item_id)
        if not pcm or item_id in self._full:
            return
        sound = self._audio.setdefault(item_id, bytearray())
        sound += pcm
        self._bytes += len(pcm)
        if len(sound) > LONGEST_MS * BYTES_PER_MS:
            self._drop_for_good(item_id)
        while self._bytes > self._kept_bytes:
            self._drop_for_good(next(iter(self._audio)))

    def _drop_for_good(self, item_id: str) -> None:
        """Drop an item's audio and ignore the rest: an end without its beginning is useless."""
        self.drop(item_id)
        if item_id in self._growing:
            self._full.add(item_id)

    def whole(self, item_id: str) -> None:
        """Note that the item's audio is complete."""
        self._growing.discard(item_id)
        self._full.discard(item_id)

    def truncate(self, item_id: str, ms: int) -> None:
        """Keep the first `ms` of an item, and ignore the audio that is still to come."""
        if (sound := self._audio.get(item_id)) is not None:
            before = len(sound)
            del sound[ms * BYTES_PER_MS :]
            self._bytes -= before - len(sound)
        if item_id in self._growing:
            self._full.add(item_id)

    def drop(self, item_id: str) -> None:
        """Forget an item that was deleted or discarded."""
        self._bytes -= len(self._audio.pop(item_id, b""))

    def with_sound(self, item: Item) -> Item:
        """Return the item as `conversation.item.retrieved` shows it, with its audio in its part."""
        sound = self._audio.get(item.id)
        if not sound or not isinstance(item, Message):
            return item
        audio_parts = [
            i for i, p in enumerate(item.content) if p.type in ("input_audio", "output_audio")
        ]
        content = tuple(
            msgspec.structs.replace(part, audio=bytes(sound)) if index in audio_parts[:1] else part
            for index, part in enumerate(item.content)
        )
        return msgspec.structs.replace(item, content=content)
