"""Find programs that some tests run beside the server (`make test-long` fetches them)."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

_UNPACKED = Path(__file__).parents[2] / ".setup/programs"
_FOLDERS = ("/usr/sbin", str(_UNPACKED / "usr/sbin"), str(_UNPACKED / "usr/bin"))


def libraries() -> dict[str, str]:
    """Return the environment in which unpacked programs find their libraries."""
    folders = sorted(map(str, (_UNPACKED / "usr/lib").glob("*-linux-gnu")))
    return {"LD_LIBRARY_PATH": os.pathsep.join(folders)} if folders else {}


def find(name: str) -> str | None:
    """Return the program's path. None: neither installed nor unpacked here."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *_FOLDERS]))
