"""Write numbers, times, prices, ranges, dates, units and e-mail addresses as words.

A voice that speaks by rules reads `8:00` as "eight zero zero". `edits` finds what has digits in a
sentence, the longest form first, and returns its words. Any other part stays as it is.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator
from functools import cache, partial

from .calendar import MONTHS
from .number_language import LANGUAGES, Noun, NumberLanguage
from .number_words import MOST_DIGITS, cardinal, digits, ordinal, year

Edit = tuple[int, int, str]
Found = re.Match[str]
Rule = tuple[str, Callable[[Found, NumberLanguage], str | None]]

_CODES = {"EUR": "€", "USD": "$", "GBP": "£"}
_MONEY = r"(?:[$€£]|EUR\b|USD\b|GBP\b)"
_DASH = r" ?[-–] ?|—"
_HALF = r"(?P<half>[ap]\.?m\b\.?)"
_VULGAR = {"½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4)}
_SIGN = r"(?:(?<![^\s(])[-−+])?"


def languages() -> frozenset[str]:
    """Return the codes of the languages that have rules."""
    return frozenset(LANGUAGES)


def edits(text: str, language: str) -> Iterator[Edit]:
    """Yield start, end and words of each part of a text that is read otherwise than written."""
    known = LANGUAGES.get(language.lower().replace("_", "-").partition("-")[0])
    if known is None:
        return
    pattern, rules = _rules(known)
    for match in pattern.finditer(text):
        words = rules[match.lastgroup or ""](match, known)
        if words is None:
            yield from _numbers(match, known)
        else:
            yield match.start(), match.end(), words


def _numbers(match: Found, language: NumberLanguage) -> Iterator[Edit]:
    """Yield the numbers of a form that is not valid, such as 25:99."""
    for part in re.finditer(r"\d+", match.group()):
        start = match.start() + part.start()
        yield start, start + len(part.group()), _integer(part.group(), language)


@cache
def _rules(
    language: NumberLanguage,
) -> tuple[re.Pattern[str], dict[str, Callable[[Found, NumberLanguage], str | None]]]:
    """Compose one pattern. A group of its own at the end of each rule tells which one matched."""
    rules = _table(language)
    renamed = (
        "(?:" + re.sub(r"\(\?P<(\w+)>", rf"(?P<{name}_\1>", pattern) + f")(?P<{name}>)"
        for name, (pattern, _) in rules.items()
    )
    return re.compile("|".join(renamed)), {name: make for name, (_, make) in rules.items()}


def _table(language: NumberLanguage) -> dict[str, Rule]:
    group, decimal = re.escape(language.group), re.escape(language.decimal)
    either = r"[.,]" if language.code != "en" else r"\."
    number = rf"(?:\d{{1,3}}(?:{group}\d{{3}})+(?:{decimal}\d+)?(?![\d])|\d+(?:{either}\d+)?(?!\d))"
    amount = rf"(?:{number}|\d+,\d\d(?!\d))" if language.code == "en" else number
    scale = rf"(?: (?P<scale>{'|'.join(language.scales)})\b(?: (?:di|de)\b)?)?"
    unit = "|".join(re.escape(sign) for sign in sorted(language.units, key=len, reverse=True))
    months = "|".join(MONTHS[language.code])
    table: dict[str, Rule] = {
        "mail": (r"(?<![\w.+-])[\w.+-]{1,64}+@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}", _mail),
        "iso": (r"(?<![\d-])(?P<y>\d{4})-(?P<m>\d\d)-(?P<d>\d\d)(?:T(?=\d\d:)|(?!\d|-\d))", _iso),
        "date": (
            r"(?<![\d./-])(?P<a>\d{1,2})(?P<by>[./-])(?P<b>\d{1,2})(?P=date_by)(?P<y>\d{4})(?!\d)",
            _date,
        ),
        "phone": (
            r"(?<!\w)(?:\+\d|0\d)(?:[ ()/-]{0,3}\d){5,16}(?![\w])"
            r"|(?<![\w-])(?:\d{3}-)?\d{3}-\d{4}(?![\w-])",
            _phone,
        ),
        "clocks": (
            rf"(?<![\d:.,])(?P<h>\d{{1,2}})[:](?P<m>\d\d)(?:{_DASH})(?P<eh>\d{{1,2}}):(?P<em>\d\d)"
            rf"(?: ?{_HALF})?(?![\d:])",
            _clocks,
        ),
        "clock": (
            rf"(?<![\d:.,])(?P<h>\d{{1,2}}):(?P<m>\d\d)(?::(?P<s>\d\d))?(?: ?{_HALF})?(?![\d:])",
            _clock,
        ),
        "hour": (
            r"(?<![\w:.,])(?:(?P<from>\d{1,2})(?: ?(?P<fh>[ap])\.?m\.?)?"
            rf"(?:{_DASH}))?(?P<h>\d{{1,2}})(?:\.(?P<m>\d\d))?"
            rf" ?{_HALF}",
            _hour,
        ),
        "price": (
            rf"(?<!\w)(?P<c>{_MONEY}) ?(?P<n>{amount})(?:(?:{_DASH})(?P=price_c)?(?P<to>{amount}))?"
            rf"{scale}",
            _price,
        ),
        "sum": (
            rf"(?<![\w.,])(?P<n>{amount})(?:(?:{_DASH})(?P<to>{amount}))?{scale} ?(?P<c>{_MONEY})"
            r"(?!\w)",
            _price,
        ),
        "unit": (
            rf"(?<![\w.,])(?P<n>{_SIGN}{number})(?:(?:{_DASH})(?P<to>{number}))? ?(?P<u>%|{unit})"
            r"(?![\w/])",
            _unit,
        ),
        "ordinal": (_ordinals(language.code), _ordinal),
        "fraction": (r"(?<![\w/.,])(?P<n>[123])/(?P<d>[234])(?![\w/.,]*\d)|[½⅓⅔¼¾]", _fraction),
        "sign": (r"(?<!\w)#(?=\d)", lambda _, lang: f"{lang.number_sign} "),
        "dotted": (r"(?<![\w.])\d{1,5}(?:\.\d{1,5}){2,5}(?![\w.]*\d)", _dotted),
        "span": (rf"(?<![\w.,/-])(?P<n>{number})(?:{_DASH})(?P<to>{number})(?![\w/]|-\d)", _span),
        "over": (r"(?<![\w/.,])(?P<n>\d{1,4})/(?P<to>\d{1,4})(?![\w/])", _over),
        "number": (rf"(?<!\w)(?<!\d[.,]){_SIGN}{number}(?!\w)", _number),
    }
    if language.clock_words:
        table = {
            "point": (
                r"(?i:(?<=\balle )|(?<=\bdalle )|(?<=\bore )|(?<=\blas ))(?P<h>\d{1,2})\."
                r"(?P<m>\d\d)(?![\d.,]*\d)",
                _clock,
            )
        } | table
    if language.code == "en":
        table = {
            "month": (
                rf"\b(?P<month>{months}) (?P<d>\d{{1,2}})(?:st|nd|rd|th)?(?![\w:.,]*\d)"
                r"(?P<y>,? \d{4}(?!\w))?",
                _month,
            ),
            "day": (rf"(?<![\w.,/-])(?P<d>\d{{1,2}})(?: (?=(?:{months})\b))", _day),
        } | table
    return table


def _ordinals(code: str) -> str:
    ends = "(?:st|nd|rd|th)" if code == "en" else r"\.?(?P<end>[°ºª])"
    return rf"(?<![\w.,])(?P<n>\d{{1,4}}){ends}(?!\w)"


def _get(match: Found, name: str) -> str:
    """Return a group of the rule that matched, or ""."""
    return match.groupdict().get(f"{match.lastgroup}_{name}") or ""


# Numbers


def _integer(text: str, language: NumberLanguage) -> str:
    if len(text) > MOST_DIGITS or (len(text) > 1 and text[0] == "0"):
        return digits(text, language.code)
    number = int(text)
    if (
        language.code == "en"
        and len(text) == 4
        and (1100 <= number < 2000 or 2010 <= number < 2100)
    ):
        return year(number, "en")
    return cardinal(number, language.code)


def _parts(text: str, language: NumberLanguage) -> tuple[str, str]:
    """Return the digits before and behind the decimal sign."""
    grouped = re.fullmatch(rf"\d{{1,3}}(?:{re.escape(language.group)}\d{{3}})+", text)
    if grouped:
        return text.replace(language.group, ""), ""
    if language.decimal in text:
        whole, _, fraction = text.rpartition(language.decimal)
        return whole.replace(language.group, ""), fraction
    whole, _, fraction = text.partition(language.group)
    return whole, fraction


def _said(text: str, language: NumberLanguage) -> str:
    """Return the words of a number with its sign, thousands and decimals."""
    sign = {"-": language.minus, "−": language.minus, "+": language.plus}.get(text[0], "")
    whole, fraction = _parts(text.lstrip("-−+"), language)
    if language.group in text and not fraction:
        words = (
            cardinal(int(whole), language.code)
            if len(whole) <= MOST_DIGITS
            else digits(whole, language.code)
        )
    else:
        words = _integer(whole, language)
    if fraction:
        together = language.code != "en" and len(fraction) <= 2 and fraction[0] != "0"
        behind = (
            cardinal(int(fraction), language.code) if together else digits(fraction, language.code)
        )
        words = f"{words} {language.point} {behind}"
    return f"{sign} {words}" if sign else words


def _number(match: Found, language: NumberLanguage) -> str:
    return _said(match.group(), language)


def _counted(text: str, noun: Noun, language: NumberLanguage) -> str:
    """Return a number and its noun: "one dollar", "veintiún euros"."""
    whole, fraction = _parts(text.lstrip("-−+"), language)
    one, more, gender = noun
    if fraction or len(whole) > MOST_DIGITS:
        return f"{_said(text, language)} {more}"
    words = cardinal(int(whole), language.code, gender)
    sign = f"{language.minus} " if text[0] in "-−" else ""
    return f"{sign}{words} {one if int(whole) == 1 else more}"


def _unit(match: Found, language: NumberLanguage) -> str:
    sign = _get(match, "u")
    percent: Noun = (language.percent, language.percent, "masculine")
    first, last = _get(match, "n"), _get(match, "to")
    if sign == "%":
        words = f"{_said(last or first, language)} {percent[0]}"
    else:
        words = _counted(last or first, language.units[sign], language)
    return _from(match, _said(first, language), words, language) if last else words


def _price(match: Found, language: NumberLanguage) -> str:
    sign = _get(match, "c").strip()
    noun, cent = language.currencies[_CODES.get(sign, sign)]
    first, last, scale = _get(match, "n"), _get(match, "to"), _get(match, "scale")
    amount = last or first
    if scale:
        joined = " ".join(filter(None, (_said(amount, language), scale, language.scales[scale])))
        words = f"{joined} {noun[1]}"
    else:
        words = _money(amount, noun, cent, language)
    return _from(match, _said(first, language), words, language) if last else words


def _money(text: str, noun: Noun, cent: Noun, language: NumberLanguage) -> str:
    whole, fraction = _parts(text, language)
    if language.code == "en" and "," in text and len(text.rpartition(",")[2]) == 2:
        whole, _, fraction = text.rpartition(",")
    if len(fraction) != 2:
        return _counted(text, noun, language)
    cents = int(fraction)
    named = _counted(str(cents), cent, language)
    if not int(whole) and cents:
        return named
    words = _counted(whole, noun, language)
    if not cents:
        return words
    behind = named if language.name_cents else cardinal(cents, language.code)
    return f"{words} {language.cents} {behind}"


def _fraction(match: Found, language: NumberLanguage) -> str | None:
    sign = match.group()
    key = _VULGAR.get(sign) or (int(_get(match, "n")), int(_get(match, "d")))
    return language.fractions.get(key)


def _ordinal(match: Found, language: NumberLanguage) -> str:
    form = "feminine" if _get(match, "end") == "ª" else "plain"
    return ordinal(int(_get(match, "n")), language.code, form)  # type: ignore[arg-type]


def _dotted(match: Found, language: NumberLanguage) -> str:
    whole, fraction = _parts(match.group(), language)
    if not fraction and whole.isdecimal():
        return _said(match.group(), language)
    parts = (_integer(part, language) for part in match.group().split("."))
    return f" {language.dot} ".join(parts)


def _over(match: Found, language: NumberLanguage) -> str:
    return f"{_integer(_get(match, 'n'), language)} {_integer(_get(match, 'to'), language)}"


def _phone(match: Found, language: NumberLanguage) -> str:
    groups = re.findall(r"\d+", match.group())
    words = ", ".join(digits(group, language.code) for group in groups)
    return f"{language.plus} {words}" if match.group().startswith("+") else words


# Ranges


def _span(match: Found, language: NumberLanguage) -> str | None:
    first, last = _get(match, "n"), _get(match, "to")
    return _from(match, _said(first, language), _said(last, language), language)


def _from(
    match: Found, first: str, last: str, language: NumberLanguage, *, clock: bool = False
) -> str:
    begins, between = language.clock_span if clock else language.span
    if re.fullmatch(rf"(?i){language.span_begins}", _before(match)):
        begins = ""
    return " ".join(filter(None, (begins, first, between, last)))


def _before(match: Found) -> str:
    """Return the word before a match."""
    words = match.string[max(0, match.start() - 20) : match.start()].split()
    return words[-1] if words else ""


# Times


def _clocks(match: Found, language: NumberLanguage) -> str | None:
    half = _get(match, "half")
    first = _time(_get(match, "h"), _get(match, "m"), "" if half else None, language)
    last = _time(_get(match, "eh"), _get(match, "em"), half or None, language)
    if first is None or last is None:
        return None
    return _from(match, first, last, language, clock=True) + _stop(match)


def _clock(match: Found, language: NumberLanguage) -> str | None:
    words = _time(_get(match, "h"), _get(match, "m"), _get(match, "half") or None, language)
    if words is None:
        return None
    if seconds := _get(match, "s"):
        minutes: Noun = ("second", "seconds", "masculine")
        if language.code != "en":
            minutes = (
                ("secondo", "secondi", "masculine")
                if language.code == "it"
                else ("segundo", "segundos", "masculine")
            )
        joined = {"en": "and", "it": "e", "es": "y"}[language.code]
        words += f" {joined} {_counted(str(int(seconds)), minutes, language)}"
    return _article(match, language) + words + _stop(match)


def _article(match: Found, language: NumberLanguage) -> str:
    """Return what a time needs before it, if nothing is there: "ore otto", "las ocho"."""
    if language.code == "en" or re.fullmatch(
        rf"(?i){language.clock_words}|\w*l['’]", _before(match)
    ):
        return ""
    if language.code == "it":
        return "ore "
    return "la " if int(_get(match, "h")) == 1 else "las "


def _hour(match: Found, language: NumberLanguage) -> str | None:
    hour, half = _get(match, "h"), _get(match, "half")
    words = _time(hour, _get(match, "m") or "00", half, language)
    if words is None or not 0 < int(hour) <= 12:
        return None
    if first := _get(match, "from"):
        own = _get(match, "fh")
        begins = _time(first, "00", own, language) if own else _integer(first, language)
        if begins is None:
            return None
        words = _from(match, begins, words, language, clock=True)
    return words + _stop(match)


def _stop(match: Found) -> str:
    """Keep the full stop of "a.m." where it ends the sentence too."""
    return "." if match.group().endswith(".") and not match.string[match.end() :].strip() else ""


def _time(hour: str, minute: str, half: str | None, language: NumberLanguage) -> str | None:
    """Return a time of day. `half`: am or pm as written, "" to leave it out. None: 24 hours."""
    h, m = int(hour), int(minute)
    if h > 24 or m > 59 or (h == 24 and m):
        return None
    return {"en": _english, "it": _italian, "es": _spanish}[language.code](h, m, half)


def _english(hour: int, minute: int, half: str | None) -> str:
    if half is None and minute == 0 and hour in (0, 24):
        return "midnight"
    if half is None and (hour > 12 or hour == 0):
        half = "pm" if hour > 12 else "am"
    words = [cardinal(hour % 12 or 12, "en")]
    if minute:
        words.append(("oh " if minute < 10 else "") + cardinal(minute, "en"))
    elif half is None:
        words.append("o'clock")
    if half:
        words.append("A M" if half[0].lower() == "a" else "P M")
    return " ".join(words)


def _italian(hour: int, minute: int, half: str | None) -> str:
    words = cardinal(hour, "it", "feminine")
    return f"{words} e {cardinal(minute, 'it')}" if minute else words


def _spanish(hour: int, minute: int, half: str | None) -> str:
    words = cardinal(hour, "es", "feminine")
    if not minute:
        return words
    return f"{words} y {({15: 'cuarto', 30: 'media'}).get(minute) or cardinal(minute, 'es')}"


# Dates


def _iso(match: Found, language: NumberLanguage) -> str | None:
    y, month, day = (int(_get(match, part)) for part in "ymd")
    words = _calendar(y, month, day, language)
    return f"{words} " if words and match.group().endswith("T") else words


def _date(match: Found, language: NumberLanguage) -> str | None:
    """Read a date in numbers. In English `5/12` may be two days, and is read as two numbers."""
    first, second, y = (int(_get(match, part)) for part in ("a", "b", "y"))
    day_first = language.code != "en" or _get(match, "by") == "." or first > 12 or first == second
    if day_first:
        return _calendar(y, second, first, language)
    return _calendar(y, first, second, language) if second > 12 else None


def _calendar(y: int, month: int, day: int, language: NumberLanguage) -> str | None:
    try:
        dt.date(y, month, day)
    except ValueError:
        return None
    name, code = MONTHS[language.code][month - 1], language.code
    if code == "en":
        return f"{name} {ordinal(day, code)}, {_integer(str(y), language)}"
    days = "primo" if (code, day) == ("it", 1) else cardinal(day, code)
    of = " de " if code == "es" else " "
    return f"{days}{of}{name}{of}{cardinal(y, code)}"


def _month(match: Found, language: NumberLanguage) -> str | None:
    day, behind = int(_get(match, "d")), _get(match, "y")
    if not 1 <= day <= 31:
        return None
    comma = "," if behind else ""
    words = f"{_get(match, 'month')} {ordinal(day, language.code)}{comma}"
    return f"{words} {_integer(behind[-4:], language)}" if behind else words


def _day(match: Found, language: NumberLanguage) -> str | None:
    day = int(_get(match, "d"))
    if not 1 <= day <= 31:
        return None
    the = "" if _before(match).lower() == "the" else "the "
    return f"{the}{ordinal(day, language.code)} of "


# Addresses


def _mail(match: Found, language: NumberLanguage) -> str:
    signs = {"@": language.at, ".": language.dot, "-": language.dash, "_": language.underscore,
             "+": language.plus}  # fmt: skip
    parts = re.findall(r"\d+|[@.+_-]|[^\d@.+_-]+", match.group())
    said = partial(_integer, language=language)
    return " ".join(signs.get(part) or (said(part) if part.isdecimal() else part) for part in parts)
