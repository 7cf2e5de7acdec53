"""Measure what a user hears while tools run, and each silence, for both machines."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from itertools import count

from vivavoce.core.tool_speech import GAPS_S

MOST_S = 1.2  # of silence after the user's turn
SLACK_S = 1e-6


class VirtualTime:
    """Keeps the events to come, in the order of time."""

    def __init__(self) -> None:
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()

    def new_id(self) -> str:
        return f"c{next(self._numbers)}"

    def at(self, time: float, do: Callable[[], None]) -> None:
        heapq.heappush(self._events, (time, next(self._numbers), do))

    @property
    def next(self) -> float:
        return self._events[0][0] if self._events else float("inf")

    def due(self, now: float) -> Callable[[], None] | None:
        """Return the next thing that happens until now."""
        return heapq.heappop(self._events)[2] if self.next <= now + 1e-9 else None


def tool_seconds(dice: random.Random) -> float:
    """Choose how long a tool takes: mostly up to 10 s, sometimes longer."""
    return dice.choice([dice.uniform(0, 1), dice.uniform(0, 10), dice.uniform(0, 10), 35])


class Listening:
    """Measures each silence, and refuses a filler that comes too early or over a voice."""

    def __init__(self) -> None:
        self.playhead = 0.0  # when the client has played what it received
        self.stopped_at: float | None = None  # end of the user's turn, until something is heard
        self.speaking = False
        self.silences: list[float] = []  # after turns
        self.gaps: list[float] = []  # between the words of tools that go on
        self._running: set[str] = set()
        self._words = 0  # since the tools began
        self._most = MOST_S  # of the silence now
        self._since = 0.0

    def turn(self) -> None:
        self.stopped_at = None

    def begin(self, tool_call_id: str) -> None:
        self._running.add(tool_call_id)
        self._words, self._most = 0, MOST_S

    def end(self, tool_call_id: str, now: float) -> None:
        if tool_call_id in self._running:
            self._measure(now)
            self._running.discard(tool_call_id)

    def user_starts(self, now: float) -> None:
        self._measure(now)
        self.speaking = True
        self.playhead = min(self.playhead, now)

    def user_stops(self, now: float) -> None:
        self.speaking = False
        self.stopped_at = self._since = now

    def filler_asked(self, now: float) -> None:
        """Note that the words of a tool, or a filler, are requested."""
        assert self._running, "no filler where the results came first"
        assert not self.speaking
        assert self.playhead <= now + 0.001, "two voices at once"
        if self.stopped_at is not None:
            assert now - self.stopped_at >= 0.9 - SLACK_S, "no filler before 0.9 s"
        if self._words:
            gap = GAPS_S[min(self._words, len(GAPS_S)) - 1]
            assert now - self._since >= gap - 0.2 - SLACK_S, "the gaps grow"
        self._words += 1

    def voice(self, now: float, seconds: float) -> None:
        begins = max(self.playhead, now)
        if self.stopped_at is not None:
            self.silences.append(begins - self.stopped_at)
            self.stopped_at = None
        self._measure(begins)
        self._most = GAPS_S[min(self._words, len(GAPS_S)) - 1] if self._words else MOST_S
        self.playhead = self._since = begins + seconds

    def _measure(self, now: float) -> None:
        """Check the silence that ends now. One without a tool is the user's."""
        if self._running and not self.speaking and now > self._since:
            self.gaps.append(now - self._since)
            assert now - self._since <= self._most + SLACK_S, "nobody said that it goes on"

    def check(self) -> None:
        assert len(self.silences) > 25
        assert max(self.silences) <= MOST_S + SLACK_S
        assert max(self.gaps) > 4, "long tools were among them"
