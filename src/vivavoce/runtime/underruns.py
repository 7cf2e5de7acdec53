"""What somebody has to listen to: how late sound is, and how soon the first of it comes.

A player plays what it has. Sound that comes while there is some left is in time, however late we
were with it; sound that comes to a player with nothing left is late by as long as it was silent.
Then it plays on, and its buffer begins anew.
"""

from __future__ import annotations

from ..audio.pcm import duration_ms
from ..protocol import server


class UnderrunMeter:
    """One call's, told of each frame when it is written. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._response: str | None = None
        self._dry_at = 0.0  # when there is nothing left to play
        self._stopped: float | None = None  # the user, and nothing has answered yet

    def stopped(self, now: float) -> None:
        """The client was told that the user has stopped speaking."""
        self._stopped = now

    def add(self, event: server.AudioDelta, now: float) -> tuple[float, float | None]:
        """A frame of sound was written.

        Returns for how many seconds there had been nothing to hear, and, for the first of an
        answer, how many seconds after the user had stopped speaking it came.
        """
        silent, first = 0.0, None
        if event.response_id != self._response:
            self._response = event.response_id
            self._dry_at = now
            if self._stopped is not None:
                first, self._stopped = now - self._stopped, None
        else:
            silent = max(0.0, now - self._dry_at)
        self._dry_at = max(self._dry_at, now) + duration_ms(event.delta) / 1000
        return silent, first
