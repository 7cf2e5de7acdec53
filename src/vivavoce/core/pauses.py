"""Does what was said so far want to go on? The text rule of `semantic_vad`.

Nobody ends a question with "and", "the" or "um": who pauses there is thinking. The rule looks at
the last word only, so it needs no model, costs nothing and can be read here in full. It knows
English, Italian and Spanish; in other languages every pause counts as an end.

What can well be a last word is left out ("where it is", "who do I pay for", "¿qué hora es?"):
to wait seconds after a finished question is worse than to answer half of one.
"""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]*)?")


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


def unfinished(text: str, language: str | None) -> bool:
    """Does `text` end in a word of `language` (`en`, `it-IT`, …) that something must follow?"""
    words = _WORD.findall(text.casefold())
    known = _UNFINISHED.get((language or "").partition("-")[0].casefold(), frozenset())
    return bool(words) and words[-1].replace("’", "'") in known
