"""The `type` of a frame, without decoding the frame.

A relay looks at every frame of a call and decodes few of them. All known peers write the type
first, or after the `event_id`. Any other frame is parsed, because a search could find the `type` of
an object inside it.
"""

from __future__ import annotations

import re

import msgspec

_first = re.compile(rb'\{"type":"([^"\\]+)"').match
_near_the_front = re.compile(
    rb'\s*\{\s*(?:"event_id"\s*:\s*"[^"\\]*"\s*,\s*)?"type"\s*:\s*"([^"\\]+)"'
).match


class _Typed(msgspec.Struct):
    type: str


_decode = msgspec.json.Decoder(_Typed).decode


def peek_type(data: bytes | bytearray | memoryview) -> bytes | None:
    """Return the `type` of a frame, which may be cut off. None: it is not visible."""
    if found := _first(data) or _near_the_front(data):
        return found[1]
    try:
        return _decode(data).type.encode()
    except (ValueError, RecursionError):
        return None
