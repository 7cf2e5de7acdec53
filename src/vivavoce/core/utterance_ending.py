"""Classifies the end of an utterance by its words: the text rule of `semantic_vad`.

A sentence does not end with "and", "the" or "um": a user who pauses there goes on. It does end with
"please", "thank you" or a full stop. After two digits the user is probably reading out a number in
groups. The rule reads the last words only, so it needs no model and takes no time. It knows
English, Italian and Spanish. Of other languages it knows punctuation and numerals.

A word that can end a sentence never counts as unfinished ("where it is", "who do I pay for", "¿qué
hora es?"): a long wait after a complete question is worse than an early answer.
"""

from __future__ import annotations

import re

from .turns import UtteranceEnding

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]*)?|\d+")
_FULL_STOP = re.compile(r"[.?!。？！]['\"’”»)]*\s*$")
_GOES_ON = re.compile(r"(?:[,;:–—…、，-]|\.\.\.)\s*$")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_UNFINISHED = {
    "en": _words(
        "and or but because if while although unless until than as whether "
        "a an the my your our their its every "
        "of to into between during without "
        "i i'm you're we're they're it's i'd i'll i've let's "
        "um uh uhm er erm hmm mm"
    ),
    "it": _words(
        "e ed o oppure ma però poiché se mentre che cui cioè "
        "il lo la i gli le l' un una un' ogni qualche "
        "di a da in con per tra fra del dello della dei degli delle al allo alla ai agli alle "
        "dal dalla dai dalle nel nello nella nei nelle sul sulla sui sulle dell' all' dall' nell' "
        "sull' senza verso durante vorrei "
        "ehm eh mah beh mmh uhm"
    ),
    "es": _words(
        "y e o u pero porque si mientras aunque que sino "
        "el la los las un unos unas mi mis tu tus su sus cada "
        "de a en con por para sin sobre entre desde hasta hacia según del al durante quisiera "
        "eh ehm em mmm pues"
    ),
}


_FINISHED = {
    "en": _words("please thanks bye goodbye"),
    "it": _words("grazie arrivederci"),
    "es": _words("gracias favor adiós"),
}
_THANKS = re.compile(r"\bthank you(?: very much| so much)?$")

_DIGITS = {
    "en": _words("zero oh one two three four five six seven eight nine double"),
    "it": _words("zero uno due tre quattro cinque sei sette otto nove"),
    "es": _words("cero uno dos tres cuatro cinco seis siete ocho nueve"),
}
_NONE: frozenset[str] = frozenset()


def ending(text: str, language: str | None) -> UtteranceEnding:
    """Return how `text` ends, in `language` (`en`, `it-IT`, …)."""
    text = text.casefold().strip()
    words = [word.replace("’", "'") for word in _WORD.findall(text)]
    if not words:
        return UtteranceEnding.OPEN
    code = (language or "").partition("-")[0].casefold()
    if words[-1] in _UNFINISHED.get(code, _NONE):
        return UtteranceEnding.UNFINISHED
    if len(words) > 1 and all(_is_digit(word, code) for word in words[-2:]):
        return UtteranceEnding.COUNTING
    if _GOES_ON.search(text):
        return UtteranceEnding.UNFINISHED
    finished = words[-1] in _FINISHED.get(code, _NONE) or (code == "en" and _THANKS.search(text))
    return UtteranceEnding.FINISHED if finished or _FULL_STOP.search(text) else UtteranceEnding.OPEN


def _is_digit(word: str, code: str) -> bool:
    return word.isdecimal() or word in _DIGITS.get(code, _NONE)
