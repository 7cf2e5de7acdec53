"""The playout queue of a transport on which the server paces the audio: WebRTC, telephone (§4.9).

Over a WebSocket only the client knows what was played, and the queue stays empty. An out-of-band
response is heard too, so it is in the queue, but its item is in no conversation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ..protocol import server
from . import effects as do
from .conversation import Conversation
from .ledger import Ledger, SpokenItem


@dataclass(slots=True)
class _QueuedItem:
    response_id: str
    item_id: str
    spoken: SpokenItem  # kept here, because a new item may have the same id
    whole: bool = False  # is its audio complete?

    @property
    def over(self) -> bool:
        return self.whole and (self.spoken.heard_ms or 0) >= self.spoken.sent_ms


class PlayoutEffects(Protocol):
    """The queue of a machine's effects, as the playout needs it."""

    def send(self, event: server.ServerEvent) -> None: ...

    def request(self, effect: do.Hush) -> None: ...


class Playout:
    def __init__(
        self,
        effects: PlayoutEffects,
        conversation: Conversation,
        ledger: Ledger,
        truncate: Callable[[str, int], None],
    ) -> None:
        """`truncate` cuts an item of the conversation off after so many milliseconds."""
        self._effects = effects
        self._conversation = conversation
        self._ledger = ledger
        self._truncate = truncate
        self._queue: list[_QueuedItem] = []

    @property
    def item_ids(self) -> list[str]:
        """The items that are still to be played, the one that is heard now first."""
        return [sound.item_id for sound in self._queue]

    def __bool__(self) -> bool:
        """Return True if audio is still to be played."""
        return bool(self._queue)

    def add(self, response_id: str, item_id: str) -> None:
        """Queue an item whose first audio was sent."""
        self._queue.append(_QueuedItem(response_id, item_id, self._ledger[item_id]))
        if len(self._queue) == 1:
            self._effects.send(server.PlayoutStarted(response_id=response_id))

    def close(self, response_id: str) -> None:
        """Note that the response's audio is complete, and end its playout if all was played."""
        for sound in self._queue:
            sound.whole = sound.whole or sound.response_id == response_id
        self._advance()

    def played(self, item_id: str, ms: int) -> None:
        """Record how far an item has been played, also of an item that left the queue."""
        queued = next((sound for sound in self._queue if sound.item_id == item_id), None)
        if queued:
            queued.spoken.report_played(ms)
        else:
            self._ledger.report_played(item_id, ms)
        self._advance()

    def _advance(self) -> None:
        while self._queue and self._queue[0].over:
            over = self._queue.pop(0)
            self._forget_out_of_band(over)
            self._effects.send(server.PlayoutStopped(response_id=over.response_id))
            if self._queue:
                self._effects.send(server.PlayoutStarted(response_id=self._queue[0].response_id))

    def clear(self, *, truncate: bool) -> None:
        """Discard the queue. `truncate`: and truncate its items to what was heard."""
        queue, self._queue = self._queue, []
        for place, sound in enumerate(queue):
            heard_ms = sound.spoken.heard_ms or 0
            sound.spoken.report_played(heard_ms)
            self._effects.request(do.Hush(sound.item_id))
            if place == 0:
                self._effects.send(server.PlayoutCleared(response_id=sound.response_id))
            if truncate and self._is_there(sound):
                self._truncate(sound.item_id, heard_ms)
            self._forget_out_of_band(sound)

    def _forget_out_of_band(self, sound: _QueuedItem) -> None:
        if sound.item_id not in self._conversation:
            self._ledger.forget(sound.item_id)

    def _is_there(self, sound: _QueuedItem) -> bool:
        same = self._ledger.get(sound.item_id) is sound.spoken
        return same and sound.item_id in self._conversation
