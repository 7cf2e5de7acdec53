"""Fold text, so that two spellings of one word are equal."""

from __future__ import annotations

import unicodedata

REMEMBERED = 4096  # characters whose spelling is known


def fold(text: str) -> str:
    """Lower case, without accents; apostrophes, dashes and digits in one spelling.

    Every digit of any script becomes an ASCII one. So what a pattern takes for digits is what
    `int` reads.
    """
    plain = text.replace("’", "'")
    if plain.isascii():
        return plain.lower()
    return unicodedata.normalize("NFKD", plain).lower().translate(_SPELLINGS)


class _Spellings(dict[int, str]):
    """Spell a character: a digit as an ASCII one, an accent as nothing, others as they are."""

    def __missing__(self, code: int) -> str:
        if len(self) >= REMEMBERED:
            self.clear()
        c = chr(code)
        digit = str(unicodedata.digit(c)) if c.isdigit() else c
        self[code] = spelling = "" if unicodedata.combining(c) else digit
        return spelling


_SPELLINGS = _Spellings()
