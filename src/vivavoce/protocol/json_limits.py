"""Measure how much a frame holds and how deeply it nests, from its bytes.

Decoding is expensive: 14 MiB of `{},` are five million objects, which block the loop for seconds.
A million keys cost as much, and so do numbers of some thousand digits. So a frame is judged by what
stands outside of its strings. Costs some 20 ms for 15 MiB, at worst 100 (escapes among commas).
"""

from __future__ import annotations

from itertools import accumulate

OBJECTS = 50_000  # and arrays, in one frame; the largest of honest sessions have a few thousand
VALUES = 100_000  # of all kinds in one frame, counted by its commas
DIGITS = 2**20  # of all numbers in one frame; to read a number is quadratic in its digits
FEW = 1_000  # numbers of 4,000 digits: those are read in 90 ms
DEPTH = 64  # of them within each other; what we could not say back we do not accept

_STEPS = {ord("{"): 1, ord("["): 1, ord("}"): -1, ord("]"): -1}
_OTHERS = bytes(set(range(256)) - set(b"{}[]"))
_NO_DIGITS = bytes(set(range(256)) - set(b"0123456789"))


def crowded(data: bytes | bytearray | memoryview | str) -> bool:
    """Return whether a frame holds more than the server decodes. A short frame costs nothing."""
    return len(data) > 2 * min(OBJECTS, VALUES) and _crowded(_bytes(data))


def _crowded(data: bytes) -> bool:
    opened = data.count(b"{") + data.count(b"[")  # some of them may stand in strings
    if opened <= OBJECTS and data.count(b",") <= min(FEW, VALUES):
        return False
    if b"\\" in data:
        data = _unescaped(data)
    if data.count(b'"') > 4 * (VALUES + 1):  # a value has one string at most beside its own: a key
        return True
    outside = b"".join(data.split(b'"')[::2])
    return (
        outside.count(b",") > VALUES
        or outside.count(b"{") + outside.count(b"[") > OBJECTS
        or (len(outside) > DIGITS and len(outside.translate(None, _NO_DIGITS)) > DIGITS)
    )


def deep(data: bytes | bytearray | memoryview | str) -> bool:
    """Return whether more than `DEPTH` levels are nested, in valid JSON that is not `crowded`."""
    data = _bytes(data)
    if data.count(b"{") + data.count(b"[") <= DEPTH:  # some of them may stand in strings
        return False
    outside = b"".join(_unescaped(data).split(b'"')[::2])
    steps = map(_STEPS.__getitem__, outside.translate(None, _OTHERS))
    return max(accumulate(steps), default=0) > DEPTH


def _bytes(data: bytes | bytearray | memoryview | str) -> bytes:
    return data.encode("utf-8", "replace") if isinstance(data, str) else bytes(data)


def _unescaped(data: bytes) -> bytes:
    """Drop escapes that do not end a string, and backslashes that do not escape a quote."""
    return data.replace(rb"\\", b"").replace(rb"\"", b"")
