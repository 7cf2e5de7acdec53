"""Compute the positions of items as numbers with room between them. Pure.

The call knows the order of its conversation, and the store needs numbers that sort the same way.
An item between two others gets the middle, so that no other row changes. After about fifty
insertions at one spot, no number is left between the neighbours. Only then the items around that
spot get new numbers. Each of them is a row to write, and a conversation has up to 10,000 items.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

STEP = 1024.0  # a power of two, so that halves are exact
REACH = 8  # items on either side that get new numbers, the minimum
MIN_GAP = 2.0**-16  # between two new numbers, times the number of items that get one


def between(before: float | None, after: float | None) -> float | None:
    """Return a position between two others, of which either may be missing. None: no room."""
    if before is None and after is None:
        return STEP
    if before is None:
        assert after is not None
        return after - STEP
    if after is None:
        return before + STEP
    middle = before + (after - before) / 2
    return middle if before < middle < after else None


def make_room(order: Sequence[str], known: Mapping[str, float], new_id: str) -> dict[str, float]:
    """Return new positions for an item without room, and for the neighbours that make room.

    `order` contains every id of the conversation, and `known` the positions of all items but the
    new one. The range doubles until its items fit with enough room between them. More items need
    more room each, so that a wide range is rarely needed again.
    """
    where, reach = order.index(new_id), REACH
    while True:
        first, end = max(where - reach, 0), min(where + reach + 1, len(order))
        before = known[order[first - 1]] if first else None
        after = known[order[end]] if end < len(order) else None
        if positions := _spread(end - first, before, after):
            return dict(zip(order[first:end], positions, strict=True))
        reach *= 2


def _spread(count: int, before: float | None, after: float | None) -> list[float] | None:
    """Return `count` positions between two neighbours. None: the neighbours are too close."""
    if before is None and after is not None:
        positions = [after - STEP * (count - i) for i in range(count)]
    elif after is None:
        start = 0.0 if before is None else before
        positions = [start + STEP * (i + 1) for i in range(count)]
    else:
        assert before is not None
        share = (after - before) / (count + 1)
        if share < MIN_GAP * count:
            return None
        positions = [before + share * (i + 1) for i in range(count)]
    sequence = [position for position in (before, *positions, after) if position is not None]
    return positions if all(a < b for a, b in pairwise(sequence)) else None
