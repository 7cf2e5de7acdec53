"""The maximum duration of a session (protocol §1.10.4)."""

from __future__ import annotations

MAX_SESSION_S = 60 * 60
LONGEST_SESSION_S = 24 * 60 * 60


class Lifetime:
    def __init__(self, longest_s: float, *, now: float, epoch: float) -> None:
        """`now` is on the machine's clock, `epoch` the same moment in unix seconds."""
        if not 0 < longest_s <= LONGEST_SESSION_S:
            raise ValueError(f"a session lasts at most a day, not {longest_s} s")
        self.due = now + longest_s
        self.expires_at = int(epoch + longest_s)
        self._longest_s = longest_s

    @property
    def message(self) -> str:
        """The message of the error and the close frame when the session expires."""
        minutes = f"{self._longest_s / 60:g} minutes"
        return f"Your session hit the maximum duration of {minutes}."
