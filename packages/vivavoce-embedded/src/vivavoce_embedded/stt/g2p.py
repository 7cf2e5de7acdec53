"""Pronounce English words by CMU's dictionary, or by their letters.

A table of letters and their usual sounds, tried in order at each place; a few dozen rules read
nine of ten names well enough for a recogniser that knows what it expects.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_SPELT = dict(
    zip(
        "abcdefghijklmnopqrstuvwxyz",
        """EY,B IY,S IY,D IY,IY,EH F,JH IY,EY CH,AY,JH EY,K EY,EH L,EH M,EH N,OW,P IY,K Y UW,AA R,
        EH S,T IY,Y UW,V IY,D AH B AH L Y UW,EH K S,W AY,Z IY""".replace("\n", "").split(","),
        strict=True,
    )
)

_C = "[bcdfghjklmnpqrstvwxz]"
_RULES = [
    (re.compile(letters), sounds.split())
    for letters, sounds in (
        # whole endings
        ("tions?$", "SH AH N"),
        ("[sc]ions?$", "SH AH N"),
        ("tures?$", "CH ER"),
        ("ough", "AO"),
        ("augh", "AO"),
        ("igh", "AY"),
        ("[ae]ble$", "AH B AH L"),
        (f"(?<={_C})le$", "AH L"),
        ("ing$", "IH NG"),
        ("(?<=[^aeiou]{2})ed$", "D"),
        # several letters, one sound
        ("ch(?=i$)", "K"),
        ("tch|ch(?!r)", "CH"),
        ("chr", "K R"),
        ("sch|sh|s(?=ure)", "SH"),
        ("th", "TH"),
        ("ph", "F"),
        ("^wh", "W"),
        ("^kn|^gn", "N"),
        ("^wr", "R"),
        ("^ps", "S"),
        ("qu", "K W"),
        ("ck", "K"),
        ("dge?(?=[ey]|$)", "JH"),
        ("gh|h(?=$)", ""),
        ("gli(?=[aeo])", "L Y"),
        ("zz", "T S"),
        ("ng$|ng(?=[^aeiouylr])", "NG"),
        ("n(?=[kcq])", "NG"),
        # vowels in company
        ("eer|ear", "IH R"),
        ("oor|our|oar|ore$", "AO R"),
        ("air|are$|aire$", "EH R"),
        ("ire$", "AY ER"),
        ("ar", "AA R"),
        ("er|ir|ur|yr", "ER"),
        ("or$|(?<=[aeiou])or", "ER"),
        ("or", "AO R"),
        ("ee|ea|ie(?=.)|ei", "IY"),
        ("oo|eu|ew|ui|ue$", "UW"),
        ("ou|ow(?=[nld])", "AW"),
        ("ow|oa|oe$", "OW"),
        ("oi|oy", "OY"),
        ("ai|ay|ey(?=.)", "EY"),
        ("au|aw", "AO"),
        ("ey$|ie$|y$", "IY"),
        ("ia", "IY AH"),
        ("io", "IY OW"),
        # one vowel, long before a consonant and a silent e
        (f"a(?={_C}e$)", "EY"),
        (f"e(?={_C}e$)", "IY"),
        (f"[iy](?={_C}e$)", "AY"),
        (f"o(?={_C}e$)", "OW"),
        (f"u(?={_C}e$)", "UW"),
        (f"(?<={_C})e$|e(?=s$)", ""),
        ("a$", "AH"),
        ("o$", "OW"),
        ("i$", "IY"),
        ("u$", "UW"),
        ("a", "AE"),
        ("e", "EH"),
        ("i|(?<=.)y(?![aeiou])", "IH"),
        ("o", "AA"),
        ("u", "AH"),
        # consonants, doubled ones once
        ("cc(?=[eiy])", "CH"),
        ("c(?=[eiy])", "S"),
        ("cc?|kk?|q", "K"),
        ("g(?=[eiy])", "JH"),
        ("gg?", "G"),
        ("(?<=[aeiou])s(?=[aeiou])|zz?", "Z"),
        ("ss?", "S"),
        ("x", "K S"),
        ("j", "JH"),
        ("y", "Y"),
        ("bb?", "B"),
        ("dd?", "D"),
        ("ff?", "F"),
        ("h", "HH"),
        ("ll?", "L"),
        ("mm?", "M"),
        ("nn?", "N"),
        ("pp?", "P"),
        ("rr?", "R"),
        ("tt?", "T"),
        ("vv?", "V"),
        ("ww?", "W"),
        ("'s$", "Z"),
        ("'", ""),
    )
]


def dictionary(vocabulary: Iterable[str], known: Iterable[str]) -> Iterator[str]:
    """Lines of a pronouncing dictionary for these words; `known` are those of a larger one."""
    wanted = set(vocabulary)
    missing = set(wanted)
    for line in known:
        word = line.partition(" ")[0].partition("(")[0]
        if word in wanted:
            missing.discard(word)
            yield line.rstrip("\n")
    for word in sorted(missing):
        yield f"{word} {' '.join(sounds(word))}"


def sounds(word: str) -> list[str]:
    """Its letters' usual sounds, as CMU names them. A word that cannot be pronounced is spelt."""
    if not re.search("[aeiouy]", word):
        return [sound for letter in word for sound in _SPELT.get(letter, "").split()]
    result: list[str] = []
    at = 0
    while at < len(word):
        found, said = next((match, s) for rule, s in _RULES if (match := rule.match(word, at)))
        result += said
        at = found.end()
    return result or [sound for letter in word for sound in _SPELT.get(letter, "").split()]
