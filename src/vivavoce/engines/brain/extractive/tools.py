"""Which tool somebody wants, and with which arguments.

A tool is meant when the words outside its arguments are those of its name, its description or
its `x-examples` (a word of `parameters`, as a list or a table by language). Tools are often
declared in English only, so the everyday verbs of the three languages stand for each other.
"""

from __future__ import annotations

import datetime as dt
import re
from functools import lru_cache
from itertools import islice

import msgspec

from ....core.values import ToolSpec
from ....knowledge.words import fold, stem, terms
from . import slots
from .questions import is_question
from .utterance import Utterance

ENOUGH = 0.5  # score from which a tool is meant
ORDER = 0.6  # of the confidence in an answer an order needs for a tool; a question all of it
QUESTION = 0.5  # a question asks for knowledge, unless the tool looks something up

PROPERTIES = 32  # of a tool that are looked at

_ANY_DAY = dt.date(2000, 1, 1)  # where only the words of a date matter
_GENERIC = {"get", "set", "do", "make", "create", "add", "new", "tool", "function", "current",
            "user"}  # fmt: skip
_LOOKUP = {"get", "find", "search", "check", "look", "lookup", "list", "query", "fetch", "read"}
_POLITE = re.compile(
    r"^(hello |hi |ciao |hola )?((can|could|would|will) (you|i)|please|i want|i need|i'd like|"
    r"i would like|let's|vorrei|voglio|puoi|potresti|potrei|posso|per favore|mi serve|quiero|"
    r"quisiera|puedes|podrias|puedo|por favor|necesito|me gustaria)\b"
)
_NEUTRAL = ["please", "before", "after", "minute", "hour", "number", "like", "use", "want", "for"]
_CONCEPTS = [
    "show display mostra mostrami vedere visualizza muestra muestrame ensename ver",
    "book reserve reservation booking prenota prenotare prenotazione reserva reservar",
    "call ring phone chiama chiamami chiamare telefona llama llamar llamame",
    "remind reminder ricorda ricordami promemoria recuerda recuerdame recordatorio avisame",
    "open apri aprire abre abrir", "close shut chiudi chiudere cierra cerrar",
    "send mail email manda mandami invia inviare spedisci envia enviar manda mandame",
    "find search look cerca cercare trova busca buscar encuentra",
    "play riproduci suona metti pon reproduce tocar", "stop ferma interrompi para deten",
    "start begin avvia inizia empieza inicia arranca", "cancel annulla disdici cancela anula",
    "turn switch accendi spegni enciende apaga", "order ordina ordinare pide pedir ordena",
    "buy purchase compra comprare comprar", "save note salva annota guarda apunta anota",
    "map mappa piantina cartina mapa plano", "table tavolo mesa", "ticket biglietto entrada boleto",
    "weather forecast tempo meteo clima tiempo", "timer conto temporizador", "alarm sveglia alarma",
    "light lamp luce luci luz luces", "room sala stanza camera aula habitacion",
    "message messaggio mensaje", "appointment appuntamento cita", "taxi cab tassi",
    "music song musica canzone cancion", "time ora hora", "price prezzo precio",
    "translate traduci tradurre traduce traducir", "register iscrivi registra inscribe apunta",
]  # fmt: skip


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    tool: Tool
    arguments: dict[str, object]
    score: float


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A declared tool, in one language."""

    name: str
    language: str
    properties: dict[str, slots.Schema]
    required: tuple[str, ...]
    name_words: frozenset[str]
    words: frozenset[str]
    neutral: frozenset[str]
    looks_up: bool
    examples: tuple[frozenset[str], ...] = ()  # stems outside the arguments

    def missing(self, arguments: dict[str, object]) -> str | None:
        return next((name for name in self.required if name not in arguments), None)


def declared(spec: ToolSpec, language: str) -> Tool:
    return _declared(msgspec.json.encode(spec), language)


@lru_cache(maxsize=256)
def _declared(encoded: bytes, language: str) -> Tool:
    spec = msgspec.json.decode(encoded, type=ToolSpec)
    properties = spec.parameters.get("properties")
    plain = {
        name: slots.plain(schema) for name, schema in islice(_table(properties).items(), PROPERTIES)
    }
    required = spec.parameters.get("required")
    name = fold(re.sub(r"(?<=[a-z])(?=[A-Z])|[_.-]+", " ", spec.name)).split()
    name_words = [word for word in name if word not in _GENERIC] or name
    examples = tuple(slots.in_language(spec.parameters.get("x-examples"), language))
    example_words = {word for example in examples for word in terms(example, language)}
    own = _meanings(name_words, language)
    neutral = [*_NEUTRAL, *plain]
    tool = Tool(
        name=spec.name,
        language=language,
        properties=plain,
        required=tuple(n for n in _texts(required) if n in plain),
        name_words=own,
        words=own | example_words | _meanings(fold(spec.description).split(), language),
        neutral=_meanings(neutral, language) - own,
        looks_up=bool(name and name[0] in _LOOKUP),
    )
    stems = tuple(_outside(example, tool, _ANY_DAY) for example in examples)
    return msgspec.structs.replace(tool, examples=stems)


def _table(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _texts(value: object) -> list[str]:
    return [v for v in value if isinstance(v, str)] if isinstance(value, list) else []


@lru_cache(maxsize=1)
def _concepts() -> dict[str, str]:
    """Each everyday word → the first of its group. A word of two groups keeps its first."""
    groups: dict[str, str] = {}
    for group in _CONCEPTS:
        first, *others = group.split()
        for word in (first, *others):
            groups.setdefault(word, first)
    return groups


def _meanings(words: list[str], language: str) -> frozenset[str]:
    """Stems and, where there is one, the concept behind a word (written with a +)."""
    concepts = _concepts()
    kept = [word for word in words if terms(word, language) or word in concepts]
    stems = {stem(re.sub(r"\W", "", word), language) for word in kept}
    return frozenset(stems | {f"+{concepts[word]}" for word in kept if word in concepts})


def best(specs: tuple[ToolSpec, ...], said: Utterance, today: dt.date) -> Candidate | None:
    """The tool that fits best, however badly; None if there are none."""
    candidates = [weigh(declared(spec, said.language), said, today) for spec in specs]
    return max(candidates, key=lambda candidate: candidate.score, default=None)


def weigh(tool: Tool, said: Utterance, today: dt.date) -> Candidate:
    arguments, rest = fill(tool, said, today)
    outside = [w for w in re.findall(r"[a-z']+", rest) if terms(w, tool.language)]
    meant = [m for w in outside if not (m := _meanings([w], tool.language)) & tool.neutral]
    hits = [m for m in meant if m & tool.words]
    names = {word for m in meant for word in m & tool.name_words}
    wanted = {word for word in tool.name_words if word.startswith("+")} or tool.name_words
    named = min(1.0, len(names & wanted or names) / len(wanted))
    stems = frozenset(terms(rest, tool.language)) - tool.neutral
    example = max((_alike(stems, words) for words in tool.examples), default=0.0)
    score = 0.45 * len(hits) / (len(meant) or 1)
    score += 0.35 * max(named, example)
    score += 0.15 * min(1.0, len(arguments) / (len(tool.required) or len(tool.properties) or 1))
    score += 0.1 * bool(_POLITE.match(said.folded))
    if not hits:
        score *= 0.2
    if is_question(said.folded) and not tool.looks_up and example < 0.9:
        score *= QUESTION
    return Candidate(tool=tool, arguments=arguments, score=min(1.0, score))


def fill(tool: Tool, said: Utterance, today: dt.date) -> tuple[dict[str, object], str]:
    """The arguments that are in an utterance, and its words that are in none of them."""
    arguments: dict[str, object] = {}
    rest = said.digits
    # Free text would swallow the words of the others: it comes last.
    for name in sorted(tool.properties, key=lambda n: is_free(tool.properties[n])):
        required = name in tool.required
        found = slots.find(tool.properties[name], said, rest, today, required=required)
        if found is not None:
            arguments[name] = found.value
            rest = rest.replace(found.said, " ", 1) if found.said else rest
    return arguments, rest


def is_free(schema: slots.Schema) -> bool:
    kind = schema.get("type")
    return kind in (None, "string") and not any(k in schema for k in ("enum", "format", "pattern"))


def _outside(text: str, tool: Tool, today: dt.date) -> frozenset[str]:
    """The stems of a text without what belongs to the arguments."""
    _, rest = fill(tool, Utterance(text, tool.language), today)
    return frozenset(terms(rest, tool.language)) - tool.neutral


def _alike(words: frozenset[str], example: frozenset[str]) -> float:
    """Jaccard's measure."""
    return len(words & example) / (len(words | example) or 1)
