"""Turn measurements into tables. This module is pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

NONE = "–"


@dataclass(frozen=True)
class Target:
    """A target that is met at or below this value."""

    median: float
    p95: float | None = None

    def __str__(self) -> str:
        return f"≤ {self.median:g}" + (f" / {self.p95:g}" if self.p95 is not None else "")


def p95(values: Sequence[float]) -> float:
    """Return the smallest value that 95 % do not exceed; of few values, the largest."""
    return sorted(values)[math.ceil(len(values) * 0.95) - 1]


def figure(values: Sequence[float]) -> str:
    """Format median and p95, or a single value."""
    if not values:
        return NONE
    if len(values) == 1:
        return number(values[0])
    return f"{number(median(values))} / {number(p95(values))}"


def number(value: float) -> str:
    """Format with one decimal below 20: the measurements are not more exact."""
    return f"{value:.0f}" if abs(value) >= 20 else f"{value:.1f}"


def verdict(values: Sequence[float], target: Target | None) -> str:
    if target is None or not values:
        return ""
    good = median(values) <= target.median and (target.p95 is None or p95(values) <= target.p95)
    return "yes" if good else "**no**"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Format a Markdown table. All columns except the first are numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def marks(name: str) -> tuple[str, str]:
    return f"<!-- {name}: begin -->", f"<!-- {name}: end -->"


def between(text: str, made: str, name: str = "benchmark") -> str:
    """Replace the text between two markers. Raises `ValueError` if they are missing."""
    first, last = marks(name)
    before, begin, rest = text.partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise ValueError(f"there is no {first} … {last} to write between")
    return f"{before}{first}\n\n{made.strip()}\n\n{last}{after}"
