"""The state of a relayed call, which stays when its upstream is replaced.

`upstream_state` has the state of one connection to an upstream.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ...protocol import server
from ...protocol.items import FunctionCall, FunctionOutput, Item, Message
from ..call_settings import CallSettings
from ..conversation import Conversation
from ..inactivity import CLIENT_TOOL_S, InactivityTimeout
from ..ledger import Ledger
from .frames import session_of
from .upstream_state import UpstreamState

if TYPE_CHECKING:
    import msgspec


class CallState:
    """The conversation of a call, how much of it the user heard, and when the user last acted."""

    __slots__ = (
        "conversation",
        "inactivity",
        "latest_session",
        "ledger",
        "open_calls",
        "plays_out",
    )

    def __init__(
        self, call: CallSettings, history: Iterable[Item], ledger: Ledger | None, now: float
    ) -> None:
        self.conversation = Conversation(history)
        self.ledger = Ledger() if ledger is None else ledger
        self.inactivity = InactivityTimeout(call.inactivity_s, now)
        self.plays_out = call.plays_out
        self.latest_session: msgspec.Raw | None = None  # of the last `session.updated`
        self.open_calls: dict[str, float] = {}  # function calls without an output, and deadlines

    def observe(
        self, event: server.ServerEvent, data: bytes, upstream: UpstreamState, now: float
    ) -> None:
        """Take over what an event of the upstream changes. `data`: its frame."""
        self.conversation.apply(event)
        upstream.observe(event, len(data))
        match event:
            case server.SessionUpdated():
                self.latest_session = session_of(data)
            case server.SpeechStopped() | server.ItemAdded(item=Message(role="user")):
                self.inactivity.user_did(now)
            case server.ItemDone(item=FunctionCall(status="completed", call_id=call_id)):
                self.open_calls[call_id] = now + CLIENT_TOOL_S
            case server.ItemDone(item=FunctionOutput(call_id=call_id)):
                self.open_calls.pop(call_id, None)
                self.inactivity.user_did(now)
            case server.ItemDone(item=Message(role="assistant") as item):
                self._record_spoken(item.id, _text(item), upstream)
            case server.ItemTruncated(item_id=item_id, audio_end_ms=ms):
                if item_id not in self.ledger:
                    self._record_spoken(item_id, "", upstream)
                if item_id in self.ledger:
                    self.ledger.truncate(item_id, ms)
            case server.ResponseDone():
                self.inactivity.we_did(now)
            case _:
                pass

    def _record_spoken(self, item_id: str, text: str, upstream: UpstreamState) -> None:
        """Enter an item into the ledger: its text, and how much audio of it was forwarded.

        The relay decodes all audio that it plays, so the ledger knows that already.
        """
        earlier = self.ledger.get(item_id)
        sent_ms = upstream.audio.ms_of(item_id)
        if self.plays_out:
            sent_ms = earlier.sent_ms if earlier else None
        if sent_ms is not None:
            self.ledger.restore(item_id, text, sent_ms, earlier.heard_ms if earlier else None)


def _text(item: Message) -> str:
    return "".join(part.text or part.transcript or "" for part in item.content)
