"""Find the encoding of a text that another program saved.

A byte order mark decides, then UTF-8. For anything else charset-normalizer compares the encodings
that spreadsheets and editors of the last decades write.
"""

from __future__ import annotations

import codecs
from typing import NamedTuple

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
WESTERN = "cp1252"  # of Windows, for most languages of Western Europe
_LATIN = frozenset({"cp1250", "cp1254", "cp1257", "cp1258", "mac_roman", "mac_latin2", "latin_1",
                    "iso8859_2", "iso8859_4", "iso8859_9", "iso8859_10", "iso8859_13", "iso8859_14",
                    "iso8859_15", "iso8859_16", "cp437", "cp850", "cp852", "cp858"})  # fmt: skip
SAMPLE = 64 * 1024  # bytes that are compared
CLEAR = 200  # bytes outside ASCII, below which all encodings of the Latin alphabet look alike


class Decoded(NamedTuple):
    """A text, and the encoding that it had. `certain`: no other is possible."""

    text: str
    encoding: str
    certain: bool = True


def decode(data: bytes) -> Decoded:
    """Decode a text. U+FFFD stands for bytes without a meaning, so this never fails."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return Decoded(data.decode(encoding, "replace"), encoding.removesuffix("-sig"))
    if (wide := _wide(data)) is not None:
        return Decoded(data.decode(wide, "replace"), wide)
    try:
        return Decoded(data.decode(), "utf-8")
    except UnicodeDecodeError:
        encoding = _likely(data)
        return Decoded(data.decode(encoding, "replace"), encoding, certain=False)


def _wide(data: bytes) -> str | None:
    """Return UTF-16 for a text without a mark in which every second byte is NUL."""
    head = data[:400]
    if len(head) < 4 or b"\0" not in head:
        return None
    even, odd = head[::2].count(0), head[1::2].count(0)
    if max(even, odd) < 0.4 * len(head) / 2 or min(even, odd) > 0.1 * len(head) / 2:
        return None
    return "utf-16-be" if even > odd else "utf-16-le"


def _likely(data: bytes) -> str:
    from charset_normalizer import from_bytes  # most servers never read such a file

    sample = data[:SAMPLE]
    best = from_bytes(sample, enable_fallback=False).best()
    if best is None:
        return WESTERN
    foreign = sum(byte > 127 for byte in sample)
    return WESTERN if best.encoding in _LATIN and foreign < CLEAR else best.encoding
