"""Spoken numbers as digits, from zero to 999,999, in three languages."""

from __future__ import annotations

import re

_UNITS = {
    "en": "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen",
    "it": "zero uno due tre quattro cinque sei sette otto nove dieci undici dodici tredici "
    "quattordici quindici sedici diciassette diciotto diciannove",
    "es": "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce "
    "quince dieciseis diecisiete dieciocho diecinueve",
}
_TENS = {
    "en": "twenty thirty forty fifty sixty seventy eighty ninety",
    "it": "venti trenta quaranta cinquanta sessanta settanta ottanta novanta",
    "es": "veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa",
}
_HUNDRED = {"en": ("hundred",), "it": ("cento",), "es": ("cien", "ciento", "cientos", "cientas")}
_THOUSAND = {"en": ("thousand",), "it": ("mila", "mille"), "es": ("mil",)}
_AND = {"en": "and", "it": "e", "es": "y"}
_TOKEN = re.compile(r"\S+")


def _tables() -> dict[str, dict[str, int]]:
    tables = {}
    for language, units in _UNITS.items():
        table = {word: value for value, word in enumerate(units.split())}
        tens = {word: 20 + 10 * i for i, word in enumerate(_TENS[language].split())}
        small = list(table.items())[1:10]
        for ten, value in tens.items():
            for unit, more in small:
                if language == "it":
                    table[(ten[:-1] if unit in ("uno", "otto") else ten) + unit] = value + more
                elif language == "es" and value == 20:
                    table[f"veinti{unit}"] = value + more
                elif language == "en":
                    table[f"{ten}-{unit}"] = value + more
        table |= tens
        if language == "it":
            table |= {f"{unit}cento": 100 * value for unit, value in small[1:]}
            table |= {f"{unit}mila": 1000 * value for unit, value in [*small[1:], ("dieci", 10)]}
        if language == "es":
            table |= {f"{unit}cientos": 100 * value for unit, value in small[1:]}
            table |= {"quinientos": 500, "setecientos": 700, "novecientos": 900}
            table |= {"veintiun": 21}
        tables[language] = table
    return tables


_VALUES = _tables()
_ARTICLES = {"un", "una", "uno"}  # they count only where a number is expected
_NUMBER_WORDS = {
    language: frozenset({*table, *_HUNDRED[language], *_THOUSAND[language], *_ARTICLES})
    for language, table in _VALUES.items()
}


def digits(folded: str, language: str) -> str:
    """Replace each spoken number by one token of digits; "nine thirty" stays two."""
    said: list[str] = []
    open_ = False  # does the last token still grow?
    words = _TOKEN.findall(folded.replace("all'una", "alle 1"))
    if _NUMBER_WORDS[language].isdisjoint(words):
        return " ".join(words)
    for position, word in enumerate(words):
        value = _VALUES[language].get(word)
        if word in _ARTICLES and not open_:
            value = 1 if said[-2:] == ["a", "la"] else None  # "a la una" is a time
        following = words[position + 1] if position + 1 < len(words) else ""
        if word == _AND[language] and open_ and _continues(said[-1], following, language):
            continue
        if open_ and (grown := _grow(int(said[-1]), word, value, language)) is not None:
            said[-1] = str(grown)
        elif value is not None:
            said.append(str(value))
            open_ = True
        elif word in (*_HUNDRED[language], *_THOUSAND[language]) and word != "mila":
            said.append("1000" if word in _THOUSAND[language] else "100")
            open_ = True
        else:
            said.append(word)
            open_ = False
    return " ".join(said)


def _continues(number: str, following: str, language: str) -> bool:
    """Return whether "and" is inside a number: hundred and five, treinta y cinco."""
    value = _VALUES[language].get(following)
    if value is None:
        return False
    whole = int(number)
    if language == "es":
        return whole % 10 == 0 and whole % 100 > 20 and value < 10
    return whole >= 100 and whole % 100 == 0 and value < 100


def _grow(number: int, word: str, value: int | None, language: str) -> int | None:
    if value is None:
        if word in _HUNDRED[language] and 0 < number % 1000 < 10:
            return number * 100
        if word in _THOUSAND[language] and 0 < number < 1000:
            return number * 1000
        return None
    if number >= 1000 and number % 1000 == 0 and value < 1000:
        return number + value
    if number >= 100 and number % 100 == 0 and value < 100:
        return number + value
    if number >= 20 and number % 100 >= 20 and number % 10 == 0 and 0 < value < 10:
        # "veinte cinco" is not Spanish: there an "y" stands between, and only from thirty on.
        return number + value
    return None
