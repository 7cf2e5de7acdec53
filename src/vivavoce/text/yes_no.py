"""The words for yes and no, in English, Italian and Spanish, as `folding.fold` writes them.

Two questions need them. A consent is an utterance of such words and nothing else: "yes, please" is
one. "Yes, but tomorrow" is not, and "right?" asks back. The value of a yes-or-no parameter may
stand among other words.
"""

from __future__ import annotations

import re

from .folding import fold

CHARACTERS = 80  # of a consent; a longer utterance says more than yes or no
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")

_YES_WORDS = "yes|yeah|yep|sure|of course|correct|right|ok|okay|si|certo|esatto|claro|vale"
_NO_WORDS = "no|nope|not|don't|negative|non"
MENTIONS_YES = re.compile(rf"\b({_YES_WORDS})\b")
MENTIONS_NO = re.compile(rf"\b({_NO_WORDS})\b")

_CONSENTS = (
    rf"{_YES_WORDS}|yup|certainly|absolutely|definitely|exactly|perfect|fine|alright|all right|"
    r"go ahead|do it|do that|do so|you may|i do|i agree|i confirm|i'm sure|i am sure|confirmed|"
    r"confirm|that's right|that is right|that's correct|that is correct|"
    r"certamente|sicuro|sicura|sicuramente|va bene|d'accordo|confermo|procedi|proceda|fallo|"
    r"lo faccia|lo faccia pure|faccia pure|faccia|fai pure|volentieri|giusto|perfetto|"
    r"por supuesto|claro que si|de acuerdo|correcto|exacto|seguro|segura|adelante|hazlo|"
    r"hagalo|confirmo|perfecto|esta bien|procede|proceda"
)
_REFUSALS = (
    r"no|nope|nah|negative|no way|no thanks|do not|don't|do not do it|don't do it|don't do that|"
    r"not now|not yet|better not|rather not|i'd rather not|i would rather not|cancel|cancel it|"
    r"cancel that|stop|never mind|leave it|forget it|absolutely not|of course not|"
    r"non farlo|non lo faccia|non lo fare|meglio di no|lascia stare|lascia perdere|lasci stare|"
    r"annulla|annullalo|annulli|non ora|non adesso|assolutamente no|certo che no|niente affatto|"
    r"no lo hagas|no lo haga|mejor no|dejalo|dejelo|cancela|cancelalo|olvidalo|ahora no|"
    r"claro que no|por supuesto que no|para nada"
)
_AROUND = (
    r"please|thanks|thank you|very much|well|oh|ah|uh|um|then|now|it|"
    r"per favore|per cortesia|grazie|mille|beh|allora|adesso|ora|"
    r"por favor|gracias|muchas|pues|entonces|ahora"
)


def _only(words: str) -> re.Pattern[str]:
    """Return a pattern of an utterance that has these words, and some that mean nothing."""
    return re.compile(rf"(?:(?:{_AROUND}) )*(?:{words})(?: (?:{words}|{_AROUND}))*")


_KEEP_ON = re.compile(r"\b(?:don't|do not) (?:stop|cancel)\b")  # it refuses to refuse
_ANSWERS = ((False, _only(_REFUSALS)), (True, _only(_CONSENTS)))


def consent(text: str) -> bool | None:
    """Return True for a plain yes, False for a plain no, and None for any other text."""
    if len(text) > CHARACTERS or "?" in text:
        return None
    plain = " ".join(_WORD.findall(fold(text)))
    if _KEEP_ON.search(plain):
        return None
    return next((value for value, words in _ANSWERS if words.fullmatch(plain)), None)
