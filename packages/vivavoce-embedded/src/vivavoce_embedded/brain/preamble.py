"""Find the question behind the words that a user says before it.

"Good evening, sorry, my husband would like to know until when you are open" asks until when. Words
before a question are about the person who asks, and would count as words of its subject.
"""

from __future__ import annotations

import re

from vivavoce.text.folding import fold

CHARACTERS = 1000  # of an utterance, among which a question is looked for

_WH = (
    r"(?:until |till |up to |at |in |on |for |from |to |since )?(?:when|where|what|which|who|whose|"
    r"how|why|what's|who's|where's)|"
    r"(?:a |in |da |di |fino a |per |con |su |entro )?(?:che|quale|quali|quando|dove|dov'e|cosa|"
    r"cos'e|qual|quanto|quanta|quanti|quante|chi|come|perche)|"
    r"(?:a |en |de |hasta |para |desde |con |cada )?(?:que|cuando|donde|cual|cuales|cuanto|cuanta|"
    r"cuantos|cuantas|quien|quienes|como|por que)"
)
_AUX = (
    r"is|are|do|does|did|can|could|may|must|will|was|were|should|have|has|posso|possiamo|"
    r"si puo|puo|c'e|ci sono|avete|e possibile|devo|serve|hay|puedo|podemos|puede|se puede|"
    r"tienen|tiene|"
    r"es|esta|estan|son|debo"
)
_LEADS = (
    r"know|tell (?:me|us)|ask(?: you)?|asks|asking|wondering|wonders?|understand|find out|explain|"
    r"say|sapere|sa|sai|dirmi|dirci|dimmi|dica|mi dica|chiedere|chiederle|chiede|domandare|capire|"
    r"spiegarmi|dire|saber|sabe|sabes|decirme|decirnos|dime|digame|preguntar|preguntarle|pregunta|"
    r"entender|decir"
)
_LINK = r"(?:(?: ?[,;:]+)? (?:if|whether|se|si|that|exactly|esattamente|exactamente))?"
_AFTER_LEAD = re.compile(rf"\b(?:{_LEADS}){_LINK}[ ,;:]+(?=(?:{_WH}|{_AUX})\b)")
_AFTER_IF = re.compile(rf"\b(?:{_LEADS}) (?:if|whether|se|si) ")
_CLAUSE = re.compile(r"[.!?…¿¡;:,–—]+[ \"'¿¡]*(?=\S)|\s-\s")
_STARTS = re.compile(
    rf"(?:(?:and|so|but|then|please|well|e|ed|ma|allora|quindi|poi|y|pero|entonces|pues|ok|okay) )*"
    rf"(?:{_WH}|{_AUX})\b"
)
_BARE = re.compile(
    r" (?=(?:(?:until |at |in |on )?(?:when|where|who|how much|how many|how long|how do|"
    r"what time|which)|(?:fino )?(?:a che ora|quando)|dove|dov'e|quanto|quanti|quante|"
    r"(?:hasta cuando|a que hora|donde|cuando|cuanto|cuantos|cuantas)) )"
)
_CONDITION = re.compile(r"^(?:[\w ]{0,30}, )?(?:if|when|se|quando|si|cuando|wenn) ")


def inner(text: str) -> str:
    """Return the question without what goes before it, folded; "" if nothing goes before."""
    folded = " ".join(fold(text[:CHARACTERS]).split())
    start = 0
    for gap in _CLAUSE.finditer(folded):
        if _STARTS.match(folded, gap.end()):
            start = gap.end()
    for lead in _AFTER_LEAD.finditer(folded, start):
        start = lead.end()
    if start == 0 and (asked := _AFTER_IF.search(folded)):
        start = asked.end()
    if start == 0 and (colon := folded.rfind(": ")) > 0:
        start = colon + 2
    if start == 0 or _CONDITION.match(folded[:start]):
        return ""
    return folded[start:]


def bare(text: str) -> str:
    """Return the question of a user who makes no pause before it, folded; "" if there is none.

    This also cuts "the man who built the telescope". So it is for questions without an answer.
    """
    folded = " ".join(fold(text[:CHARACTERS]).split())
    found = [match.end() for match in _BARE.finditer(folded)]
    return folded[found[-1] :] if found else ""
