"""A noise gate: ignores voices that are much softer than the user's.

The speech model also detects speech of a television. The user is nearer to the microphone. So the
gate closes for frames that lie `gate_db` or more below the mean level of the user's last three
turns. It is open until the first turn has ended, and always if no levels are measured.
"""

from __future__ import annotations

import math
from collections import deque

TURNS = 3
SHORTEST_FRAMES = 8  # a shorter turn (a cough) does not tell the level of a voice


class LevelGate:
    def __init__(self, gate_db: float = 0.0) -> None:
        """`gate_db`: how far below. 0: every frame passes."""
        self._gate_db = gate_db
        self._turns: deque[float] = deque(maxlen=TURNS)  # the level of each, dBFS
        self._power = 0.0
        self._frames = 0

    def passes(self, level: float) -> bool:
        """Return True if a frame of this level may be the user's voice."""
        if not self._gate_db or not self._turns:
            return True
        return level > sum(self._turns) / len(self._turns) - self._gate_db

    def measure(self, level: float) -> None:
        """Add a frame of speech to the current turn. Loud frames weigh most."""
        self._power += 10 ** (level / 10)
        self._frames += 1

    def adapt(self) -> None:
        """End the current turn, and adapt to its level."""
        if self._frames >= SHORTEST_FRAMES and self._power:
            self._turns.append(10 * math.log10(self._power / self._frames))
        self.forget()

    def forget(self) -> None:
        """Discard the current turn."""
        self._power, self._frames = 0.0, 0
