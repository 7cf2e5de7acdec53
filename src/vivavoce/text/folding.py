"""Fold text, so that two spellings of one word are equal."""

from __future__ import annotations

import unicodedata


def fold(text: str) -> str:
    """Lower case, without accents; apostrophes, dashes and digits in one spelling.

    Every digit of any script becomes an ASCII one. So what a pattern takes for digits is what
    `int` reads.
    """
    plain = text.replace("’", "'")
    if plain.isascii():
        return plain.lower()
    decomposed = unicodedata.normalize("NFKD", plain).lower()
    return "".join(_ascii_digit(c) for c in decomposed if not unicodedata.combining(c))


def _ascii_digit(c: str) -> str:
    return str(unicodedata.digit(c)) if c.isdigit() else c
