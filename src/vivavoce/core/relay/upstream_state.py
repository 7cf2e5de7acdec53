"""All state of one upstream connection.

`call_state` has the call's own state. Nothing in here is needed after the connection has gone,
except the frames that it never received.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Literal

import msgspec

from ...protocol import client, server
from ...protocol.items import Item, Message
from ..error_routing import SidebandErrors
from ..ledger import Ledger
from ..tool_calls import with_unique_call_ids
from ..types import JsonObject
from ..upstream_session import as_upstream_items, with_session_changes
from .audio_accounting import AudioAccounting, bytes_per_ms
from .frames import TAKEN
from .greeting import Greeting
from .opening import HeldFrame, Opening

EndStatus = Literal["cancelled", "failed"]
OWN_EVENT = "event_vivavoce_"  # begins the ids of the events that the relay itself sends upstream
"""An id of the relay's own follows it, so that no client can use the same ids."""


class UpstreamState:
    """The state of the connection to one upstream."""

    __slots__ = (
        "audio",
        "confirmed",
        "flowing",
        "greeting",
        "opening",
        "own_event",
        "retold",
        "running",
        "sideband_errors",
    )

    def __init__(
        self, now: float, new_id: Callable[[str], str], *, taken: frozenset[bytes | None] = TAKEN
    ) -> None:
        """`taken`: the types of the frames that are to be decoded."""
        self.flowing = False  # has the upstream confirmed the session?
        self.opening = Opening(now)
        self.own_event = f"{OWN_EVENT}{new_id('own')}_"
        self.greeting = Greeting(self.own_event)
        self.audio = AudioAccounting(taken)
        self.sideband_errors = SidebandErrors(new_id)
        self.running: dict[str, server.Response] = {}  # responses, by id
        self.retold: set[str] = (
            set()
        )  # items that the relay sent and the upstream has not confirmed
        self.confirmed: msgspec.Raw | None = None  # the session, when the call opened

    @property
    def deadline(self) -> float:
        """Return when to stop waiting for the upstream's session, or for the end of a greeting."""
        return self.greeting.deadline if self.flowing else self.opening.deadline

    def unsent_frames(self) -> list[HeldFrame]:
        """Return the clients' frames that this upstream has not received, oldest first."""
        return self.opening.release_client_frames() + self.greeting.end()

    def retell(self, conversation: Iterable[Item], ledger: Ledger) -> Iterator[client.ItemCreate]:
        """Return the events that tell this upstream of the conversation, as it was heard."""
        heard = map(ledger.as_heard, with_unique_call_ids(conversation))
        for item in as_upstream_items(heard):
            self.retold.add(item.id)
            yield client.ItemCreate(event_id=self.own_event + item.id, item=item)

    def with_session_changes(self, asked: JsonObject, latest: msgspec.Raw | None) -> JsonObject:
        """Return what to ask of the next upstream: `asked`, with the changes of clients.

        `latest`: the session that this upstream confirmed last. None: clients changed nothing.
        """
        if self.confirmed is None or latest is None:
            return asked
        return with_session_changes(asked, _json_object(self.confirmed), _json_object(latest))

    def answers_relay(self, event: server.ServerEvent) -> bool:
        """Return True if this event answers one that the relay sent by itself."""
        match event:
            case server.ItemAdded(item=item) | server.ItemCreated(item=item):
                return item.id in self.retold
            case server.ItemDone(item=item) if item.id in self.retold:
                self.retold.discard(item.id)
                return True
            case server.Error(error=body):
                return (body.event_id or "").startswith(self.own_event)
            case _:
                return False

    def observe(self, event: server.ServerEvent, frame_bytes: int) -> None:
        """Follow the upstream's responses and their audio. `frame_bytes`: the event's length."""
        match event:
            case server.ResponseCreated(response=response):
                self.running[response.id] = response
                self.greeting.on_response_created(response.id)
                self.audio.expect_item()
            case server.ItemAdded(item=Message(role="assistant")):
                self.audio.expect_item()
            case server.AudioDelta(response_id=response_id):
                response_audio = bytes_per_ms(self.running.get(response_id))
                self.audio.start(event, frame_bytes, response_audio)
            case server.ResponseDone(response=response):
                self.running.pop(response.id, None)
                self.audio.end_response()
            case _:
                pass

    def end_responses(
        self, status: EndStatus, details: server.StatusDetails
    ) -> list[server.Response]:
        """End the running responses, because the upstream does not. Return them as they ended."""
        ended = [
            msgspec.structs.replace(response, status=status, status_details=details)
            for response in self.running.values()
        ]
        self.running.clear()
        return ended


def _json_object(raw: msgspec.Raw) -> JsonObject:
    """Return the decoded object. An upstream's session that is not one counts as empty."""
    try:
        value = msgspec.json.decode(raw)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
