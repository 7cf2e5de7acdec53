"""How hard the running calls have it: whether one more voice would ruin them.

It is told what happened, with times, and asked before a call begins. Three strains, each a share
of what happened in the last ten seconds that was too late:

    sound        a frame of an answer was written when its listener had nothing left to hear
    loop         the process came to something later than it had said it would
    recognisers  an utterance waited for a free one, or waits now

A strain begins when too large a share was late, and is over when for some seconds less than half
of that was. So a single hiccup refuses nobody, and a server at its limit does not open and shut.
Memory and time are the same, however much happens. Times are seconds of one monotonic clock.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

WINDOW_S = 10
CALM_S = 5.0  # a strain must have eased for so long
SHORTEST_S, LONGEST_S = 5, 60  # what a newcomer is told to wait
RECOVERY_S, STEP_S = 30.0, 2.0  # after a strain, places are given out one at a time


@dataclass(frozen=True, slots=True)
class LoadThresholds:
    """What is too late. 0: nothing is."""

    late_s: float = 0.020  # of sound, and of the loop
    wait_s: float = 2.0  # for a recogniser


class SlidingWindow:
    """How much happened in the last seconds, and how much of it was late. A ring of seconds."""

    def __init__(self) -> None:
        self._seconds = [(-1, 0.0, 0.0)] * WINDOW_S  # which second, all, late

    def add(self, now: float, amount: float, *, late: bool) -> None:
        second = int(now)
        place = second % WINDOW_S
        at, everything, bad = self._seconds[place]
        if at != second:
            everything = bad = 0.0
        self._seconds[place] = (second, everything + amount, bad + amount * late)

    def count(self, now: float) -> tuple[float, float]:
        """All, and what was late of it."""
        since = int(now) - WINDOW_S
        seconds = [each for each in self._seconds if each[0] > since]
        return sum(each[1] for each in seconds), sum(each[2] for each in seconds)


class OverloadSignal:
    """Too much of one kind, from when it begins to when it is over."""

    def __init__(self, share: float, few: float) -> None:
        """Begins above this share of what happened, unless it is fewer than `few`."""
        self.since: float | None = None
        self.over_at: float | None = None  # the last one
        self._share = share
        self._few = few
        self._window = SlidingWindow()
        self._calm: float | None = None

    def note(self, now: float, *, late: bool, amount: float = 1.0) -> None:
        self._window.add(now, amount, late=late)

    def judge(self, now: float, pending: int = 0) -> None:
        """`pending`: what is too late already and has not happened yet."""
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
            self.since, self.over_at = None, now

    def lasts(self, now: float) -> float | None:
        """Until when, at a guess: as long again as it has lasted. None: there is none."""
        if self.since is None:
            return None
        return min(max(now - self.since, CALM_S), LONGEST_S)


class LoadMonitor:
    def __init__(self, tolerance: LoadThresholds | None = None) -> None:
        self._tolerance = tolerance or LoadThresholds()
        self.sound = OverloadSignal(0.01, 3)
        self.loop = OverloadSignal(0.1, WINDOW_S * 0.1)  # of seconds
        self.recognisers = OverloadSignal(0.1, 2)
        self._waiting: dict[object, float] = {}  # since when, first come first
        self._admitted: float | None = None
        self._judged = -1  # in which second, by the loop alone

    # What happened

    def wrote_sound(self, late_s: float, now: float) -> None:
        """A frame of sound; `late_s`: how long its listener had had nothing to hear by then."""
        self.sound.note(now, late=self._late(late_s))

    def ran(self, late_s: float, now: float, for_s: float) -> None:
        """The loop was `late_s` late, and that stands for the last `for_s` seconds."""
        self.loop.note(now, late=self._late(late_s), amount=for_s)
        # Who asks has it judged at that moment; between, when a strain begins or is over is
        # noticed up to a second later.
        if int(now) != self._judged:
            self._judged = int(now)
            self._judge(now)

    def joined(self, client_id: object, now: float) -> None:
        """An utterance waits for a recogniser."""
        self._waiting[client_id] = now

    def left(self, client_id: object, now: float) -> float:
        """It got one, or gave up. Returns how long it waited, in seconds."""
        waited = now - self._waiting.pop(client_id)
        self.recognisers.note(now, late=self._too_long(waited))
        return waited

    @property
    def waiting(self) -> int:
        """Utterances that wait for a recogniser now."""
        return len(self._waiting)

    # What follows

    def busy(self, now: float, *, needs_stt_worker: bool = True) -> int | None:
        """In how many seconds a new voice call may try again; None: it may come in.

        `hears`: it would need a recogniser of ours.
        """
        self._judge(now)
        asked = self._strains(needs_stt_worker)
        lasts = [left for strain in asked if (left := strain.lasts(now)) is not None]
        if lasts:
            return max(SHORTEST_S, math.ceil(max(lasts)))
        over = [strain.over_at for strain in asked if strain.over_at is not None]
        recovering = bool(over) and now - max(over) < RECOVERY_S
        if recovering and self._admitted is not None and now - self._admitted < STEP_S:
            return SHORTEST_S
        return None

    def admit(self, now: float, *, needs_stt_worker: bool = True) -> int | None:
        """As `busy`; who may come in has come in."""
        seconds = self.busy(now, needs_stt_worker=needs_stt_worker)
        if seconds is None:
            self._admitted = now
        return seconds

    def overloaded(self, now: float) -> dict[str, bool]:
        self._judge(now)
        names = {"sound": self.sound, "loop": self.loop, "recognisers": self.recognisers}
        return {name: strain.since is not None for name, strain in names.items()}

    def _judge(self, now: float) -> None:
        self.sound.judge(now)
        self.loop.judge(now)
        pending = (self._too_long(now - since) for since in self._waiting.values())
        self.recognisers.judge(now, _count(pending))

    def _strains(self, needs_stt_worker: bool) -> list[OverloadSignal]:
        return [self.sound, self.loop] + [self.recognisers] * needs_stt_worker

    def _late(self, seconds: float) -> bool:
        return 0 < self._tolerance.late_s < seconds

    def _too_long(self, seconds: float) -> bool:
        return 0 < self._tolerance.wait_s < seconds


def _count(them: Iterable[bool]) -> int:
    return sum(them)
