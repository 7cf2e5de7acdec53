"""How many objects a frame holds and how deep they lie, seen in its bytes.

Decoded objects are dear: 14 MiB of `{},` are five million of them, and seconds of everybody's time.
So a frame is judged by what is left of it when only the brackets outside of its strings stay.
Costs some 60 ms for 14 MiB, at worst 150 (a frame of nothing but escapes).
"""

from __future__ import annotations

OBJECTS = 100_000  # and arrays, in one frame; the largest of honest sessions have a few thousand
DEPTH = 64  # of them within each other; what we could not say back we do not accept

_ALIKE = bytes.maketrans(b"{}", b"[]")
_OTHERS = bytes(set(range(256)) - set(b'{}[]"'))


def crowded(data: bytes | bytearray | memoryview | str) -> bool:
    """Does it hold more than `OBJECTS`? Costs nothing for a frame that is too short to."""
    return len(data) > 2 * OBJECTS and _crowded(_bytes(data))


def _crowded(data: bytes) -> bool:
    return _opened(data) > OBJECTS and _outside(data).count(b"[") > OBJECTS


def deep(data: bytes | bytearray | memoryview | str) -> bool:
    """Do more than `DEPTH` lie within each other? Of valid JSON that is not `crowded`."""
    data = _bytes(data)
    if _opened(data) <= DEPTH:
        return False
    left = _outside(data)
    for _ in range(DEPTH):
        left = left.replace(b"[]", b"")
    return bool(left)


def _bytes(data: bytes | bytearray | memoryview | str) -> bytes:
    return data.encode("utf-8", "replace") if isinstance(data, str) else bytes(data)


def _opened(data: bytes) -> int:
    """How many it has at most: some may stand in strings."""
    return data.count(b"{") + data.count(b"[")


def _outside(data: bytes) -> bytes:
    """The brackets that are in no string, all of them as square ones."""
    if b"\\" in data:
        data = data.replace(rb"\\", b"").replace(rb"\"", b"")
    marks = data.translate(_ALIKE, _OTHERS)
    marks = marks.replace(b'""', b"")  # an empty string, or two that touch: which is one
    if marks.count(b'"') > 4 * OBJECTS + 2:  # between any two strings that are left is a bracket
        return b"[" * (OBJECTS + 1)
    return b"".join(marks.split(b'"')[::2])
