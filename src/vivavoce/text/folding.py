"""Fold text, so that two spellings of one word are equal."""

from __future__ import annotations

import re
import unicodedata

_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


def fold(text: str) -> str:
    """Lower case, without accents; apostrophes, dashes and digits in one spelling.

    Every digit of any script becomes an ASCII one. So what a pattern takes for digits is what
    `int` reads.
    """
    plain = text.replace("’", "'")
    if plain.isascii():
        return plain.lower()
    return _NOT_ASCII.sub(_plain, unicodedata.normalize("NFKD", plain).lower())


def _plain(match: re.Match[str]) -> str:
    """Return an ASCII digit for a digit, nothing for an accent, and otherwise the character."""
    c = match[0]
    if unicodedata.combining(c):
        return ""
    return str(unicodedata.digit(c)) if c.isdigit() else c
