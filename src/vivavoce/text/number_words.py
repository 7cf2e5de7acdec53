"""Write numbers as words, by the spell-out rules of Unicode's CLDR (`unicode-rbnf`)."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from unicode_rbnf import RbnfEngine

MOST_DIGITS = 15  # of a number; more digits are spelled one by one
Form = Literal["plain", "masculine", "feminine"]

_CARDINALS: dict[tuple[str, Form], str] = {
    ("it", "feminine"): "spellout-cardinal-feminine",
    ("es", "masculine"): "spellout-cardinal-masculine",
    ("es", "feminine"): "spellout-cardinal-feminine",
}
_ORDINALS: dict[tuple[str, Form], str] = {
    ("it", "plain"): "spellout-ordinal-masculine",
    ("it", "feminine"): "spellout-ordinal-feminine",
    ("es", "plain"): "spellout-ordinal-masculine",
    ("es", "feminine"): "spellout-ordinal-feminine",
}


def cardinal(number: int, language: str, form: Form = "plain") -> str:
    """Return "twenty-one". `form`: the gender of the noun that follows, where it matters."""
    if (language, form, number) == ("it", "masculine", 1):
        return "un"
    if (language, form) == ("it", "feminine") and number != 1:
        form = "plain"
    return _words(number, language, "CARDINAL", _CARDINALS.get((language, form)))


def ordinal(number: int, language: str, form: Form = "plain") -> str:
    return _words(number, language, "ORDINAL", _ORDINALS.get((language, form)))


def year(number: int, language: str) -> str:
    return _words(number, language, "YEAR", None)


def digits(text: str, language: str) -> str:
    """Return the digits of a text one by one: "three two one"."""
    return " ".join(cardinal(int(digit), language) for digit in text if digit.isdecimal())


def _words(number: int, language: str, purpose: str, rules: str | None) -> str:
    from unicode_rbnf import FormatPurpose

    result = _engine(language).format_number(number, purpose=FormatPurpose[purpose])
    words = result.text_by_ruleset.get(rules, result.text) if rules else result.text
    return words.replace("\u00ad", "")


@cache
def _engine(language: str) -> RbnfEngine:
    from unicode_rbnf import RbnfEngine

    return RbnfEngine.for_language(language)
