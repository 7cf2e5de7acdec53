"""Measures playback underruns, and the delay of the first audio of an answer.

A client plays what it has. Audio that arrives before the client has played everything is on time.
Audio that arrives afterwards is late by as long as the client was silent. The measurement assumes
that the client plays on at once.
"""

from __future__ import annotations

from ..audio.pcm import duration_ms
from ..protocol import server


class UnderrunMeter:
    """Measures one call, frame by frame. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._response: str | None = None
        self._dry_at = 0.0  # when the client will have played everything
        self._stopped: float | None = None  # when the user stopped speaking, until audio answers

    def stopped(self, now: float) -> None:
        """Note that `speech_stopped` was written."""
        self._stopped = now

    def add(self, event: server.AudioDelta, now: float) -> tuple[float, float | None]:
        """Note that an audio frame was written.

        Return for how many seconds the client had had nothing to play. For the first frame of an
        answer, also return how many seconds after `speech_stopped` it was written.
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
