"""Facts that a question names exactly, such as a weight, a colour or a number of things.

A sentence without such a fact does not answer, even if its other words fit. "How heavy is the
whale?" wants kilograms: "The whale is 21 metres long" would be wrong.
"""

from __future__ import annotations

import re

from vivavoce.knowledge.normalize import stem, synonyms, terms

_NUMBER = (
    r"(?:\d[\d.,]*|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|"
    r"thirty|forty|fifty|sixty|ninety|hundred|thousand|half(?: an?)?|an?|un[ao]?|un'|due|tre|"
    r"quattro|cinque|sei|sette|otto|nove|dieci|quindici|venti|trenta|quaranta|novanta|cento|mille|"
    r"mezz'?|dos|tres|cuatro|cinco|seis|siete|ocho|nueve|diez|quince|veinte|treinta|cuarenta|"
    r"noventa|cien|mil|media)"
)
_TIME = (
    r"(?:seconds?|min(?:utes?)?|hours?|days?|weeks?|months?|years?|second[oi]|minut[oi]|or[ae]|"
    r"giorn[oi]|settiman[ae]|mes[ei]|ann[oi]|segundos?|minutos?|horas?|dias?|semanas?|mes(?:es)?|"
    r"anos?)"
)
_LENGTH = (
    r"(?:m|cm|mm|km|kilomet(?:re|er)s?|met(?:re|er)s?|centimet(?:re|er)s?|feet|foot|inch(?:es)?|"
    r"miles?|yards?|acres?|hectares?|chilometr[oi]|metr[oi]|centimetr[oi]|ettar[oi]|kilometros?|"
    r"metros?|centimetros?|hectareas?)"
)
_WEIGHT = (
    r"(?:kgs?|g|kilos?|kilograms?|grams?|tons?|tonnes?|pounds?|lbs?|chil[oi]|gramm[oi]|"
    r"tonnellat[ae]|quintal[ei]|kilogramos?|gramos?|toneladas?)"
)
_COLOURS = (
    "red|blue|green|yellow|black|white|grey|gray|brown|orange|purple|pink|golden|silver|"
    "ross[oaie]|blu|azzurr[oaie]|verd[ei]|giall[oaie]|ner[oaie]|bianc(?:o|a|hi|he)|grigi[oa]?|"
    "marron[ei]|arancion[ei]|viola|rosa|roj[oa]s?|azul(?:es)?|verdes?|amarill[oa]s?|negr[oa]s?|"
    "blanc[oa]s?|gris(?:es)?|naranja|morad[oa]s?"
)
_SPAN = rf"\b{_NUMBER} ?{_TIME}\b"
_EXTENT = rf"\b{_NUMBER} ?{_LENGTH}\b"

# What a question wants, and what a sentence must hold to answer it.
_MEASURES = {
    "weight": (
        r"\bhow heavy|\bweighs?\b|\bweight\b|\b(?:quanto|cuanto) pesan?o?\b|\bpeso\b",
        rf"\b{_NUMBER} ?{_WEIGHT}\b",
    ),
    "size": (
        r"\bhow (?:tall|high|wide|deep|big|large)\b|\bquanto (?:e|sono) (?:alt|larg|grand|profond)|"
        r"\bcuanto mide|\bque (?:altura|tamano|anchura)\b|\bcomo de (?:alt|anch|grand)|"
        r"\bquanto misura",
        _EXTENT,
    ),
    "long": (
        r"\bhow long\b|\bhow much time\b|\bhow many (?:minutes|hours|days|weeks)\b|\bduration\b|"
        r"\bquant[ie] (?:minuti|ore|giorni|settimane|mesi)\b|"
        r"\bcuant[oa]s (?:minutos|horas|dias|semanas|meses)\b|"
        r"\bquanto (?:dura|durano|tempo|ci (?:vuole|metto|si mette))\b|\bquanto (?:e|sono) lung|"
        r"\bcuanto (?:dura|duran|tiempo|tarda|se tarda|se tarde|es de larg)",
        rf"{_SPAN}|{_EXTENT}|\b(?:from|dalle) \d.{{0,12}} (?:to|alle) \d",
    ),
    "far": (
        r"\bhow far\b|\bquanto (?:dista|e lontan)|\ba (?:che|que) distan[cz]|"
        r"\bcuanto hay (?:hasta|de)|"
        r"\bdistance\b",
        rf"{_SPAN}|{_EXTENT}",
    ),
    "built": (
        r"\b(?:when|what year|which year|quando|in che anno|cuando|en que ano)\b.*"
        r"\b(?:built|founded|invented|discovered|born|costruit|fondat|inventat|nat[oa]\b|construy|"
        r"construi|fund[oa]|invent|naci)",
        r"\b(?:1\d\d\d|20\d\d)\b|\bcentury\b|\bsecolo\b|\bsiglo\b",
    ),
    "colour": (r"\b(?:what|which) colou?rs?\b|\bdi (?:che|quale) colore|\bde que color", _COLOURS),
    "bought": (
        r"\b(?:buy|purchase|sell|comprare|compro|compriamo|compra|acquistare|vendete|comprar|"
        r"compramos|venden|vendeis)\b",
        r"\b(?:buy|sells?|sold|sale|shop|costs?|available|vend\w+|negozio|compra\w*|acquist\w+|"
        r"costa|costano|tienda|cuestan?|disponibil\w+)\b",
    ),
    "language": (
        r"\b(?:what|which) languages?\b|\b(?:che|quali?|in che) lingu[ae]\b|"
        r"\b(?:que|cuales) idiomas?\b",
        r"\b(?:languages?|lingu[ae]|idiomas?|english|italian|spanish|german|french|inglese?|italiano|"
        r"spagnolo|tedesco|francese?|espanol|aleman|frances)\b",
    ),
    "age": (
        r"\bhow old\b|\bwhat age\b|\bquant[ie] anni (?:ha|hanno)\b|\b(?:che|quale) eta\b|"
        r"\bcuantos anos tienen?\b|\bque edad\b",
        rf"\bages?\b|\beta\b|\bedad\b|\b{_NUMBER} (?:years|anni|anos)\b|"
        rf"\b(?:under|over|sotto i|oltre i) {_NUMBER}\b|"
        r"\b(?:built|founded|born|costruit[oa]|fondat[oa]|nat[oaie]|construid[oa]|fundad[oa])\b",
    ),
    "floor": (
        r"\b(?:what|which) (?:floor|level|storey)\b|\b(?:che|quale) piano\b|"
        r"\bque (?:planta|piso)\b",
        r"\b(?:floors?|levels?|basement|cellar|upstairs|downstairs|courtyard|roof|outside|"
        r"pian[oi]|pianterreno|interrato|cantina|cortile|terrazza|tetto|fuori|"
        r"plantas?|pisos?|sotano|patio|terraza|azotea|fuera)\b",
    ),
    "name": (
        r"\bname of\b|\bwhat (?:is|are|s|'s) .{1,60} (?:called|named)\b|\bcome si chiama|"
        r"\b(?:nome|nombre) (?:di|del|de)\b|\bcomo se llama",
        r"\b(?:called|names?|named|chiama(?:no)?|nom[ei]|llaman?|nombres?)\b",
    ),
    "phone": (
        r"\b(?:tele)?phone number\b|\bnumero di (?:telefono|cellulare)\b|"
        r"\bnumero de (?:telefono|movil)\b|\bwhat number .*call\b",
        r"\d[\d ./-]{1,}\d",
    ),
}  # fmt: skip
_WANTED = {kind: re.compile(wanted) for kind, (wanted, _) in _MEASURES.items()}
_SHOWN = {kind: re.compile(rf"(?:{shown})") for kind, (_, shown) in _MEASURES.items()}
_HOW_MANY = re.compile(
    r"\b(?:how many|quant[ie]|cuant[oa]s)(?: (?:different|diversi|otros))? (\w+)"
)
_COUNTED = re.compile(
    rf"(?<!number )(?<!numero )(?<!room )(?<!lab )(?<!sala )\b{_NUMBER}\b(?! ?(?:am|pm)\b)"
)
_NOT_COUNTED = {"much", "people", "persone", "personas", "gente", "anni", "anos", "years"}

# The words of a measure say what is wanted, and nothing of what it is about.
KIND_WORDS = {
    "en": "heavy weigh weight tall high wide deep big large far distance colour color phone "
    "telephone number duration last time minutes hours days weeks free sell included old age years",
    "it": "pesa pesano peso alto alta largo larga grande profondo lungo lunga lontano distanza "
    "colore telefono numero tempo dura durano vuole giorni settimane costruito costruita gratis "
    "gratuito gratuita "
    "compreso vendete vende eta anni",
    "es": "pesa pesan peso mide alto ancho largo grande profundo lejos distancia color telefono "
    "numero tiempo dura duran tarda dias semanas construyo construyeron gratis gratuito incluido "
    "venden vende edad anos",
}


def wanted(folded: str) -> list[str]:
    """Return the measures that a question asks for."""
    found = [kind for kind, pattern in _WANTED.items() if pattern.search(folded)]
    return found or (["many"] if _HOW_MANY.search(folded) else [])


def shows(kind: str, folded: str) -> bool:
    """Look for such a fact in a sentence."""
    if kind == "many":
        return bool(_COUNTED.search(folded))
    return bool(_SHOWN[kind].search(folded))


def counts(asked: str, stems: frozenset[str], language: str) -> bool:
    """Return whether a sentence of these stems names the things that "how many" asks for."""
    match = _HOW_MANY.search(asked)
    if match is None or match[1] in _NOT_COUNTED:
        return True
    things = {stem(match[1], language)}
    things |= set().union(*(synonyms(language).get(thing, frozenset()) for thing in things))
    return bool(things & stems) or not terms(match[1], language)


KINDS = frozenset({*_MEASURES, "many"})
