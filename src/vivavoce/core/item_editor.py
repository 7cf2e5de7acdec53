"""Performs `conversation.item.create`, `retrieve`, `delete` and `truncate`.

The machine decides what follows from a command. Audio inside a new item is transcribed like the
user's speech.
"""

from __future__ import annotations

import msgspec

from ..protocol import client, server
from ..protocol.items import Item, Message
from . import effects as do
from . import validation
from .call_settings import CallParts
from .input_audio import InputAudioBuffer
from .transcripts import untranscribed_part

ItemCommand = client.ItemCreate | client.ItemRetrieve | client.ItemDelete | client.ItemTruncate


class ItemEditor:
    def __init__(self, parts: CallParts[do.ListenDrop], input_audio: InputAudioBuffer) -> None:
        self._effects = parts.effects
        self._conversation = parts.conversation
        self._ledger = parts.ledger
        self._audio_cache = parts.audio_cache
        self._quota = parts.quota
        self._input_audio = input_audio

    def edit(self, event: ItemCommand) -> None:
        """Perform a client's command. Raises `InvalidRequest`, and then nothing has changed."""
        match event:
            case client.ItemCreate():
                self._create(event)
            case client.ItemRetrieve(item_id=item_id):
                self._retrieve(item_id)
            case client.ItemDelete(item_id=item_id):
                self._delete(item_id)
            case client.ItemTruncate():
                self._truncate(event)

    def _create(self, event: client.ItemCreate) -> None:
        new = validation.validate_item_create(
            self._conversation, event, self._quota, self._input_audio.format
        )
        item = new.item
        if not item.id:
            item = msgspec.structs.replace(item, id=self._effects.new_id("item"))
        self._quota.take(item.id, new.weight)
        self._ledger.forget(item.id)
        self.add(item, new.previous)
        if new.sound and isinstance(item, Message):
            self._input_audio.transcribe_item(item.id, new.sound, untranscribed_part(item))

    def add(self, item: Item, previous: str | None) -> None:
        """Add a complete item behind `previous`. None: at the front."""
        self._effects.send(server.ItemAdded(previous_item_id=previous, item=item))
        self._effects.send(server.ItemDone(previous_item_id=previous, item=item))

    def _retrieve(self, item_id: str) -> None:
        item = validation.require_item(self._conversation, item_id, "retrieve")
        self._effects.send(server.ItemRetrieved(item=self._audio_cache.with_sound(item)))

    def _delete(self, item_id: str) -> None:
        validation.require_item(self._conversation, item_id, "delete")
        if self._input_audio.transcripts.forget(item_id):
            self._effects.request(do.ListenDrop(item_id))
        self._audio_cache.drop(item_id)
        self._quota.free(item_id)
        self._effects.send(server.ItemDeleted(item_id=item_id))

    def _truncate(self, event: client.ItemTruncate) -> None:
        validation.validate_truncate(self._conversation, self._ledger, event)
        self._ledger.truncate(event.item_id, event.audio_end_ms)
        self._audio_cache.truncate(event.item_id, event.audio_end_ms)
        self._effects.send(
            server.ItemTruncated(
                item_id=event.item_id,
                content_index=event.content_index,
                audio_end_ms=event.audio_end_ms,
            )
        )
