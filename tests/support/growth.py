"""Measure how the work for an input grows with its size, in processor time."""

from __future__ import annotations

import time
from collections.abc import Callable

LINEAR = 9.0  # 4 would be exact, 16 is quadratic
SAME = 2.5  # 1 would be exact


def growth(work: Callable[[int], object], size: int) -> float:
    """Return the best ratio of several runs: the time for four times the size to that for one."""
    small, large = (min(_took(work, n) for _ in range(4)) for n in (size, 4 * size))
    return large / max(small, 1e-4)


def _took(work: Callable[[int], object], size: int) -> float:
    began = time.process_time()
    work(size)
    return time.process_time() - began
