"""Where items stand, as numbers that leave room between them. Pure.

A conversation's order is known to the call; the store only needs numbers that sort the same way.
An item that comes between two others takes the middle, so that nothing else has to be written.
After some fifty insertions at one spot there is no number left between the neighbours: then, and
only then, all are numbered anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

STEP = 1024.0  # an exact power of two: halving it stays exact


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


def place(order: Sequence[str], known: Mapping[str, float]) -> dict[str, float]:
    """What must be written so that positions follow `order`: usually just the newcomers.

    `order` is every id of the conversation, once; `known` the positions that are stored. Returns
    the positions of ids that had none, or of all ids where there was no room (or the stored
    order was another one).
    """
    placed: dict[str, float] = {}
    before: float | None = None
    newcomers: list[str] = []
    for item_id in [*order, None]:
        if item_id is not None and item_id not in known:
            newcomers.append(item_id)
            continue
        after = None if item_id is None else known[item_id]
        if before is not None and after is not None and not before < after:
            return _anew(order)
        positions = _fill(len(newcomers), before, after)
        if positions is None:
            return _anew(order)
        placed.update(zip(newcomers, positions, strict=True))
        newcomers, before = [], after
    return placed


def _fill(count: int, before: float | None, after: float | None) -> list[float] | None:
    """`count` positions in a row between two neighbours, evenly where both exist."""
    if before is None and after is not None:
        positions = [after - STEP * (count - i) for i in range(count)]
    elif after is None:
        start = 0.0 if before is None else before
        positions = [start + STEP * (i + 1) for i in range(count)]
    else:
        assert before is not None
        share = (after - before) / (count + 1)
        positions = [before + share * (i + 1) for i in range(count)]
    line = [before, *positions, after]
    met = [position for position in line if position is not None]
    return positions if all(a < b for a, b in pairwise(met)) else None


def _anew(order: Sequence[str]) -> dict[str, float]:
    return {item_id: STEP * (i + 1) for i, item_id in enumerate(order)}
