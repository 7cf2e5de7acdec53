"""Whose voice is it? What is much softer than the talker has been is somebody else's.

A speech model finds speech in a television too. The talker is nearer to the microphone: the gate
shuts out what lies `gate_db` or more below the running level of their last three turns. Until the
first turn has been heard it is open, and so it is when nobody measures levels.
"""

from __future__ import annotations

import math
from collections import deque

TURNS = 3
SHORTEST_FRAMES = 8  # a cough tells nothing about a voice


class LevelGate:
    def __init__(self, gate_db: float = 0.0) -> None:
        """`gate_db`: how far below; 0 lets everything pass."""
        self._gate_db = gate_db
        self._turns: deque[float] = deque(maxlen=TURNS)  # the level of each, dBFS
        self._power = 0.0
        self._frames = 0

    def passes(self, level: float) -> bool:
        """May a frame of this level be the talker?"""
        if not self._gate_db or not self._turns:
            return True
        return level > sum(self._turns) / len(self._turns) - self._gate_db

    def measure(self, level: float) -> None:
        """A frame of the talker's turn that was speech. Loud ones weigh most, pauses nothing."""
        self._power += 10 ** (level / 10)
        self._frames += 1

    def adapt(self) -> None:
        """The turn is over, and was the talker's."""
        if self._frames >= SHORTEST_FRAMES and self._power:
            self._turns.append(10 * math.log10(self._power / self._frames))
        self.forget()

    def forget(self) -> None:
        """The turn was thrown away."""
        self._power, self._frames = 0.0, 0
