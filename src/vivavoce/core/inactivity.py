"""How long a call may go on in which nobody does anything.

What counts is the user's: a word spoken, an event sent. What the assistant does in answer counts
too; what it says into a silence (protocol §4.12) does not, or it would talk to an empty room for
an hour. An open microphone alone is no sign of life.
"""

from __future__ import annotations

from ..protocol.client import Command
from .inputs import AudioReceived, SessionInput
from .types import NEVER


class InactivityTimeout:
    def __init__(self, limit_s: float | None, now: float) -> None:
        self._limit_s = limit_s
        self._alive_at = now
        self._alone = False  # is what the assistant does its own idea?

    def on_input(self, event: SessionInput, now: float, *, speaking: bool) -> None:
        """Something happened. `speaking`: the user does, or holds the button down."""
        if isinstance(event, AudioReceived):
            if speaking:
                self.user_did(now)
        elif isinstance(event, Command):
            self.user_did(now)
        else:
            self.we_did(now)

    def user_did(self, now: float) -> None:
        self._alive_at = now
        self._alone = False

    def we_did(self, now: float) -> None:
        if not self._alone:
            self._alive_at = now

    def prompted(self) -> None:
        """The silence itself is being answered."""
        self._alone = True

    @property
    def message(self) -> str:
        """What the client is told when the limit is reached."""
        return f"Your session ended after {(self._limit_s or 0) / 60:g} minutes without a word."

    def due(self) -> float:
        return NEVER if self._limit_s is None else self._alive_at + self._limit_s
