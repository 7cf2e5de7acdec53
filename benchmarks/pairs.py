"""Compare the speed of two checkouts, by running them in turns.

`python -m benchmarks pairs OTHER [CALLS [PAIRS]]`. The speed of a shared machine varies by half
within minutes, so single runs of two versions cannot be compared. The ratio within a pair cancels
most of that. OTHER is a checkout of this project (`git worktree add --detach ../before TAG`) with
the same dependencies. Each checkout measures itself, with the interpreter and libraries of this
process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from .figures import NONE, number, table

HERE = Path(__file__).resolve().parent.parent
CYCLES = 2  # of a question, an interruption and a cancellation, per caller
WITHIN_S = 300  # for one run of a pair, which takes about 25 s


def once(checkout: Path, calls: int) -> dict[str, float]:
    sources = (checkout / "src", *checkout.glob("packages/*/src"), checkout)
    done = subprocess.run(
        [sys.executable, HERE / "benchmarks" / "once.py", str(calls), str(CYCLES)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sources))}, cwd=checkout,
        stdout=subprocess.PIPE, text=True, timeout=WITHIN_S, check=True,
    )  # fmt: skip
    found: dict[str, float] = json.loads(done.stdout)
    return found


def compared(befores: list[dict[str, float]], nows: list[dict[str, float]]) -> str:
    def rows() -> Iterator[list[str]]:
        for name in nows[0]:
            before, now = [b[name] for b in befores], [n[name] for n in nows]
            ratios = sorted(b / a for a, b in zip(before, now, strict=True) if a)
            yield [name, number(median(before)), number(median(now)), *_ratio(ratios)]

    return table(["medians", "before", "now", "now : before", "of single pairs"], rows())


def _ratio(ratios: list[float]) -> tuple[str, str]:
    if not ratios:
        return NONE, NONE
    return f"{median(ratios):.2f}", f"{ratios[0]:.2f} to {ratios[-1]:.2f}"


def main(other: str, calls: str = "4", pairs: str = "5") -> str:
    """Alternate the order of the checkouts: the first one of a pair finds a cooler machine."""
    befores: list[dict[str, float]] = []
    nows: list[dict[str, float]] = []
    for place in range(int(pairs)):
        print(f"  pair {place + 1} of {pairs}", file=sys.stderr, flush=True)
        order = [(Path(other).resolve(), befores), (HERE, nows)]
        for checkout, found in reversed(order) if place % 2 else order:
            found.append(once(checkout, int(calls)))
    return compared(befores, nows)
