"""Ends a call in which the user does nothing for a time.

Audio and events of clients count as activity, and so do the assistant's answers to them. The
assistant's words into a silence (protocol §4.12) do not count: otherwise it would talk to an absent
user until the session expires. Audio counts even without speech, because a person who listens may
say nothing for minutes. After the assistant has spoken into a silence, only speech counts again.

A tool of the client may take `CLIENT_TOOL_S`. A client whose tool never returns would otherwise
keep its call until the session expires.
"""

from __future__ import annotations

from ..protocol.client import Command
from .inputs import AudioReceived, PromptRendered, SessionInput
from .types import NEVER

CLIENT_TOOL_S = 15 * 60.0  # in which a silent call waits for the output of the client's tool
LOOK_S = 10.0  # at most, in which frames of a client pass unread


class UnreadFrames:
    """Finds the time of frames that pass unread, to within `LOOK_S`.

    The machine reads one frame, and those behind it pass until the next look. A client that sends
    nothing causes no look.
    """

    def __init__(self, limit_s: float | None) -> None:
        """`limit_s`: the inactivity limit, which is at least ten looks long. None: no looks."""
        self._every_s = NEVER if limit_s is None else min(LOOK_S, limit_s / 10)
        self.passing = limit_s is None  # read for each frame: this is the hot path
        self.next_look = NEVER

    def read(self, now: float) -> None:
        """Let frames pass, because the machine has read one."""
        self.passing = True
        self.next_look = min(self.next_look, now + self._every_s)

    def look(self) -> None:
        """Let the next frame be read."""
        self.passing = False
        self.next_look = NEVER


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
        elif not isinstance(event, PromptRendered):  # which an operator caused
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
