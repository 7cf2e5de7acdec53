"""The `type` of a frame, without decoding the frame.

A relay looks at every frame of a call and opens few of them. Everybody we have met writes the type
first, or after the `event_id`; for anybody else the frame is parsed, because a search would find
the `type` of something inside it.
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
    """What a frame says it is, or None if that cannot be found out. The frame may be cut off."""
    if found := _first(data) or _near_the_front(data):
        return found[1]
    try:
        return _decode(data).type.encode()
    except (ValueError, RecursionError):
        return None
