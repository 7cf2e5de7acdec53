r"""Make text of other people, servers and files safe to print and to write into subtitles.

A terminal obeys some characters instead of showing them: escape sequences move the cursor, change
the title or write into the clipboard. Others are invisible or reverse the order of what stands
beside them. Here each such character becomes its escape (`\x1b`, `\u202e`), so that a reader sees
that it is there. A line break becomes a space, because text after it would look like a line of our
own. Joiners and variation selectors stay where Persian, Hindi and emoji need them.
"""

from __future__ import annotations

import unicodedata

_UNSAFE = ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp")  # categories
_SPACES = frozenset("\t\n\v\f\r\x1c\x1d\x1e\x1f\x85\u2028\u2029")
_JOINERS = "\u200c\u200d"
# Characters without ink in categories that have it otherwise: fillers and variation selectors.
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0").union(
    map(chr, range(0x180B, 0x1810)), map(chr, range(0xFE00, 0xFE10)),
    map(chr, range(0xE0100, 0xE01F0)),
)  # fmt: skip
_SELECTORS = "\ufe0e\ufe0f"  # text or emoji
_VIRAMA = 9  # the canonical combining class
_PICTURE = ("So", "Sk", "Sm", "Po", "Nd")  # categories that a selector follows


def printable(text: str, keep: str = "") -> str:
    """Return the text as one printable line. `keep`: characters to leave as they are."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        ch if ch in keep else _shown(ch, text[i - 1 : i], text[i + 1 : i + 2])
        for i, ch in enumerate(text)
    )


def printable_json(written: str) -> str:
    """Escape such characters in JSON. A program reads the same value from it."""
    if written.isascii() and "\x7f" not in written:  # the encoder has escaped other controls
        return written
    return "".join(ch if ch == "\n" or not _is_unsafe(ch) else _json_escape(ch) for ch in written)


def json_in_ascii(written: str) -> str:
    """Escape all characters of JSON that are not ASCII."""
    return "".join(ch if ch.isascii() else _json_escape(ch) for ch in written)


def _shown(ch: str, before: str, after: str) -> str:
    if ch in _SPACES:
        return " "
    if not _is_unsafe(ch) or _is_needed(ch, before, after):
        return ch
    return ch.encode("unicode_escape").decode()


def _is_unsafe(ch: str) -> bool:
    return ch in _INVISIBLE or unicodedata.category(ch) in _UNSAFE


def _is_needed(ch: str, before: str, after: str) -> bool:
    """Return whether spelling needs this invisible character between these two."""
    if not before:
        return False
    if ch in _SELECTORS:
        return unicodedata.category(before) in _PICTURE
    if ch not in _JOINERS or not after:
        return False
    if unicodedata.combining(before) == _VIRAMA:
        return True
    if ch == "\u200d" and unicodedata.category(after) == "So":
        return unicodedata.category(before) in ("So", "Sk") or before in _SELECTORS
    return unicodedata.bidirectional(before) == unicodedata.bidirectional(after) == "AL"


def _json_escape(ch: str) -> str:
    units = ch.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
