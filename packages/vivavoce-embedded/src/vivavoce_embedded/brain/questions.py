"""Find the kind of fact that a question wants, and which sentences hold facts of that kind.

All patterns but one work on folded text. The pattern of people needs their capitals.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from vivavoce.knowledge.normalize import stem
from vivavoce.text.calendar import MONTHS
from vivavoce.text.folding import fold

from . import measures

_DAYS = (
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)day|lunedi|martedi|mercoledi|giovedi|venerdi|sabato|"
    r"domenica|lunes|martes|miercoles|jueves|viernes|domingo"
)
_HOURS = "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|half|quarter"
_NAMES = "|".join(fold(month) for names in MONTHS.values() for month in names if month != "May")
_WANTED = {
    "end": r"\b(how late|until when|fino a (quando|che ora)|hasta (cuando|que hora))\b",
    "when": r"\b(when|(what|which) (time|days?)|what dates?|how often|what hours?|"
    r"quando|a che ora|che ora|che giorn[oi]|qual[ei] giorn[oi]|orari[oi]?|ogni quanto|"
    r"cuando|a que hora|que hora|que dias?|horarios?|cada cuanto)\b",
    "date": r"\b(what|which) (day|date)s?\b|\b(che|quale|quali) (giorn[oi]|dat[ae])\b|"
    r"\bque (dia|fecha)s?\b",
    "where": r"\b(where|which (room|floor|hall|place|building)|what (room|floor|hall)|dove|dov|"
    r"in (che|quale) (sala|aula|piano|stanza)|a (che|quale) piano|quale (sala|aula)|donde|"
    r"en que (sala|aula|planta|piso)|que sala)\b",
    "cost": r"\b(how much|cost|costs|price|prices|fee|expensive|free of charge|"
    r"quanto (costa|costano|viene|si paga|pag\w+)|costo|prezzo|prezzi|gratis|gratuito|"
    r"cuanto (cuesta|cuestan|vale|valen|hay que pagar|pag\w+)|precio|precios|coste)\b",
    "who": r"\b(who|whose|which speaker|what speaker|chi|relatore|relatrice|quien|quienes|"
    r"ponente)\b",
}
_SHOWN = {
    "end": r"\b(until|till|ends?|finish(es)?|closes?|to \d|a \d|fino|alle|finisce|termina|chiude|"
    r"hasta|acaba|cierra|a las)\b",
    "when": rf"\b((at|from|to|until|till|past|by|before|after|between) (half )?({_HOURS}|\d)|noon|"
    rf"midnight|{_DAYS}|{_NAMES}|every|morning|afternoon|evening|weeks?|daily|alle|ore|dalle|ogni|"
    rf"mattina|sera|settiman[ae]|a las|de \d+ a|de la manana|cada|semanas?|todos los dias|"
    rf"minutes (before|after)|half past|always|sempre|siempre|1\d\d\d|20\d\d)\b|\d:\d|\d ?[ap]m\b",
    "where": r"\b(floor|level|room|next to|near|front|behind|left|right|entrance|street|under|"
    r"hall|opposite|beside|outside|inside|in the|at the|piano|accanto|vicino|sala|ingresso|davanti|"
    r"dietro|sotto|fuori|dentro|nella|nell?|all'|al|presso|planta|piso|junto|cerca|entrada|delante|"
    r"detras|debajo|frente|fuera|en el|en la)\b",
    "cost": r"\b(euros?|dollars?|pounds?|costs?|pay|free|price|gratis|gratuit[oaie]+|cuestan?|"
    r"costano?|incluso|inclusa|incluid[oa]s?|included|pag[ao])\b|[€$£]",
}
# One after the other: a single pattern with `.*` between them would try each pair of places.
_WANTED_FROM = {
    "end": (
        re.compile(
            r"\b(when|what time|until when|how late|a che ora|quando|fino a (quando|che ora)|"
            r"cuando|a que hora|hasta (cuando|que hora))\b"
        ),
        re.compile(
            r"\b(end|ends|ending|finish|finishes|close|closes|closing time|over|until|finisce|"
            r"finiscono|termina|chiude|chiudono|acaba|acaban|cierra|cierran|terminan)\b"
        ),
    )
}
_PERSON = re.compile(
    r"\b[A-ZÀ-Ý][\w'’-]{1,40} (?:(?:de|di|da|del|van|von|la) ){0,3}[A-ZÀ-Ý][\w'’-]"
)
_WANTED_COMPILED = {kind: re.compile(pattern) for kind, pattern in _WANTED.items()}
_SHOWN_COMPILED = {kind: re.compile(pattern) for kind, pattern in _SHOWN.items()}

# "When does it open?" wants a sentence about opening, not any hour.
_OPENING = re.compile(
    r"\b(open|opens|opened|close|closes|closed|shut|opening (hours|times?)|closing time|apre|"
    r"aprite|"
    r"aprono|aperti|aperto|aperta|aperte|chiude|chiudete|chiudono|chiuso|orari[oi]? di apertura|"
    r"abre|abren|abris|abierto|abierta|abiertos|cierra|cierran|cerrado|horarios? de apertura)\b"
)
_CLOSING = re.compile(
    r"\b(until|till|close[sd]?|closing|shut|to|chiude|chiudono|chiuso|fino|alle|cierra|cierran|"
    r"hasta|a) "
)
# A sentence without such a fact does not answer, even if its words fit.
STRICT = measures.KINDS | {"cost", "hours"}

_WHAT = re.compile(r"\b(what|which)\b")
_TOPIC = re.compile(
    r"\bdi (che|cosa|che cosa) (parla|parlano|tratta)\b|"
    r"\bde que (trata|habla|va)\b"
)
# "What happens when it rains?" asks for no time, but "I would like to know when it rains" does.
_WHEN = re.compile(r"\b(?:when|quando|cuando) ")
_ASKS_ELSE = re.compile(
    r"\b(?:what (?:happens|do|if|can|should)|who|where|how|che cosa|cosa|dove|chi|come|que|donde|"
    r"quien|como)\b"
)
_LINKS_WHEN = re.compile(r"\b(?:and|or|know|tell me|e|o|y|sapere|saber)\b")
_ASKING = re.compile(
    r"^(and |e |y |so |ok |okay |hello |hi |ciao |hola |excuse me |scusi |scusa |perdon )*"
    r"(when|where|what|what's|which|who|who's|whose|how|why|is|are|does|do|did|was|will|"
    r"a che|a quale|in (che|quale)|da dove|quando|dove|dov|dov'e|che|cosa|cos'e|quale|quali|qual|"
    r"quanto|quanta|quanti|quante|chi|come|perche|c'e|ci sono|"
    r"a que|en que|de donde|cuando|donde|que|cual|cuales|cuanto|cuanta|cuantos|cuantas|quien|"
    r"quienes|como|por que|hay|esta|estan|es|son|tiene|tienen)\b"
)
_YES_OR_NO = re.compile(
    r"^(?:(?:and|so|e|y) )?(?:is|are|can|could|may|do|does|did|has|have|will|posso|"
    r"possiamo|si puo|puo|"
    r"c'e|ci sono|avete|fate|mi fate|accettate|puedo|podemos|se puede|puede|hay|tienen|"
    r"tiene|aceptan)\b"
)
_GOES_ON = re.compile(
    r"(?:it|they|e|sono|si trova|si trovano|esta|estan|se encuentra|se encuentran)\b"
)
_QUESTION_WORD = re.compile(
    r"\b(?:when|where|what|which|who|whose|how|why|what's|che|cosa|cos'e|quale|quali|qual|quando|"
    r"dove|dov'e|quanto|quanta|quanti|quante|chi|come|perche|que|cual|cuales|cuando|donde|cuanto|"
    r"cuanta|cuantos|cuantas|quien|quienes|como)\b"
)
_WITHIN = re.compile(
    r"\b(?:where|dove|dov'e|donde) .*\b(?:in the|at the|inside|nel|nella|nell'|nello|al|alla|"
    r"en el|en la|dentro)\b"
)
_LEANING = re.compile(
    r"^(and|and what about|what about|how about|e|ed|invece|y|e invece|y que tal)\b|"
    r"\b(it|its|that|this|there|he|she|they|them|his|her|ci|lui|lei|quello|quella|esso|"
    r"li|ahi|alli|eso|ese|esa|el|ella|ello)$|\b(it|its|they|he|she|esso|essa|ello)\b"
)

# Words of the kind of question rather than of its subject: they should not decide what it is about.
_KIND_WORDS = {
    "en": """start begin end finish open close time hour day date room floor cost price pay euro
        speak speaker talk place held located location go reach exactly today take
        long often late early minute near nearby speech session lecture bring leave use take
        buy find see come build built allowed possible""",
    "it": """inizia comincia finisce termina apre chiude ora ore orario giorno data sala piano costa
        vicino costo prezzo pagare euro parla relatore posto luogo trova arrivare raggiungere andare
        esattamente dura minuto oggi tiene conferenza intervento presentazione sessione portare
        lasciare usare prendere comprare vedere permesso possibile""",
    "es": """empieza comienza termina acaba abre cierra hora horario dia fecha sala planta piso
        cerca cuesta costo precio pagar euro habla ponente lugar llegar ir exactamente dura minuto
        hoy queda celebra charla ponencia sesion conferencia traer llevar dejar usar tomar comprar
        ver permitido posible""",
}
KIND_WORD_WEIGHT = 0.3
# Kind words that name an action: a user who asks where a tour ends does not ask for its start.
_ACTIONS = {
    "en": "start begin end finish open close bring leave use find found see seen come came "
    "built build borrow",
    "it": "inizia comincia finisce termina apre chiude portare trovare trovato trovata vedere "
    "visto costruito costruita",
    "es": "empieza comienza termina acaba abre cierra traer encontrar encontro ver construyo",
}


def weights(asked: Sequence[str], language: str) -> dict[str, float]:
    """For `Index.search`. Numbers too say little about a subject."""
    numbers = [word for word in asked if word.lstrip("#").isdigit()]
    return kind_weights(language) | dict.fromkeys(numbers, KIND_WORD_WEIGHT)


@lru_cache(maxsize=8)
def kind_weights(language: str) -> dict[str, float]:
    written = f"{_KIND_WORDS[language]} {measures.KIND_WORDS[language]}"
    words = {stem(word, language) for word in written.split()}
    return dict.fromkeys(words, KIND_WORD_WEIGHT)


@lru_cache(maxsize=8)
def actions(language: str) -> frozenset[str]:
    return frozenset(stem(word, language) for word in _ACTIONS[language].split())


def kinds(folded: str) -> list[str]:
    """Return the kinds of facts that a question wants, the most particular first."""
    found = [kind for kind, pattern in _WANTED_COMPILED.items() if _wants(kind, pattern, folded)]
    found += measures.wanted(folded)
    if "when" in found and _is_condition(folded):
        found.remove("when")
    timed = "when" in found or "end" in found or (not found and wants_yes_or_no(folded))
    if timed and _OPENING.search(folded):
        found.append("hours")
    over = {
        "when": {"end", "built"},
        "where": {"far"},
        "cost": {"who", "when", "where"},  # "The price of wind" is a title
    }
    return [kind for kind in found if not over.get(kind, set()) & set(found)]


def _is_condition(folded: str) -> bool:
    """Return whether another question word stands before the last "when"."""
    *_, last = ["", *_WHEN.split(folded)[:-1]]
    return bool(_ASKS_ELSE.search(last)) and not _LINKS_WHEN.search(last)


def _wants(kind: str, pattern: re.Pattern[str], folded: str) -> bool:
    if pattern.search(folded):
        return True
    begin, end = _WANTED_FROM.get(kind, (None, None))
    if begin is None or end is None:
        return False
    begun = begin.search(folded)
    return begun is not None and end.search(folded, begun.end()) is not None


def asks_topic(folded: str) -> bool:
    """Recognise "what is …?", which the beginning of a text answers."""
    if folded.endswith(" about") and _WHAT.search(folded):
        return True
    return bool(_TOPIC.search(folded))


def shows(kind: str, sentence: str, folded: str) -> bool:
    """Look for a fact of that kind in a sentence."""
    if kind == "who":
        return bool(_PERSON.search(sentence))
    if kind == "hours":
        return bool(_OPENING.search(folded))
    if kind == "date":
        kind = "when"
    if kind in measures.KINDS:
        return measures.shows(kind, folded)
    return bool(_SHOWN_COMPILED[kind].search(folded))


def place(folded: str) -> tuple[int, int] | None:
    """Return the first and last character of a sentence's first word of a place."""
    found = _SHOWN_COMPILED["where"].search(folded)
    return found.span() if found else None


def goes_on(folded: str) -> bool:
    """Recognise a sentence that has the subject of the sentence before."""
    return bool(_GOES_ON.match(folded))


def tells_closing(folded: str) -> bool:
    """Look for words that give the end of opening hours."""
    return bool(_CLOSING.search(folded))


def wants_yes_or_no(folded: str) -> bool:
    return bool(_YES_OR_NO.match(folded))


def has_question_word(folded: str) -> bool:
    return bool(_QUESTION_WORD.search(folded))


def within(folded: str) -> bool:
    """Recognise "where in the hall", whose place is known and not what is asked for."""
    return bool(_WITHIN.search(folded))


def is_question(folded: str) -> bool:
    return bool(_ASKING.match(folded))


def leans(folded: str) -> bool:
    """Recognise a question about the last subject, such as "and where is it?" or "e dove?"."""
    return bool(_LEANING.search(folded))
