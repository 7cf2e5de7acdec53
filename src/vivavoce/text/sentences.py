"""Cut text into sentences, as a whole or as it arrives.

A full stop is not always an end: "Dr. Rossi", "ca. a", "No. 5", "am 3. Mai", "z. B.". The next
letter decides: a lower-case letter or a digit continues a sentence. After a single letter, and
after an abbreviation that always has something behind it, no sentence ends.

Chinese and Japanese have no space behind a full stop. There a sentence ends after the mark and its
closing brackets. It goes on if a comma follows, or the particle of a quotation: 「はい。」と.

A stream seldom shows the next letter together with a full stop. It waits for that letter only after
a word that may be an abbreviation, and all other sentences leave at once.
"""

from __future__ import annotations

import re
from functools import lru_cache

from . import calendar

LONGEST = 400  # characters of a spoken sentence, beyond which it is cut at a comma or a space
LONGEST_WORD = 40  # characters; no abbreviation is longer
LOOK_AHEAD = 24  # characters that decide whether a new sentence begins
_OPENING = "([{\"'“‘«¿¡*_~"
_SHORT = 2  # letters; a word of so few may be an abbreviation

# The pattern looks at marks in a row once, from the first, and gives none of them back. Otherwise
# 100 kB of marks without a space took minutes.
_SENTENCE_MARK = re.compile(
    r"""(?P<mark>(?<![.!?…])[.!?…]++)['"’”»)\]*_~]*+(?P<space>\s++)"""
    r"|(?<![。！？])[。！？]++[’”)\]*_~」』）]*+(?:\s++|(?=[^\s.!?…。！？，、])(?!(?<=[」』])[とっ]))"
    r"|(?P<line>\n++)"
)
_NON_BLANK = re.compile(r"\S")
_LAST_WORD = re.compile(r"[\w.]+$")
_NEXT_WORD = re.compile(rf"[{re.escape(_OPENING)}]*+(?P<item>\d{{1,3}}[.)](?:\s|$))?(?P<word>\w*)")
_ORDINAL = re.compile(r"\d{1,2}")
_VOWEL = re.compile(r"[aeiouyàáâäèéêëìíîïòóôöùúûü]")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Titles stand before names in texts of every language.
_TITLES = _words(
    "dr dra mr mrs ms mx prof profs profa prof.ssa st sr sra srta sres sig sigg sig.ra sig.na dott "
    "dott.ssa ing avv arch geom rag mons dipl lic gral messrs rev hon capt lt sgt mt fam hr fr"
)
# A capital may follow these, and the sentence still goes on.
_ABBREVIATIONS = {
    "en": _words("vs e.g i.e cf viz approx incl excl ft gen gov sen"),
    "it": _words("vs es p.es cfr c.a ca pag pagg fig figg tel v.le p.zza c.so l.go on"),
    "es": _words("p.ej ej núm n.º nº pág págs fig figs tel tfno av avda pza ctra aprox ud uds vd"),
    "de": _words(
        "ca bzw inkl exkl zzgl evtl ggf vgl nr str tel abs bd hrsg sog z.b d.h u.a i.d.r o.g z.t "
        "z.zt v.a max min mind allg geb gest stv ing mag std"
    ),
}
# A number belongs to these, also one that looks like the next entry of a list: "No. 5."
_NUMBERED = _words(
    "no nos nr n num núm n.º nº art p pp pag pagg pág págs s vol bd fig figs sec ch cap tel abs "
    "ca approx aprox ext rm st jan feb mar apr jun jul aug sep sept oct nov dec"
)
# Each may end a sentence, so the next letter decides.
_UNDECIDED = _words(
    "etc ecc usw inc ltd co corp ee.uu jr sra bros dept univ assoc govt ave blvd rd sq temp avg "
    "mon tue tues wed thu thur thurs fri sat sun gmbh est"
)


class Sentences:
    """Cut a stream of text. `language` is a code such as `de-AT`; None knows all languages."""

    def __init__(self, language: str | None = None, *, longest: int = LONGEST) -> None:
        self._language = (language or "").partition("-")[0].lower()
        self._longest = longest
        self._rest = ""
        self._checked = 0  # characters of the rest in which no sentence ends, whatever follows

    def push(self, text: str) -> list[str]:
        """Add text; take every sentence it completes."""
        text = self._rest + text
        pieces, start, first = [], 0, _end_of_blank(text, 0)
        for stop in _SENTENCE_MARK.finditer(text, self._checked):
            self._checked = stop.start()
            if first >= stop.end():
                continue
            is_end = _ends_sentence(text, start, stop, self._language)
            if is_end is None:
                break
            if is_end:
                pieces += self._cut_long(text[start : stop.end()])
                start = stop.end()
                first = _end_of_blank(text, start)
        *longest, self._rest = self._cut_long(text[start:])
        self._checked = max(self._checked - (len(text) - len(self._rest)), 0)
        return pieces + longest

    def finish(self) -> list[str]:
        rest, self._rest, self._checked = self._rest, "", 0
        return [rest] if rest.strip() else []

    def _cut_long(self, text: str) -> list[str]:
        """Cut a text into pieces of at most `longest` characters. The last piece may be empty."""
        pieces, start = [], 0
        while len(text) - start > self._longest:
            end = _where_to_cut(text, start, self._longest)
            pieces.append(text[start:end])
            start = end
        return [*pieces, text[start:]]


@lru_cache(maxsize=4096)
def sentences(text: str, language: str | None = None, longest: int = 10**6) -> tuple[str, ...]:
    """Return the sentences of a whole text, without the blanks around them."""
    stream = Sentences(language, longest=longest)
    return tuple(each.strip() for each in (*stream.push(text), *stream.finish()) if each.strip())


def _end_of_blank(text: str, start: int) -> int:
    """Return where the blank at the beginning of a sentence ends."""
    found = _NON_BLANK.search(text, start)
    return found.start() if found else len(text)


def _ends_sentence(text: str, start: int, stop: re.Match[str], language: str) -> bool | None:
    """Return whether this mark ends the sentence from `start`. None: the next letter decides."""
    if stop["line"] or stop["mark"] != "." or "\n" in stop["space"]:
        return True
    before = text[max(start, stop.start() - LONGEST_WORD) : stop.start()]
    word_before = match.group() if (match := _LAST_WORD.search(before.rstrip("\\"))) else ""
    word = word_before.casefold()
    if _always_goes_on(word, language):
        return False
    if _ORDINAL.fullmatch(word) and text[start : stop.start()].strip() == word_before:
        return False  # the number of a list's entry
    if len(word_before) == 1 and word_before.isalpha() and word_before != "I":
        return False
    ahead = text[stop.end() : stop.end() + LOOK_AHEAD]
    if not ahead.strip(_OPENING):
        return None if ahead or _may_be_short(word) else True
    return _begins_sentence(ahead, word, language)


def _always_goes_on(word: str, language: str) -> bool:
    own = _ABBREVIATIONS.get(language)
    if own is not None:
        return word in _TITLES or word in own
    return word in _TITLES or any(word in each for each in _ABBREVIATIONS.values())


def _may_be_short(word: str) -> bool:
    """Return whether a word may be an abbreviation, or a number that is an ordinal."""
    return (
        len(word) <= _SHORT
        or not _VOWEL.search(word)
        or "." in word
        or word in _NUMBERED
        or word in _UNDECIDED
        or any(word in each for each in _ABBREVIATIONS.values())
    )


def _begins_sentence(ahead: str, word: str, language: str) -> bool | None:
    """Return whether a new sentence begins here, after a full stop behind `word`."""
    match = _NEXT_WORD.match(ahead)
    if match is None or not (match["item"] or match["word"]):
        return True
    if match["item"]:
        return word not in _NUMBERED
    following = match["word"]
    cut = match.end() == len(ahead) and len(ahead) < LOOK_AHEAD
    if following[0].isdigit():
        listed = following.isdecimal() and len(following) <= 3 and cut and word not in _NUMBERED
        return None if listed else False
    if following[0].islower():
        return False
    if _ORDINAL.fullmatch(word):
        return _follows_number(following, language, cut=cut)
    return True


def _follows_number(following: str, language: str, *, cut: bool) -> bool | None:
    """Return whether a sentence begins after "3.", which may be an ordinal, as in "3. Mai"."""
    if language == "de":
        return False
    return None if cut else calendar.month(following) is None


def _where_to_cut(text: str, start: int, longest: int) -> int:
    """Return where a sentence that does not end may be cut."""
    window = text[start : start + longest]
    for mark in (", ", "; ", ": ", "，", "；", "：", "、", " "):
        if (at := window.rfind(mark)) > longest // 2:
            return start + at + len(mark)
    return start + longest
