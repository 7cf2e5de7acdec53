"""How to run a module of this package in a process of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]  # where `vivavoce` is imported from


def command(module: str, *arguments: str) -> list[str]:
    """`-P`: what lies in the current folder is not ours to import."""
    return [sys.executable, "-P", "-m", module, *arguments]


def environment() -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
