"""The greeting of a relayed call, which ends when the client asks for a response.

An upstream makes one response at a time. So the relay cancels the greeting, and holds the client's
`response.create` and everything behind it until the upstream has ended the greeting.
"""

from __future__ import annotations

from ...protocol import client, server
from ...protocol.peek import peek_type
from ..inputs import FromClient
from ..types import NEVER
from .opening import MAX_HELD_BYTES, HeldFrame

CANCEL_TIMEOUT_S = 5.0  # an upstream that does not end a cancelled greeting delays no client longer


class Greeting:
    """The greeting on one upstream connection."""

    __slots__ = (
        "_cancel_id",
        "_event_id",
        "_held",
        "_held_bytes",
        "_response_id",
        "deadline",
        "running",
    )

    def __init__(self, event_prefix: str) -> None:
        """`event_prefix`: begins the ids of the events that the relay itself sends upstream."""
        self.running = False
        self.deadline = NEVER  # for the upstream to end a cancelled greeting
        self._event_id = event_prefix + "greeting"
        self._cancel_id = event_prefix + "cancel_greeting"
        self._response_id: str | None = None
        self._held: list[HeldFrame] = []
        self._held_bytes = 0

    def start(self, text: str) -> client.ResponseCreate:
        """Return the request for a response that says `text`."""
        self.running = True
        instructions = f"Say exactly this, and nothing else: {text}"
        options = client.ResponseOptions(instructions=instructions)
        return client.ResponseCreate(event_id=self._event_id, response=options)

    @property
    def over_limit(self) -> bool:
        """True if the held frames exceed `MAX_HELD_BYTES`; the reader then pauses the client."""
        return self._held_bytes > MAX_HELD_BYTES

    def delays(self, frame: FromClient) -> bool:
        """Return True if this frame has to wait until the greeting has ended."""
        if not self.running:
            return False
        return bool(self._held) or peek_type(frame.data) == b"response.create"

    def hold(self, frame: HeldFrame, now: float) -> client.ResponseCancel | None:
        """Keep a frame until the greeting has ended. Return the request to cancel it, once."""
        cancel = None
        if not self._held:
            self.deadline = now + CANCEL_TIMEOUT_S
            cancel = client.ResponseCancel(event_id=self._cancel_id)
        self._held.append(frame)
        self._held_bytes += len(frame.frame.data)
        return cancel

    def on_response_created(self, response_id: str) -> None:
        """Take the first response while the greeting runs for the greeting's own."""
        if self.running and self._response_id is None:
            self._response_id = response_id

    def is_ended_by(self, event: server.ServerEvent) -> bool:
        """Return True if this event ends the greeting: its response is done, or it was refused."""
        if not self.running:
            return False
        match event:
            case server.ResponseDone(response=response):
                return response.id == self._response_id
            case server.Error(error=body):
                return body.event_id == self._event_id
            case _:
                return False

    def end(self) -> list[HeldFrame]:
        """End the greeting. Return the frames that were held, oldest first."""
        self.running = False
        self.deadline = NEVER
        held, self._held, self._held_bytes = self._held, [], 0
        return held
