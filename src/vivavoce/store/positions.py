"""Where an item stands among its neighbours, with room for others between them."""

from __future__ import annotations

STEP = 1024.0


def between(before: float | None, after: float | None) -> float | None:
    """A position between two others; None of them: at that end. None: there is no room left."""
    if after is None:
        return STEP if before is None else before + STEP
    if before is None:
        return after - STEP
    middle = (before + after) / 2
    return middle if before < middle < after else None
