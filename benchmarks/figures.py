"""Many measurements become a table. Pure: nothing here measures anything."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

NONE = "–"


@dataclass(frozen=True)
class Target:
    """Good is at or below this."""

    median: float
    p95: float | None = None

    def __str__(self) -> str:
        return f"≤ {self.median:g}" + (f" / {self.p95:g}" if self.p95 is not None else "")


def p95(values: Sequence[float]) -> float:
    """The smallest value that 95 of 100 do not exceed. Of few values, the largest."""
    return sorted(values)[math.ceil(len(values) * 0.95) - 1]


def figure(values: Sequence[float]) -> str:
    """Median and p95; one value stands for itself."""
    if not values:
        return NONE
    if len(values) == 1:
        return number(values[0])
    return f"{number(median(values))} / {number(p95(values))}"


def number(value: float) -> str:
    """Three digits are more than we know."""
    return f"{value:.0f}" if abs(value) >= 20 else f"{value:.1f}"


def verdict(values: Sequence[float], target: Target | None) -> str:
    if target is None or not values:
        return ""
    good = median(values) <= target.median and (target.p95 is None or p95(values) <= target.p95)
    return "yes" if good else "**no**"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """In Markdown; all columns but the first are numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def marks(name: str) -> tuple[str, str]:
    return f"<!-- {name}: begin -->", f"<!-- {name}: end -->"


def between(text: str, made: str, name: str = "benchmark") -> str:
    """The text with what is between its markers replaced. Raises `ValueError` without them."""
    first, last = marks(name)
    before, begin, rest = text.partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise ValueError(f"there is no {first} … {last} to write between")
    return f"{before}{first}\n\n{made.strip()}\n\n{last}{after}"
