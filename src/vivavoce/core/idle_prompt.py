"""The protocol's `idle_timeout_ms`: the assistant answers a silence after a reply (protocol §4.12).

The timer starts when the reply has been played, not when it was made. Without reports of playout
the machine assumes that playing takes as long as the audio is. Nothing is due while the user
speaks, a reply is being made, or a tool call has no output yet. A timeout that a client sets during
a silence counts from when it was set.

The brain chooses the words. The embedded brain has them in its `brain/phrases.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from .types import NEVER


@dataclass(frozen=True, slots=True)
class Silence:
    since: float  # seconds on the machine's clock
    audio_ms: int  # the same moment, in ms of user audio received


class IdlePromptTimer:
    def __init__(self) -> None:
        self._silence: Silence | None = None
        self._timeout_ms: int | None = None
        self._in_force_since = 0.0

    def configure(self, timeout_ms: int | None, now: float) -> None:
        """Set the timeout that applies from now on. None: no silence is answered at present."""
        if timeout_ms != self._timeout_ms:
            self._timeout_ms = timeout_ms
            self._in_force_since = now

    def start(self, now: float, played_at: float, received_ms: int) -> None:
        """Start the timer for a reply that ended and will have been played at `played_at`."""
        ends = max(now, played_at)
        self._silence = Silence(ends, received_ms + round((ends - now) * 1000))

    def restart(self, now: float, received_ms: int) -> None:
        """Let a silence begin now at the earliest: the client discarded the audio before."""
        if self._silence is not None and self._silence.since < now:
            self._silence = Silence(now, received_ms)

    def end(self) -> None:
        self._silence = None

    def due(self) -> float:
        """Return when a silence has lasted for the timeout, counted while it was in force."""
        if self._silence is None or self._timeout_ms is None:
            return NEVER
        return max(self._silence.since, self._in_force_since) + self._timeout_ms / 1000

    def fire(self, received_ms: int) -> int:
        """End a silence that was long enough. Return its start, in ms of user audio received."""
        assert self._silence is not None
        began_ms = min(self._silence.audio_ms, received_ms)  # a muted client sends no audio
        self._silence = None
        return began_ms
