"""A relay under test, with the frames of its two sides."""

from __future__ import annotations

from vivavoce.core.effects import Effect, ForwardToClients, Record, Send, SendUpstream
from vivavoce.core.inputs import FromClient, FromUpstream, RelayInput
from vivavoce.core.relay import Direction, Relay, Verdict
from vivavoce.core.upstream_session import upstream_session_update
from vivavoce.protocol import server
from vivavoce.protocol.config import SessionConfig

from ..support.scenario import call_settings, numbered_ids
from ..support.upstream import CREATED, UPDATED, frame

UP, DOWN = Direction.UP, Direction.DOWN
ASSISTANT_SESSION = SessionConfig(instructions="Be brief.")
RESPONSE = {"object": "realtime.response", "id": "r", "status": "in_progress",
            "status_details": None, "output": [], "output_modalities": ["audio"]}  # fmt: skip
ITEM = {"id": "i", "type": "message", "status": "in_progress", "role": "assistant", "content": []}
SAID = ITEM | {"status": "completed",
               "content": [{"type": "output_audio", "transcript": "It is noon."}]}  # fmt: skip
BEGUN = frame("response.created", response=RESPONSE)
ADDED = frame("conversation.item.added", previous_item_id=None, item=ITEM)
DONE = frame("conversation.item.done", previous_item_id=None, item=SAID)
ENDED = frame("response.done", response=RESPONSE | {"status": "completed", "output": [SAID]})
CREATE = b'{"type": "response.create"}'


class RelayScenario:
    """A relay, and all effects that it queued."""

    def __init__(self, *, opened: bool = True, **kwargs: object) -> None:
        self.now = 0.0
        self.relay = Relay(
            upstream_session_update(ASSISTANT_SESSION),
            call_settings(kwargs),
            now=0.0,
            new_id=numbered_ids(),
            **kwargs,  # type: ignore[arg-type]
        )
        self.log: list[Effect] = []
        if opened:
            self.hear(CREATED, UPDATED)
            self.log.clear()

    def tell(self, *events: RelayInput) -> None:
        for event in events:
            self.relay.receive(event, self.now, 1)
            self.log += self.relay.effects()

    def wait(self, seconds: float) -> None:
        """Let time pass, and call `on_deadline` whenever it is due."""
        until = self.now + seconds
        while (due := self.relay.next_deadline()) is not None and due <= until:
            self.now = due
            self.relay.on_deadline(due)
            self.log += self.relay.effects()
        self.now = until

    def hear(self, *frames: bytes) -> None:
        """Bring frames of the upstream. The machine receives those that it has to decode."""
        for data in frames:
            if self.relay.glance(DOWN, memoryview(data)) is Verdict.TAKE:
                self.tell(FromUpstream(data))

    def say(self, *frames: bytes) -> None:
        """Bring frames of the client. The machine receives those that it has to decode."""
        for data in frames:
            if self.relay.glance(UP, memoryview(data)) is Verdict.TAKE:
                self.tell(FromClient(data))

    @property
    def up(self) -> list[bytes]:
        return [e.data for e in self.log if isinstance(e, SendUpstream)]

    @property
    def down(self) -> list[bytes]:
        return [e.data for e in self.log if isinstance(e, ForwardToClients)]

    @property
    def errors(self) -> list[str | None]:
        return [e.event.error.code for e in self.log
                if isinstance(e, Send) and isinstance(e.event, server.Error)]  # fmt: skip

    @property
    def recorded(self) -> list[server.ServerEvent]:
        return [e.event for e in self.log if isinstance(e, Record)]
