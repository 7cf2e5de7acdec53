"""Ask for the missing arguments of a tool over several turns, without a memory.

The assistant's own last sentence shows the open question, and the user's turns before it hold the
other arguments. So the history alone is enough, also after a restart, and a call can move to
another process in between.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

import msgspec

from vivavoce.text.folding import fold

from . import slots, tools
from .budget import Budget, Spent
from .dialogue import TURN_CHARACTERS, Dialogue, DialogueTurn
from .phrases import DROP, PHRASES, listed
from .questions import is_question
from .utterance import BrainReply, UserUtterance

TRIES = 2  # how often the same is asked again
OPTIONS = 4  # of an enum, that the question names
CUT_WORDS = 2  # of a question that was interrupted, from which we know it
QUESTION_CHARACTERS = 300  # of what is asked for; a sentence that one can listen to
STEPS_A_QUESTION = 15
TIMES = ("time", "date-time")  # formats of parameters that have an hour


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A question of ours that waits for its answer."""

    tool: tools.CallableTool
    slot: str
    arguments: dict[str, object]
    tries: int  # how often in a row it was asked
    question: str
    hour: str = ""  # the words with the hour, where we asked for the half of the day


def ask(tool: tools.CallableTool, slot: str) -> str:
    """Return the question for a parameter, in the tool's language."""
    schema, language = tool.properties[slot], tool.language
    phrases = PHRASES[language]
    if own := slots.in_language(schema.get("x-ask"), language):
        return own[0][:QUESTION_CHARACTERS]
    what = slots.in_language(schema.get("description"), language)
    said = what[0][:QUESTION_CHARACTERS] if what else slot.replace("_", " ")
    said = said.strip().rstrip(".?!:")
    if not said[1:2].isupper():
        said = said[:1].lower() + said[1:]
    first = said.split(" ")[0]
    if language == "en" and first not in ("the", "a", "an", "your", "how", "what", "which", "when",
                                          "where", "who", "whether", "if"):  # fmt: skip
        said = f"the {said}"
    values = schema.get("enum")
    if isinstance(values, list) and len(values) <= OPTIONS:
        options = [name for value in values if (name := slots.spelled(value))]
        said = f"{said}: {listed(options, phrases.or_)}"
    return phrases.ask.format(what=said)


def call_or_ask(
    tool: tools.CallableTool, arguments: dict[str, object], unsettled: Iterable[str] = ()
) -> BrainReply:
    """Call it, or ask for the first thing that it still needs."""
    if any(name not in arguments for name in unsettled):
        text = PHRASES[tool.language].half
        return BrainReply(
            kind="ask", language=tool.language, text=text, name=tool.name, arguments=arguments
        )
    missing = tool.missing(arguments)
    if missing is None:
        return BrainReply(kind="call", language=tool.language, name=tool.name, arguments=arguments)
    text = ask(tool, missing)
    return BrainReply(
        kind="ask", language=tool.language, text=text, name=tool.name, arguments=arguments
    )


def pending(
    dialogue: Dialogue,
    specs: Sequence[bytes],
    languages: Sequence[str],
    today: dt.date,
    budget: Budget,
) -> Asked | None:
    """Return the open question for a tool, if there is one, and the arguments until now."""
    if not dialogue.before or dialogue.before[-1].role != "assistant":
        return None
    found: list[tuple[float, Asked]] = []
    last = _Question(dialogue.before[-1].text)
    try:
        for spec in specs:
            for language in languages:
                tool = tools.declared(spec, language, budget)
                slot = last.slot_of(tool, budget) if tool else None
                if tool and slot is not None:
                    found.append(_replay(tool, slot, dialogue.before, today, budget))
    except Spent:
        pass  # the other tools are passed over
    return max(found, key=lambda each: each[0])[1] if found else None


class _Question:
    """A sentence of ours, that may end with a question. An interrupted one ends with a dash."""

    def __init__(self, said: str) -> None:
        self._words = fold(said).rstrip(" -–—").split()
        self._cut = said.rstrip().endswith(("—", "–", "-"))

    def is_half(self, tool: tools.CallableTool) -> bool:
        """Return whether it asks for the half of the day."""
        return self._ends_with(PHRASES[tool.language].half)

    def _ends_with(self, text: str) -> bool:
        question = fold(text).split()
        if self._words[-len(question) :] == question:
            return True
        return self._cut and any(
            self._words[-n:] == question[:n] for n in range(len(question), CUT_WORDS - 1, -1)
        )

    def slot_of(self, tool: tools.CallableTool, budget: Budget) -> str | None:
        """Return the parameter that it asks for."""
        budget.spend(STEPS_A_QUESTION * len(tool.required))
        if self.is_half(tool):
            return next((n for n, s in tool.properties.items() if s.get("format") in TIMES), None)
        return next((slot for slot in tool.required if self._ends_with(ask(tool, slot))), None)


def _replay(
    tool: tools.CallableTool,
    slot: str,
    before: Sequence[DialogueTurn],
    today: dt.date,
    budget: Budget,
) -> tuple[float, Asked]:
    """Go back to where the questions began, and fill everything again."""
    # What the user said, the slot it answered, and if it is the half of the day of an hour before.
    heard: list[tuple[str, str | None, bool]] = []
    tries, counting = 0, True
    for turn in reversed(before):
        if turn.role == "assistant":
            question = _Question(turn.text)
            asked = question.slot_of(tool, budget)
            if asked is None:
                break
            counting = counting and asked == slot
            tries += counting
            if heard and heard[-1][1] is None:
                heard[-1] = (heard[-1][0], asked, question.is_half(tool))
        else:
            heard.append((turn.text, None, False))
    arguments: dict[str, object] = {}
    score = 0.0
    said_before = ""
    for text, answered, half in reversed(heard):
        text = f"{said_before} {text}" if half else text
        said_before = text[:TURN_CHARACTERS]
        budget.spend(len(text) + tools.STEPS_A_WORD * (1 + text.count(" ")))
        search = slots.Search(said=UserUtterance(text, tool.language), today=today, budget=budget)
        if answered is None:
            candidate = tools.weigh(tool, search)
            score, arguments = candidate.score, dict(candidate.arguments)
        else:
            arguments |= answer(tool, answered, search, half=half)[0]
    last = _Question(before[-1].text)
    half = last.is_half(tool)
    return score, Asked(
        tool=tool,
        slot=slot,
        arguments=arguments,
        tries=tries,
        question=PHRASES[tool.language].half if half else ask(tool, slot),
        hour=said_before if half else "",
    )


def answer(
    tool: tools.CallableTool, slot: str, search: slots.Search, *, half: bool = False
) -> tuple[dict[str, object], list[str]]:
    """Return the slots that an answer fills, and the times among them that are not settled.

    `half`: it names the half of the day, for which we ask once.
    """
    schema, said = tool.properties[slot], search.said
    if is_question(said.folded) and slots.is_free(schema):
        return {}, []
    found = slots.find(schema, search, said.digits, asked=True, required=True)
    if found is None:
        return {}, []
    given: dict[str, object] = {}
    unsettled: list[str] = []
    if found.settled or half:
        given[slot] = found.value
    else:
        unsettled.append(slot)
    if found.said:
        rest = said.digits.replace(found.said, " ", 1)
        for name, other in tool.properties.items():
            if name != slot and not slots.is_free(other):
                more = slots.find(other, search, rest)
                if more is not None:
                    if more.settled or half:
                        given[name] = more.value
                    else:
                        unsettled.append(name)
                    rest = rest.replace(more.said, " ", 1) if more.said else rest
    return given, unsettled


def resume(asked: Asked, said: UserUtterance, today: dt.date, budget: Budget) -> BrainReply | None:
    """Go on with what was asked. None: the user said something else, answer that first."""
    phrases = PHRASES[asked.tool.language]
    if DROP.match(said.folded):
        return BrainReply(kind="small", language=asked.tool.language, text=phrases.dropped)
    if asked.hour and is_question(said.folded):
        return None
    text = f"{asked.hour} {said.text}" if asked.hour else said.text
    said = UserUtterance(text, asked.tool.language)
    search = slots.Search(said=said, today=today, budget=budget)
    try:
        given, unsettled = answer(asked.tool, asked.slot, search, half=bool(asked.hour))
    except Spent:
        return None
    if not given and not unsettled:
        return None
    return call_or_ask(asked.tool, asked.arguments | given, unsettled)
