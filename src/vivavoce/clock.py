"""The wall clock and the ids of this process. The pure packages get both as arguments."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime

from .core.ids import RANDOM_BYTES, new_id


def now() -> datetime:
    """Return the time in UTC."""
    return datetime.now(UTC)


def ids() -> Callable[[str], str]:
    """Return a function that makes a fresh id of a kind, such as `item_…`."""
    return lambda kind: new_id(kind, time.time(), secrets.token_bytes(RANDOM_BYTES))
