r"""Finds half of a surrogate pair in JSON, and repairs text that has one.

JSON can spell `\ud800`, which is not a character: neither an event nor the store can hold it. The
strict decoder says only that it is there. Python's decoder accepts it, so it can be searched for.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from .base import EVENT_ID
from .validation_errors import shorten

_ESCAPED = re.compile(rb"\\u[dD][89a-fA-F]")
_HALF = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class HalfPair:
    path: str  # of the string
    event_id: str | None  # of the event


def whole_text(text: str) -> str:
    """Return plain text that every encoding of Unicode can carry.

    A surrogate pair becomes its character, and half a pair U+FFFD. A subclass of `str`, which no
    encoder takes, becomes a `str`. Text that needs no repair is returned as the same object.
    """
    plain = str.__str__(text)  # the same object, unless it is of a subclass
    if plain.isascii() or not _HALF.search(plain):
        return plain
    return plain.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def half_pair(data: bytes | bytearray | memoryview | str) -> HalfPair | None:
    """Return where the first half of a pair is. None: there is none, or the data is not JSON."""
    text = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else bytes(data)
    if not _ESCAPED.search(text):
        return None
    try:
        event = json.loads(text)
    except (ValueError, RecursionError):
        return None
    path = _find(event)
    if path is None:
        return None
    event_id = event.get("event_id") if isinstance(event, dict) else None
    named = isinstance(event_id, str) and len(event_id) <= EVENT_ID and not _HALF.search(event_id)
    return HalfPair(path, event_id if named else None)


def _find(event: object) -> str | None:
    """Return the path of the first string with half a pair, or of the object with such a key."""
    waiting: list[tuple[_Place, object]] = [(_Place(None, ""), event)]
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, str) and _HALF.search(value):
            return place.path
        if isinstance(value, dict):
            if any(_HALF.search(key) for key in value):
                return place.path
            waiting += [(_Place(place, f".{k}"), inner) for k, inner in reversed(value.items())]
        elif isinstance(value, list):
            waiting += [(_Place(place, f"[{i}]"), value[i]) for i in range(len(value) - 1, -1, -1)]
    return None


@dataclass(frozen=True, slots=True)
class _Place:
    """A place in a JSON value. Its path is made once: long keys may have many values."""

    parent: _Place | None
    step: str

    @property
    def path(self) -> str:
        steps, place = [self.step], self.parent
        while place is not None:
            steps.append(place.step)
            place = place.parent
        return shorten("".join(reversed(steps)).lstrip("."))
