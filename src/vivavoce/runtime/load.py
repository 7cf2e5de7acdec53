"""Measures the load, and decides whether one more voice call would harm the running ones.

Other parts report events with their times. Three signals measure the share of the last ten
seconds' events that were late:

    audio        an audio frame was written after its client had nothing left to play
    loop         the event loop ran a timer later than it was due
    recognisers  an utterance waited for a free recogniser, or is waiting now

A signal begins when the late share exceeds its limit, and ends after it was below half of the
limit for `CALM_S`. So one late frame refuses no call, and a server at its limit does not alternate
between admitting and refusing. Memory and time do not grow with the number of events. All times
are seconds of one monotonic clock.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

WINDOW_S = 10
CALM_S = 5.0  # below half of the limit, before a signal ends
SHORTEST_S, LONGEST_S = 5, 60  # bounds of the `retry_after` of a refused call
RECOVERY_S, STEP_S = 30.0, 2.0  # after a signal ended: how long, and between two calls


@dataclass(frozen=True, slots=True)
class LoadThresholds:
    """From when on something counts as late. 0: never."""

    late_s: float = 0.020  # for audio, and for the loop
    wait_s: float = 2.0  # for a recogniser


class SlidingWindow:
    """Counts the events of the last `WINDOW_S`, and the late ones. A ring of one-second slots."""

    def __init__(self) -> None:
        self._seconds = [
            (-1, 0.0, 0.0)
        ] * WINDOW_S  # of each slot: its second, all events, late events

    def add(self, now: float, amount: float, *, late: bool) -> None:
        second = int(now)
        place = second % WINDOW_S
        at, everything, bad = self._seconds[place]
        if at != second:
            everything = bad = 0.0
        self._seconds[place] = (second, everything + amount, bad + amount * late)

    def count(self, now: float) -> tuple[float, float]:
        """Return the number of all events, and of the late ones."""
        since = int(now) - WINDOW_S
        seconds = [each for each in self._seconds if each[0] > since]
        return sum(each[1] for each in seconds), sum(each[2] for each in seconds)


class OverloadSignal:
    """Overload of one kind, with a beginning and an end."""

    def __init__(self, share: float, few: float) -> None:
        """`share`: the limit of the late share. `few`: with fewer late events, do not begin."""
        self.since: float | None = None
        self.ended_at: float | None = None  # when it last ended
        self._share = share
        self._few = few
        self._window = SlidingWindow()
        self._calm: float | None = None

    def note(self, now: float, *, late: bool, amount: float = 1.0) -> None:
        self._window.add(now, amount, late=late)

    def update(self, now: float, pending: int = 0) -> None:
        """Begin or end the signal. `pending`: events that are late already, and still to come."""
        everything, late = self._window.count(now)
        late += pending
        share = late / (everything + pending) if late else 0.0
        if late >= self._few and share > self._share:
            self.since = now if self.since is None else self.since
            self._calm = None
        elif self.since is None:
            return
        elif share > self._share / 2 and late >= self._few / 2:
            self._calm = None
        elif self._calm is None:
            self._calm = now
        elif now - self._calm >= CALM_S:
            self.since, self.ended_at = None, now

    def remaining_s(self, now: float) -> float | None:
        """Estimate how long it will last: as long again as it has lasted. None: it is off."""
        if self.since is None:
            return None
        return min(max(now - self.since, CALM_S), LONGEST_S)


class LoadMonitor:
    """Combines the three signals, and lets calls in one at a time after an overload."""

    def __init__(self, tolerance: LoadThresholds | None = None) -> None:
        self._tolerance = tolerance or LoadThresholds()
        self.audio = OverloadSignal(0.01, 3)
        self.loop = OverloadSignal(0.1, WINDOW_S * 0.1)  # counts seconds, not events
        self.recognisers = OverloadSignal(0.1, 2)
        self._waiting: dict[object, float] = {}  # utterance → when it began to wait
        self._admitted: float | None = None
        self._updated = -1  # the last second in which `report_lag` evaluated the signals

    # Reports

    def report_audio(self, late_s: float, now: float) -> None:
        """Report an audio frame. `late_s`: how long its client had had nothing left to play."""
        self.audio.note(now, late=self._late(late_s))

    def report_lag(self, late_s: float, now: float, for_s: float) -> None:
        """Report that the loop was `late_s` late, for all of the last `for_s` seconds."""
        self.loop.note(now, late=self._late(late_s), amount=for_s)
        # `busy` evaluates the signals by itself. Between two calls they are evaluated here, at
        # most once a second, so that they end on time.
        if int(now) != self._updated:
            self._updated = int(now)
            self._update_signals(now)

    def wait_began(self, client_id: object, now: float) -> None:
        """Report that an utterance waits for a recogniser."""
        self._waiting[client_id] = now

    def wait_ended(self, client_id: object, now: float) -> float:
        """Report that it got one, or stopped waiting. Return how many seconds it waited."""
        waited = now - self._waiting.pop(client_id)
        self.recognisers.note(now, late=self._too_long(waited))
        return waited

    @property
    def waiting(self) -> int:
        """The number of utterances that wait for a recogniser."""
        return len(self._waiting)

    # Decisions

    def busy(self, now: float, *, needs_stt_worker: bool = True) -> int | None:
        """Return in how many seconds a new voice call may try again, or None if it may begin.

        `needs_stt_worker`: the call would use a recogniser of this server.
        """
        self._update_signals(now)
        signals = self._signals(needs_stt_worker)
        remaining_s = [left for signal in signals if (left := signal.remaining_s(now)) is not None]
        if remaining_s:
            return max(SHORTEST_S, math.ceil(max(remaining_s)))
        over = [signal.ended_at for signal in signals if signal.ended_at is not None]
        recovering = bool(over) and now - max(over) < RECOVERY_S
        if recovering and self._admitted is not None and now - self._admitted < STEP_S:
            return SHORTEST_S
        return None

    def admit(self, now: float, *, needs_stt_worker: bool = True) -> int | None:
        """Decide as `busy` does, and count the call if it may begin."""
        seconds = self.busy(now, needs_stt_worker=needs_stt_worker)
        if seconds is None:
            self._admitted = now
        return seconds

    def overloaded(self, now: float) -> dict[str, bool]:
        self._update_signals(now)
        names = {"audio": self.audio, "loop": self.loop, "recognisers": self.recognisers}
        return {name: signal.since is not None for name, signal in names.items()}

    def _update_signals(self, now: float) -> None:
        self.audio.update(now)
        self.loop.update(now)
        pending = (self._too_long(now - since) for since in self._waiting.values())
        self.recognisers.update(now, _count(pending))

    def _signals(self, needs_stt_worker: bool) -> list[OverloadSignal]:
        return [self.audio, self.loop] + [self.recognisers] * needs_stt_worker

    def _late(self, seconds: float) -> bool:
        return 0 < self._tolerance.late_s < seconds

    def _too_long(self, seconds: float) -> bool:
        return 0 < self._tolerance.wait_s < seconds


def _count(flags: Iterable[bool]) -> int:
    return sum(flags)
