"""Find the value of one of a tool's parameters in an utterance.

A parameter is JSON Schema with four words of our own: `x-synonyms` (other words for the values
of an enum), `x-after` (words that stand before a free text), `x-ask` (the question for it) and
`x-part-of-day` (morning, afternoon or evening, for a time without one). The first three may be
tables by language. Schemas come from clients: the rules ignore keys of an unexpected type.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from functools import lru_cache
from itertools import islice

import msgspec
from rapidfuzz import fuzz

from vivavoce.text.folding import fold
from vivavoce.text.yes_no import MENTIONS_NO, MENTIONS_YES

from .budget import Budget
from .dates import Found, find_date, find_time
from .utterance import UserUtterance

Schema = Mapping[str, object]

ALIKE = 88  # ratio (0 to 100) from which a misheard value of an enum counts
VALUES, WORDS_BEFORE = 500, 20  # of an enum, of `x-after`; more are passed over
SYNONYMS = 32  # of a value
NAME_CHARACTERS = 100  # of a value or a word before it; a longer one is passed over
OPTIONAL = 4  # how deep the wrappings of an optional parameter go
PATTERN_CHARACTERS, PATTERN_WORDS = 200, 8  # of a pattern, and of what it may fit
CANDIDATE_CHARACTERS, CANDIDATE_WORDS = 64, 30
TRIALS = 8192  # ways to match one candidate
STEPS_A_LOOK, CHARACTERS_A_STEP = 4, 8  # what a look costs: once, and for its length
CHARACTERS_OF_TIME = 2
STEPS_A_PATTERN, WAYS_A_STEP = 500, 128
ADDRESSES = 8  # places in one text where an address may be

_AT = re.compile(r" ?(?:@| at | chiocciola | arroba ) ?")
_MAILBOX = re.compile(r"\b[\w.+-]{1,64}$")  # what goes before it,
_DOMAIN = re.compile(r"[\w-]{1,63}(?: ?(?:\.| dot | punto ) ?[\w-]{1,63}){1,8}")  # and after
# A longer row of digits, such as a card's number, is a text.
_NUMBER = re.compile(r"(?<![\w:.-])-?\d{1,15}(?:\.\d{1,15})?(?![:\d])")
_ONE = re.compile(r"\b(one|a|an|un|una|uno|single|solo|sola)\b")
_BEFORE = {
    "en": ("called", "named", "about", "in", "for", "to", "at", "from", "of", "with"),
    "it": ("chiamato", "chiamata", "su", "a", "in", "per", "da", "di", "con"),
    "es": ("llamado", "llamada", "sobre", "en", "para", "a", "desde", "de", "con"),
}
_END = re.compile(
    r" (?:for|on|at|in|per|il|alle|para|el|a las|please|today|tomorrow|tonight|now|oggi|domani|"
    r"adesso|hoy|manana|ahora|por favor)\b|$"
)
_LEADS = (
    r"it is|it's|its|it s|i am|i'm|my name is|the name is|call me|e|sono|mi chiamo|il mio "
    r"nome e|es|soy|me llamo|mi nombre es|to|in|for|at|per|en|para|please"
)
_LEAD = re.compile(rf"^(?:(?:{_LEADS}|a) )+")
_ENGLISH_LEAD = re.compile(rf"^(?:(?:{_LEADS}) )+")  # "a" is an article there


def plain(schema: object, depth: int = OPTIONAL) -> Schema:
    """Return a parameter's schema without the wrapping of optional ones, or {}."""
    if not isinstance(schema, dict):
        return {}
    for key in ("anyOf", "oneOf") if depth else ():
        if isinstance(options := schema.get(key), list):
            real = (o for o in options if isinstance(o, dict) and o.get("type") != "null")
            first = next(real, None)
            return {**schema, **plain(first, depth - 1)} if first is not None else schema
    kind = schema.get("type")
    if isinstance(kind, list):
        return {**schema, "type": next((k for k in kind if k != "null"), None)}
    return schema


def is_free(schema: Schema) -> bool:
    """Return whether any text is a value."""
    kind = schema.get("type")
    return kind in (None, "string") and not any(k in schema for k in ("enum", "format", "pattern"))


def in_language(value: object, language: str) -> list[str]:
    """Return a text, a list of them, or a table of either by language, as a list."""
    if isinstance(value, dict):
        value = value.get(language, [])
    if isinstance(value, str):
        return [value]
    return [v for v in value if isinstance(v, str)] if isinstance(value, list) else []


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """The context that all searches for values in one utterance share."""

    said: UserUtterance
    today: dt.date
    budget: Budget

    def cost(self, rest: str) -> None:
        """Pay for one look through the words that are left."""
        self.budget.spend(STEPS_A_LOOK + len(rest) // CHARACTERS_A_STEP)


def find(
    schema: Schema, search: Search, rest: str, *, asked: bool = False, required: bool = False
) -> Found | None:
    """Return the value, or None. `rest` is the part of `said.digits` that no other parameter took.

    `asked`: the utterance answers the question for this very parameter. Raises `Spent`.
    """
    if isinstance(schema.get("enum"), list):
        return _choice(schema, search, rest)
    if schema.get("type") == "array":
        return _several(plain(schema.get("items")), search, rest, asked, required)
    return _single(schema, search, rest, asked, required)


def _single(schema: Schema, search: Search, rest: str, asked: bool, required: bool) -> Found | None:
    said, today = search.said, search.today
    search.cost(rest)
    if "format" in schema or schema.get("type") in ("integer", "number"):
        search.budget.spend(len(rest) // CHARACTERS_OF_TIME)  # dates and times take many looks
    match schema.get("type"), schema.get("format"):
        case _, "date":
            return find_date(rest, said.language, today)
        case _, "time":
            return find_time(rest, bare=asked, part=_part(schema))
        case _, "date-time":
            return _moment(schema, rest, said.language, today, asked)
        case _, "email":
            return _email(rest)
        case ("integer" | "number") as kind, _:
            return _number(rest, schema, said.language, today, whole=kind == "integer", asked=asked)
        case "boolean", _:
            return _truth(rest) if asked else None
        case ((None | "string"), _):
            return _text(schema, search, rest, asked, required)
    return None


def _choice(schema: Schema, search: Search, rest: str) -> Found | None:
    values = schema["enum"]
    best: tuple[float, int, Found] | None = None
    for value in values[:VALUES] if isinstance(values, list) else []:
        for name in _names(value, schema.get("x-synonyms"), search.said.language):
            search.cost(rest)
            folded = _spoken(name, search.said.language)
            ratio = 100.0 if holds(rest, folded) else 0.0
            if not ratio and len(folded) > 4 and len(rest) >= len(folded) - 1:
                ratio = fuzz.partial_ratio(folded, rest, score_cutoff=ALIKE)
            if folded and ratio >= ALIKE and (best is None or (ratio, len(folded)) > best[:2]):
                best = (ratio, len(folded), Found(value, folded))
    return best[2] if best else None


def spelled(value: object) -> str:
    """Spell a value of an enum as a person says it; "" for one that has no words."""
    if isinstance(value, str):
        return value.replace("_", " ") if len(value) <= NAME_CHARACTERS else ""
    if isinstance(value, (bool, float)) or (isinstance(value, int) and abs(value) < 10**15):
        return str(value)
    return ""


def _names(value: object, synonyms: object, language: str) -> list[str]:
    """Return a value and its synonyms, each of at most `NAME_CHARACTERS`."""
    name = spelled(value)
    others: list[str] = []
    if isinstance(synonyms, dict) and name:
        key = value if isinstance(value, str) else name
        others = in_language(synonyms.get(key), language)[:SYNONYMS]
    return [n for n in (name, *others) if n and len(n) <= NAME_CHARACTERS]


def holds(text: str, words: str) -> bool:
    """Return whether a text contains these words, and not inside of other words."""
    at = text.find(words) if words else -1
    while at >= 0:
        end = at + len(words)
        if _parted(text, at) and _parted(text, end):
            return True
        at = text.find(words, at + 1)
    return False


def _parted(text: str, at: int) -> bool:
    """Test for the beginning or the end of a word."""
    before = at > 0 and _in_word(text[at - 1])
    after = at < len(text) and _in_word(text[at])
    return before != after


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "_"


@lru_cache(maxsize=4096)
def _spoken(name: str, language: str) -> str:
    return UserUtterance(name, language).digits


def _part(schema: Schema) -> str:
    """Return the part of the day that a time without one belongs to, "" if the tool names none."""
    part = schema.get("x-part-of-day")
    return part if isinstance(part, str) else ""


def _moment(schema: Schema, text: str, language: str, today: dt.date, asked: bool) -> Found | None:
    day = find_date(text, language, today)
    time = find_time(text, bare=asked, part=_part(schema))
    if not day or not time:
        return None
    return Found(f"{day.value}T{time.value}:00", time.said, time.settled)


def _email(text: str) -> Found | None:
    for sign in islice(_AT.finditer(text), ADDRESSES):
        before, after = text[max(0, sign.start() - 65) : sign.start()], sign.end()
        mailbox, domain = _MAILBOX.search(before), _DOMAIN.match(text, after)
        if mailbox and domain:
            said = f"{mailbox[0]}{sign[0]}{domain[0]}"
            address = re.sub(r" (?:at|chiocciola|arroba) ", "@", said)
            address = re.sub(r" (?:dot|punto) ", ".", address).replace(" ", "")
            return Found(address, said)
    return None


def _number(
    text: str, schema: Schema, language: str, today: dt.date, *, whole: bool, asked: bool
) -> Found | None:
    if not asked:  # a part of a date or a time is not a number
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
    if match := MENTIONS_NO.search(text):
        return Found(False, match[0])
    return Found(True, match[0]) if (match := MENTIONS_YES.search(text)) else None


def _several(
    schema: Schema, search: Search, rest: str, asked: bool, required: bool
) -> Found | None:
    """Find several values of one kind. A list of lists is passed over."""
    values: list[object] = []
    first = ""
    for _ in range(8):
        asking = asked and not values
        if isinstance(schema.get("enum"), list):
            found = _choice(schema, search, rest)
        else:
            found = _single(schema, search, rest, asking, required)
        if not found or found.value in values:
            break
        values.append(found.value)
        first = first or found.said
        rest = rest.replace(found.said, " ", 1) if found.said else ""
    return Found(values, first) if values else None


def _text(schema: Schema, search: Search, rest: str, asked: bool, required: bool) -> Found | None:
    said, written = search.said, schema.get("pattern")
    if isinstance(written, str) and len(written) <= PATTERN_CHARACTERS:
        search.budget.spend(STEPS_A_PATTERN)
        if (safe := _safe_pattern(written)) is not None:
            return _matching(*safe, search)
    before = in_language(schema.get("x-after"), said.language)
    for word in before[:WORDS_BEFORE] or (_BEFORE[said.language] if required else ()):
        search.cost(rest)
        if len(word) <= NAME_CHARACTERS and (text := _following(rest, fold(word))):
            value = said.original(text.strip()).partition(",")[0].rstrip()
            if value:
                return Found(value, text)
    lead = _ENGLISH_LEAD if said.language == "en" else _LEAD
    if asked and (value := lead.sub("", said.folded).strip()):
        return Found(said.original(value), "")
    return None


def _following(rest: str, word: str) -> str:
    """Return the text after a word, up to the next preposition."""
    marked = f"{word} "
    at = rest.find(marked)
    while at >= 0 and not _parted(rest, at):
        at = rest.find(marked, at + 1)
    start = at + len(marked)
    if at < 0 or start >= len(rest):
        return ""
    end = _END.search(rest, start + 1)
    return rest[start : end.start()] if end else rest[start:]


@lru_cache(maxsize=256)
def _safe_pattern(pattern: str) -> tuple[re.Pattern[str], int] | None:
    """Accept only a pattern that is fast: one client's schema must not stop other calls.

    Repeated groups, look-around and back-references are refused, and so is whatever could try
    more than `TRIALS` ways on one candidate: an open repeat multiplies them by its length, an
    optional or an alternative by two. Returns how many ways there are, too.
    """
    bare = re.sub(r"\\\D|\[\^?\]?[^\]]*\]", "x", pattern)  # in a class they are plain characters
    if re.search(r"\)[*+?{]|\(\?|\\\d", bare):
        return None
    repeats = len(re.findall(r"[*+]|\{\d*,\d*\}", bare))
    choices = bare.count("?") + bare.count("|")
    ways = CANDIDATE_CHARACTERS**repeats * 2**choices
    if ways > TRIALS:
        return None
    try:
        return re.compile(pattern), ways
    except (re.error, OverflowError, RecursionError):
        return None


def _matching(pattern: re.Pattern[str], ways: int, search: Search) -> Found | None:
    """Return words of the utterance that the whole pattern fits, spelled with or without gaps."""
    for text in (search.said.text, search.said.digits):
        words = [word.strip(".,;:!?¿¡") for word in text.split()][-CANDIDATE_WORDS:]
        for size in range(min(PATTERN_WORDS, len(words)), 0, -1):
            for start in range(len(words) - size + 1):
                piece = words[start : start + size]
                for value in (" ".join(piece), "".join(piece), "".join(piece).upper()):
                    if len(value) <= CANDIDATE_CHARACTERS:
                        search.budget.spend(1 + ways // WAYS_A_STEP)
                        if pattern.fullmatch(value):
                            return Found(value, fold(" ".join(piece)))
    return None
