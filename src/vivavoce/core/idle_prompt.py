"""How long a silence after a reply may last until it is answered (protocol §4.12).

It counts from when the reply has been played, not from when it was made: as far as we can tell,
its sound takes as long as it is long. Nothing is due while somebody speaks, while a reply is being
made, or while a function is out to be called.
"""

from __future__ import annotations

from dataclasses import dataclass

from .types import NEVER


@dataclass(frozen=True, slots=True)
class Silence:
    since: float
    audio_ms: int  # where in the user's sound that was


class IdlePromptTimer:
    def __init__(self) -> None:
        self._silence: Silence | None = None

    def start(self, now: float, played_at: float, heard_ms: int) -> None:
        """A reply ended; it will have been played at `played_at`."""
        ends = max(now, played_at)
        self._silence = Silence(ends, heard_ms + round((ends - now) * 1000))

    def end(self) -> None:
        self._silence = None

    def due(self, timeout_ms: int | None) -> float:
        if self._silence is None or timeout_ms is None:
            return NEVER
        return self._silence.since + timeout_ms / 1000

    def fire(self, heard_ms: int) -> int:
        """It lasted long enough. Returns where in the user's sound it began."""
        assert self._silence is not None
        began_ms = min(self._silence.audio_ms, heard_ms)  # who is muted sends no silence
        self._silence = None
        return began_ms
