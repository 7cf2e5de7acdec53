"""The value of one of a tool's parameters, found in what somebody said.

A parameter is JSON Schema with three words of our own: `x-synonyms` (other words for the values
of an enum), `x-after` (words that stand before a free text) and `x-ask` (the question for it). Each
may be a table by language. Schemas come from clients: whatever is odd in them is passed over.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from functools import lru_cache

from rapidfuzz import fuzz

from ....knowledge.words import fold
from . import phrases
from .dates import Found, find_date, find_time
from .utterance import Utterance

Schema = Mapping[str, object]

ALIKE = 88  # ratio (0 to 100) from which a misheard value of an enum counts
VALUES, WORDS_BEFORE = 500, 20  # of an enum, of `x-after`; more are passed over
PATTERN_CHARACTERS, PATTERN_WORDS = 200, 5  # of a pattern, and of what it may fit
CANDIDATE_CHARACTERS, CANDIDATE_WORDS = 64, 30
TRIALS = 8192

_EMAIL = re.compile(
    r"\b[\w.+-]+ ?(?:@| at | chiocciola | arroba ) ?[\w-]+(?: ?(?:\.| dot | punto ) ?[\w-]+)+"
)
_NUMBER = re.compile(r"(?<![\w:.-])-?\d+(?:\.\d+)?(?![:\d])")
_ONE = re.compile(r"\b(one|a|an|un|una|uno|single|solo|sola)\b")
_BEFORE = {
    "en": ("called", "named", "about", "in", "for", "to", "at", "from", "of", "with"),
    "it": ("chiamato", "chiamata", "su", "a", "in", "per", "da", "di", "con"),
    "es": ("llamado", "llamada", "sobre", "en", "para", "a", "desde", "de", "con"),
}
_ENDS = (
    r"(?= (?:for|on|at|in|per|il|alle|para|el|a las|please|today|tomorrow|tonight|now|oggi|domani|"
    r"adesso|hoy|manana|ahora|por favor)\b|$)"
)
_LEAD = re.compile(
    r"^(?:(?:it is|it's|its|it s|i am|i'm|my name is|the name is|call me|e|sono|mi chiamo|il mio "
    r"nome e|es|soy|me llamo|mi nombre es|to|in|for|at|the|a|per|en|para|please) )+"
)
_ARTICLE = re.compile(r"^(?:the|a|an|il|lo|la|i|gli|le|l'|el|los|las|un|una|uno) ?(?=\w)")


def plain(schema: object) -> Schema:
    """A parameter's schema without the wrapping of optional ones; {} if it is none."""
    if not isinstance(schema, dict):
        return {}
    for key in ("anyOf", "oneOf"):
        if isinstance(options := schema.get(key), list):
            real = [o for o in options if isinstance(o, dict) and o.get("type") != "null"]
            return {**schema, **plain(real[0])} if real else schema
    kind = schema.get("type")
    if isinstance(kind, list):
        return {**schema, "type": next((k for k in kind if k != "null"), None)}
    return schema


def in_language(value: object, language: str) -> list[str]:
    """A text, a list of them, or a table of either by language, as a list."""
    if isinstance(value, dict):
        value = value.get(language, [])
    if isinstance(value, str):
        return [value]
    return [v for v in value if isinstance(v, str)] if isinstance(value, list) else []


def find(
    schema: Schema, said: Utterance, rest: str, today: dt.date, *, asked: bool = False,
    required: bool = False,
) -> Found | None:  # fmt: skip
    """The value, or None. `rest` is the part of `said.digits` that no other parameter took.

    `asked`: the utterance answers the question for this very parameter.
    """
    if isinstance(schema.get("enum"), list):
        return _choice(schema, said, rest)
    match schema.get("type"), schema.get("format"):
        case _, "date":
            return find_date(rest, said.language, today)
        case _, "time":
            return find_time(rest, bare=asked)
        case _, "date-time":
            return _moment(rest, said.language, today, asked)
        case _, "email":
            return _email(rest)
        case ("integer" | "number") as kind, _:
            return _number(rest, schema, said.language, today, whole=kind == "integer", asked=asked)
        case "boolean", _:
            return _truth(rest) if asked else None
        case "array", _:
            return _several(plain(schema.get("items")), said, rest, today, asked, required)
        case ((None | "string"), _):
            return _text(schema, said, rest, asked, required)
    return None


def _choice(schema: Schema, said: Utterance, rest: str) -> Found | None:
    values = schema["enum"]
    synonyms = schema.get("x-synonyms")
    best: tuple[float, int, Found] | None = None
    for value in values[:VALUES] if isinstance(values, list) else []:
        others = synonyms.get(str(value)) if isinstance(synonyms, dict) else None
        for name in [str(value).replace("_", " "), *in_language(others, said.language)]:
            folded = _spoken(name, said.language)
            ratio = 100.0 if re.search(rf"\b{re.escape(folded)}\b", rest) else 0.0
            if not ratio and len(folded) > 4 and len(rest) >= len(folded) - 1:
                ratio = fuzz.partial_ratio(folded, rest)
            if folded and ratio >= ALIKE and (best is None or (ratio, len(folded)) > best[:2]):
                best = (ratio, len(folded), Found(value, folded))
    return best[2] if best else None


@lru_cache(maxsize=4096)
def _spoken(name: str, language: str) -> str:
    return Utterance(name, language).digits


def _moment(text: str, language: str, today: dt.date, asked: bool) -> Found | None:
    day, time = find_date(text, language, today), find_time(text, bare=asked)
    return Found(f"{day.value}T{time.value}:00", time.said) if day and time else None


def _email(text: str) -> Found | None:
    match = _EMAIL.search(text)
    if not match:
        return None
    address = re.sub(r" (?:at|chiocciola|arroba) ", "@", match[0])
    address = re.sub(r" (?:dot|punto) ", ".", address).replace(" ", "")
    return Found(address, match[0])


def _number(
    text: str, schema: Schema, language: str, today: dt.date, *, whole: bool, asked: bool
) -> Found | None:
    if not asked:  # what belongs to a date or a time is no number
        for other in (find_time(text), find_date(text, language, today)):
            text = text.replace(other.said, " ", 1) if other and other.said else text
    match = _NUMBER.search(text)
    if match is None:
        one = _ONE.search(text) if asked else None
        return Found(1, one[0]) if one else None
    value = float(match[0])
    low, high = schema.get("minimum"), schema.get("maximum")
    if isinstance(low, (int, float)) and value < low:
        return None
    if isinstance(high, (int, float)) and value > high:
        return None
    if whole and value != int(value):
        return None
    return Found(int(value) if value == int(value) else value, match[0])


def _truth(text: str) -> Found | None:
    if match := phrases.NO.search(text):
        return Found(False, match[0])
    return Found(True, match[0]) if (match := phrases.YES.search(text)) else None


def _several(
    schema: Schema, said: Utterance, rest: str, today: dt.date, asked: bool, required: bool
) -> Found | None:
    values: list[object] = []
    first = ""
    for _ in range(8):
        found = find(schema, said, rest, today, asked=asked and not values, required=required)
        if not found or found.value in values:
            break
        values.append(found.value)
        first = first or found.said
        rest = rest.replace(found.said, " ", 1) if found.said else ""
    return Found(values, first) if values else None


def _text(schema: Schema, said: Utterance, rest: str, asked: bool, required: bool) -> Found | None:
    written = schema.get("pattern")
    if isinstance(written, str) and (pattern := _safe_pattern(written)) is not None:
        return _matching(pattern, said)
    before = in_language(schema.get("x-after"), said.language)
    for word in before[:WORDS_BEFORE] or (_BEFORE[said.language] if required else ()):
        match = re.search(rf"\b{re.escape(fold(word))} (.+?){_ENDS}", rest)
        if match and (value := _ARTICLE.sub("", match[1]).strip()):
            return Found(said.original(value), match[1])
    if asked and (value := _LEAD.sub("", said.folded).strip()):
        return Found(said.original(value), "")
    return None


@lru_cache(maxsize=256)
def _safe_pattern(pattern: str) -> re.Pattern[str] | None:
    """A pattern that cannot take long: a client's schema must not stop everybody's calls.

    Repeated groups, look-around and back-references are refused, and so is whatever could try
    more than `TRIALS` ways on one candidate: an open repeat multiplies them by its length, an
    optional or an alternative by two.
    """
    bare = re.sub(r"\\\D|\[\^?\]?[^\]]*\]", "x", pattern)  # quantifiers in classes are none
    if len(pattern) > PATTERN_CHARACTERS or re.search(r"\)[*+?{]|\(\?|\\\d", bare):
        return None
    repeats = len(re.findall(r"[*+]|\{\d*,\d*\}", bare))
    choices = bare.count("?") + bare.count("|")
    if CANDIDATE_CHARACTERS**repeats * 2**choices > TRIALS:
        return None
    try:
        return re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return None


def _matching(pattern: re.Pattern[str], said: Utterance) -> Found | None:
    """Some words of the utterance that the whole pattern fits, spelled with or without gaps."""
    for text in (said.text, said.digits):
        words = [word.strip(".,;:!?¿¡") for word in text.split()][-CANDIDATE_WORDS:]
        for size in range(min(PATTERN_WORDS, len(words)), 0, -1):
            for start in range(len(words) - size + 1):
                piece = words[start : start + size]
                for value in (" ".join(piece), "".join(piece), "".join(piece).upper()):
                    if len(value) <= CANDIDATE_CHARACTERS and pattern.fullmatch(value):
                        return Found(value, fold(" ".join(piece)))
    return None
