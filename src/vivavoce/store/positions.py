"""Where items stand, as numbers that leave room between them. Pure.

A conversation's order is known to the call; the store only needs numbers that sort the same way.
An item that comes between two others takes the middle, so that nothing else has to be written.
After some fifty insertions at one spot there is no number left between the neighbours: then, and
only then, the items around that spot get new numbers. The fewer the better: each of them is a row
to write, and a conversation has up to ten thousand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

STEP = 1024.0  # an exact power of two: halving it stays exact
REACH = 8  # the minimum of items on either side that get new numbers
NEAR = 2.0**-16  # how far apart those stand afterwards, for each one that there is of them


def between(before: float | None, after: float | None) -> float | None:
    """A position after `before` and before `after`; either may be missing. None: no room."""
    if before is None and after is None:
        return STEP
    if before is None:
        assert after is not None
        return after - STEP
    if after is None:
        return before + STEP
    middle = before + (after - before) / 2
    return middle if before < middle < after else None


def make_room(order: Sequence[str], known: Mapping[str, float], newcomer: str) -> dict[str, float]:
    """The positions of an item that found no room, and of the neighbours that make it some.

    `order` is every id of the conversation, once; `known` has the positions of all but the
    newcomer. A wider and wider stretch is looked at, until its items can stand far enough apart:
    the more of them, the farther, so that a wide one is rarely needed again.
    """
    where, reach = order.index(newcomer), REACH
    while True:
        first, end = max(where - reach, 0), min(where + reach + 1, len(order))
        before = known[order[first - 1]] if first else None
        after = known[order[end]] if end < len(order) else None
        if positions := _spread(end - first, before, after):
            return dict(zip(order[first:end], positions, strict=True))
        reach *= 2


def _spread(count: int, before: float | None, after: float | None) -> list[float] | None:
    """`count` positions between two neighbours, evenly where both exist. None: too near."""
    if before is None and after is not None:
        positions = [after - STEP * (count - i) for i in range(count)]
    elif after is None:
        start = 0.0 if before is None else before
        positions = [start + STEP * (i + 1) for i in range(count)]
    else:
        assert before is not None
        share = (after - before) / (count + 1)
        if share < NEAR * count:
            return None
        positions = [before + share * (i + 1) for i in range(count)]
    met = [position for position in (before, *positions, after) if position is not None]
    return positions if all(a < b for a, b in pairwise(met)) else None
