"""What a client does to the items themselves: adds one, looks at one, takes one away or cuts it.

Whoever composes this decides what follows from it. Sound inside an item is listened to like sound
that was spoken.
"""

from __future__ import annotations

import msgspec

from ..protocol import client, server
from ..protocol.items import Item, Message
from . import effects as do
from . import judgement as judge
from .conversation import Conversation
from .hearing import Hearing
from .ledger import Ledger
from .limits import Room
from .outgoing import Outgoing
from .sounds import Sounds
from .transcripts import unheard

Edit = client.ItemCreate | client.ItemRetrieve | client.ItemDelete | client.ItemTruncate


class Editing:
    def __init__(
        self,
        out: Outgoing,
        conversation: Conversation,
        ledger: Ledger,
        sounds: Sounds,
        hearing: Hearing,
        room: Room,
    ) -> None:
        self._out = out
        self._conversation = conversation
        self._ledger = ledger
        self._sounds = sounds
        self._hearing = hearing
        self._room = room

    def edit(self, event: Edit) -> None:
        """Raises `InvalidRequest`, and then nothing has changed."""
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
        new = judge.creation(self._conversation, event, self._room, self._hearing.format)
        item = new.item
        if not item.id:
            item = msgspec.structs.replace(item, id=self._out.new_id("item"))
        self._room.take(item.id, new.weight)
        self._ledger.forget(item.id)
        self.add(item, new.previous)
        if new.sound and isinstance(item, Message):
            self._hearing.listen_to(item.id, new.sound, unheard(item))

    def add(self, item: Item, previous: str | None) -> None:
        """An item that is whole. `previous`: the one it comes after; None: the first."""
        self._out.send(server.ItemAdded(previous_item_id=previous, item=item))
        self._out.send(server.ItemDone(previous_item_id=previous, item=item))

    def _retrieve(self, item_id: str) -> None:
        item = judge.existing(self._conversation, item_id, "retrieve")
        self._out.send(server.ItemRetrieved(item=self._sounds.with_sound(item)))

    def _delete(self, item_id: str) -> None:
        judge.existing(self._conversation, item_id, "delete")
        if self._hearing.transcripts.forget(item_id):
            self._out.ask(do.ListenDrop(item_id))
        self._sounds.drop(item_id)
        self._room.free(item_id)
        self._out.send(server.ItemDeleted(item_id=item_id))

    def _truncate(self, event: client.ItemTruncate) -> None:
        judge.truncation(self._conversation, self._ledger, event)
        self._ledger.cut(event.item_id, event.audio_end_ms)
        self._sounds.cut(event.item_id, event.audio_end_ms)
        self._out.send(
            server.ItemTruncated(
                item_id=event.item_id,
                content_index=event.content_index,
                audio_end_ms=event.audio_end_ms,
            )
        )
