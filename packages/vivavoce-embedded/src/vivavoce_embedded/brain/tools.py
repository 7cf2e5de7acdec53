"""Find the tool that the user wants, and its arguments.

A tool is meant when the words outside its arguments are those of its name, its description or
its `x-examples` (a word of `parameters`, as a list or a table by language). Tools are often
declared in English only, so the everyday verbs of the three languages stand for each other.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from itertools import islice

import msgspec

from vivavoce.core.types import ToolSpec
from vivavoce.knowledge.normalize import WORD_CHARACTERS, stem, terms
from vivavoce.text.folding import fold

from . import slots, templates
from .budget import STEPS, Budget, Spent
from .questions import is_question
from .utterance import UserUtterance

ENOUGH = 0.5  # score from which a tool is meant
ORDER = 0.6  # of the confidence in an answer an order needs for a tool; a question all of it
QUESTION = 0.5  # a question asks for knowledge, unless the tool looks something up

PROPERTIES = 32  # of a tool that are looked at; more are passed over
OPTIONS = 8  # of an optional property
EXAMPLES = 64  # of a tool, in one language,
EXAMPLE_CHARACTERS = 300  # and of each as much
NAME_CHARACTERS, DESCRIPTION_CHARACTERS = 100, 400  # of a tool, or of a property
KEPT_BYTES = 2 * 1024 * 1024  # of tools as JSON, whose words are remembered
STEPS_A_WORD = 40  # what it costs to find the stem and the meaning of a new word
STEPS_A_TOOL = 30  # to weigh one
BYTES_A_STEP = 16  # of JSON, read

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
    tool: CallableTool
    arguments: dict[str, object]
    score: float
    unsettled: dict[str, object] = {}  # times that may be of the morning or of the evening


class CallableTool(msgspec.Struct, frozen=True, kw_only=True):
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
    templates: tuple[templates.Template, ...] = ()

    def missing(self, arguments: dict[str, object]) -> str | None:
        return next((name for name in self.required if name not in arguments), None)


class Declared:
    """Tools that were read already: most requests bring the same ones. Bounded in bytes.

    A tool costs the same whether it was read before or not. So what a request may do never depends
    on the requests before it.
    """

    def __init__(self, most: int = KEPT_BYTES) -> None:
        self._most = most
        self._kept: OrderedDict[tuple[bytes, str], tuple[CallableTool | None, int]] = OrderedDict()
        self.bytes = 0  # of what is kept

    def read(self, encoded: bytes, language: str, budget: Budget) -> CallableTool | None:
        """Prepare a tool in one language; None for an invalid one. Raises `Spent`."""
        held = self._kept.get((encoded, language))
        if held is None:
            own = Budget(min(STEPS, max(budget.left, 0)))
            before = own.left
            try:
                tool = _declared(encoded, language, own)
            except Spent:
                budget.left = -1
                raise
            held = tool, before - own.left
            self._keep((encoded, language), held)
        self._kept.move_to_end((encoded, language))
        budget.spend(held[1])
        return held[0]

    def _keep(self, key: tuple[bytes, str], held: tuple[CallableTool | None, int]) -> None:
        self._kept[key] = held
        self.bytes += len(key[0])
        while self.bytes > self._most and len(self._kept) > 1:
            (old, _), _ = self._kept.popitem(last=False)
            self.bytes -= len(old)


_DECLARED = Declared()


def declared(encoded: bytes, language: str, budget: Budget) -> CallableTool | None:
    return _DECLARED.read(encoded, language, budget)


def _declared(encoded: bytes, language: str, budget: Budget) -> CallableTool | None:
    budget.spend(len(encoded) // BYTES_A_STEP)
    try:
        spec = msgspec.json.decode(encoded, type=ToolSpec)
    except (ValueError, RecursionError):
        return None
    plain = _properties(spec)
    budget.spend(STEPS_A_WORD * len(plain))
    name = _name_words(spec.name)
    examples = [
        example[:EXAMPLE_CHARACTERS]
        for example in slots.in_language(spec.parameters.get("x-examples"), language)[:EXAMPLES]
    ]
    described = fold(spec.description[:DESCRIPTION_CHARACTERS]).split()
    budget.spend(STEPS_A_WORD * (len(described) + sum(len(e.split()) for e in examples)))
    own = _meanings([word for word in name if word not in _GENERIC] or name, language)
    tool = CallableTool(
        name=spec.name,
        language=language,
        properties=plain,
        required=tuple(dict.fromkeys(n for n in _texts(spec.parameters.get("required"), plain))),
        name_words=own,
        words=own
        | {word for example in examples for word in terms(templates.literal(example), language)}
        | _meanings(described, language),
        neutral=_meanings([*_NEUTRAL, *plain], language) - own,
        looks_up=bool(name and name[0] in _LOOKUP),
    )
    stems = tuple(_outside(example, tool, budget) for example in examples)
    read = (templates.read(example, plain, language) for example in examples)
    phrases = tuple(each for each in read if each is not None)
    return msgspec.structs.replace(tool, examples=stems, templates=phrases)


def _properties(spec: ToolSpec) -> dict[str, slots.Schema]:
    some = islice(_table(spec.parameters.get("properties")).items(), PROPERTIES)
    named = _table(spec.parameters.get("$defs"))
    return {
        name: slots.plain(_resolved(schema, named))
        for name, schema in some
        if len(name) <= NAME_CHARACTERS
    }


def _resolved(schema: object, named: dict[str, object]) -> object:
    """Return a schema with the one that it refers to, also where it is optional or of a list."""
    if not isinstance(schema, dict):
        return schema
    reference = schema.get("$ref")
    if isinstance(reference, str):
        return {**_table(named.get(reference.removeprefix("#/$defs/"))), **schema}
    inner: dict[str, object] = {}
    if isinstance(options := schema.get("anyOf"), list):
        inner["anyOf"] = [_referred(each, named) for each in options[:OPTIONS]]
    if "items" in schema:
        inner["items"] = _referred(schema["items"], named)
    return {**schema, **inner}


def _referred(schema: object, named: dict[str, object]) -> object:
    """Return the schema that an inner one refers to, or the inner one itself."""
    reference = _table(schema).get("$ref")
    found = named.get(reference.removeprefix("#/$defs/")) if isinstance(reference, str) else None
    return schema if found is None else found


def _name_words(name: str) -> list[str]:
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])|[_.-]+", " ", name[:NAME_CHARACTERS])
    return fold(parted).split()


def _table(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _texts(value: object, among: Iterable[str]) -> list[str]:
    names = set(among)
    found = value if isinstance(value, list) else []
    return [v for v in found if isinstance(v, str) and v in names]


@lru_cache(maxsize=1)
def _concepts() -> dict[str, str]:
    """Each everyday word → the first of its group. A word of two groups keeps its first."""
    groups: dict[str, str] = {}
    for group in _CONCEPTS:
        first, *others = group.split()
        for word in (first, *others):
            groups.setdefault(word, first)
    return groups


def _meanings(words: Iterable[str], language: str) -> frozenset[str]:
    """Stems and, where there is one, the concept behind a word (written with a +)."""
    return frozenset().union(*(_meaning(word[:WORD_CHARACTERS], language) for word in words))


@lru_cache(maxsize=8192)
def _meant(word: str, language: str) -> frozenset[str]:
    """Return the meaning of a spoken word; an empty set for a filler word."""
    return _meaning(word, language) if terms(word, language) else frozenset()


@lru_cache(maxsize=8192)
def _meaning(word: str, language: str) -> frozenset[str]:
    concept = _concepts().get(word)
    if concept is None and not terms(word, language):
        return frozenset()
    stems = {stem(re.sub(r"\W", "", word), language)}
    return frozenset(stems | {f"+{concept}"} if concept else stems)


def best(
    tools: Iterable[bytes], said: UserUtterance, today: dt.date, budget: Budget
) -> Candidate | None:
    """Return the tool that fits best, or None without tools."""
    search = slots.Search(said=said, today=today, budget=budget)
    found = _candidates(tools, search)
    return max(found, key=lambda candidate: candidate.score, default=None)


def certain(
    tools: Iterable[bytes], said: UserUtterance, today: dt.date, budget: Budget
) -> Candidate | None:
    """Return the tool whose phrase was said, or None."""
    found = best(tools, said, today, budget)
    return found if found and found.score >= templates.CERTAIN else None


def _candidates(tools: Iterable[bytes], search: slots.Search) -> Iterator[Candidate]:
    """All of them, as far as the budget goes; the others are passed over."""
    with suppress(Spent):
        for encoded in tools:
            if tool := declared(encoded, search.said.language, search.budget):
                yield weigh(tool, search)


def weigh(tool: CallableTool, search: slots.Search) -> Candidate:
    said = search.said
    if (phrase := _phrase(tool, search)) is not None:
        return phrase
    arguments, unsettled, rest = fill(tool, search)
    words = re.findall(r"[a-z']+", rest)
    search.budget.spend(STEPS_A_TOOL + len(words) + len(tool.examples))
    meanings = (_meant(word[:WORD_CHARACTERS], tool.language) for word in words)
    meant = [m for m in meanings if m and not m & tool.neutral]
    hits = [m for m in meant if m & tool.words]
    names = {word for m in meant for word in m & tool.name_words}
    wanted = {word for word in tool.name_words if word.startswith("+")} or tool.name_words
    named = min(1.0, len(names & wanted or names) / (len(wanted) or 1))  # "f" says nothing
    stems = frozenset(terms(rest, tool.language)) - tool.neutral
    example = max((_alike(stems, words) for words in tool.examples), default=0.0)
    score = 0.45 * len(hits) / (len(meant) or 1)
    score += 0.35 * max(named, example)
    score += 0.15 * min(
        1.0, (len(arguments) + len(unsettled)) / (len(tool.required) or len(tool.properties) or 1)
    )
    score += 0.1 * bool(_POLITE.match(said.folded))
    if not hits:
        score *= 0.2
    if is_question(said.folded) and not tool.looks_up and example < 0.9:
        score *= QUESTION
    return Candidate(tool=tool, arguments=arguments, score=min(1.0, score), unsettled=unsettled)


def _phrase(tool: CallableTool, search: slots.Search) -> Candidate | None:
    """Return the call that one of the tool's phrases asks for: of the phrase with most words."""

    def is_filler(text: str) -> bool:
        return not frozenset(terms(text, tool.language)) - tool.neutral

    found = [
        (each, given)
        for each in tool.templates
        if (given := templates.match(each, tool.properties, search, is_filler)) is not None
    ]
    if not found:
        return None
    phrase, given = max(found, key=lambda each: (each[0].words, len(each[1])))
    if not given:  # a phrase without parameters may hold values all the same
        given = fill(tool, search)[0]
    score = min(1.0, templates.CERTAIN + templates.A_WORD * phrase.words)
    if not phrase.names:  # exactly what its author wrote
        score = 1.0
    return Candidate(tool=tool, arguments=given, score=score)


def fill(
    tool: CallableTool, search: slots.Search
) -> tuple[dict[str, object], dict[str, object], str]:
    """Return the arguments in an utterance, those not settled, and the words outside of them."""
    arguments: dict[str, object] = {}
    unsettled: dict[str, object] = {}
    rest = search.said.digits
    # Free text would swallow the words of the others: it comes last.
    for name in sorted(tool.properties, key=lambda n: slots.is_free(tool.properties[n])):
        required = name in tool.required
        found = slots.find(tool.properties[name], search, rest, required=required)
        if found is not None:
            (arguments if found.settled else unsettled)[name] = found.value
            rest = rest.replace(found.said, " ", 1) if found.said else rest
    return arguments, unsettled, rest


def _outside(text: str, tool: CallableTool, budget: Budget) -> frozenset[str]:
    """Return the stems of a text without its arguments."""
    said = UserUtterance(templates.literal(text), tool.language)
    *_, rest = fill(tool, slots.Search(said=said, today=_ANY_DAY, budget=budget))
    return frozenset(terms(rest, tool.language)) - tool.neutral


def _alike(words: frozenset[str], example: frozenset[str]) -> float:
    """Jaccard's measure."""
    return len(words & example) / (len(words | example) or 1)
