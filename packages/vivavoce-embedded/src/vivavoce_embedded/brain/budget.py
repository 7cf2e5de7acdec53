"""Count the work of one response, so that the same request always costs the same.

Tools come from clients, and so do texts. Each limit on one of their parts is small, but the parts
multiply: values by synonyms, by examples, by properties, by tools, by languages, by turns. What
looks through them pays for it here, and stops when nothing is left.
"""

from __future__ import annotations

STEPS = 70_000  # of about a microsecond each; 64 ordinary tools and a sentence take two thirds


class Spent(Exception):
    """Nothing is left. The brain passes over all that it has not read by now."""


class Budget:
    """Counts the steps of one response. A step is about one character looked at."""

    def __init__(self, steps: int = STEPS) -> None:
        self.left = steps

    def spend(self, steps: int) -> None:
        """Pay before the work is done. Raises `Spent`."""
        self.left -= steps
        if self.left < 0:
            raise Spent
