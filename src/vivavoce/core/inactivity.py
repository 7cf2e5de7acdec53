"""Ends a call in which the user does nothing for a time.

Audio and events of clients count as activity, and so do the assistant's answers to them. The
assistant's words into a silence (protocol §4.12) do not count: otherwise it would talk to an absent
user until the session expires. Audio counts even without speech, because a person who listens may
say nothing for minutes. After the assistant has spoken into a silence, only speech counts again.
"""

from __future__ import annotations

from ..protocol.client import Command
from .inputs import AudioReceived, SessionInput
from .types import NEVER


class InactivityTimeout:
    def __init__(self, limit_s: float | None, now: float) -> None:
        self._limit_s = limit_s
        self._alive_at = now
        self._unprompted = False  # does the assistant act without the user?

    def on_input(self, event: SessionInput, now: float, *, speaking: bool) -> None:
        """Note an input. `speaking`: the user speaks, or holds the push-to-talk button."""
        if isinstance(event, AudioReceived):
            if speaking:
                self.user_did(now)
            elif not self._unprompted:
                self._alive_at = now
        elif isinstance(event, Command):
            self.user_did(now)
        else:
            self.we_did(now)

    def user_did(self, now: float) -> None:
        """Note activity of the user."""
        self._alive_at = now
        self._unprompted = False

    def we_did(self, now: float) -> None:
        """Note activity of the server, which counts if the user caused it."""
        if not self._unprompted:
            self._alive_at = now

    def prompted(self) -> None:
        """Note that the assistant answers a silence: what follows does not count as activity."""
        self._unprompted = True

    @property
    def message(self) -> str:
        """The message of the error and the close frame when the limit is reached."""
        return f"Your session ended after {(self._limit_s or 0) / 60:g} minutes without activity."

    def due(self) -> float:
        return NEVER if self._limit_s is None else self._alive_at + self._limit_s
