"""Whatever text, tool or output arrives, the brain replies, and within its budget."""

from __future__ import annotations

import json
from typing import TypeAlias

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vivavoce.core.types import ToolSpec
from vivavoce.engines.base import GenerateRequest
from vivavoce.knowledge.normalize import LANGUAGES
from vivavoce.protocol.items import FunctionCall, FunctionOutput, Item
from vivavoce.protocol.server import Usage
from vivavoce_embedded.brain.budget import STEPS, Budget
from vivavoce_embedded.brain.excerpt import excerpt
from vivavoce_embedded.brain.utterance import BrainReply
from vivavoce_embedded.brain.wording import thoughts

from .brain_talk import ALL, FAIR, Talk, assistant, tool, user

DIGITS = "9" * 400
Choice: TypeAlias = str | dict[str, object]
CHARACTERS = st.characters(exclude_categories=())  # halves of surrogate pairs too
WORDS = st.one_of(
    st.text(CHARACTERS, max_size=12),
    st.sampled_from([
        "may", "maggio", "de mayo", "፩", "١٢", "at", "half past", "first day", "@", "dot", "about",
        "1/", "2027-13-41", DIGITS, "9" * 5000, "-", "—", "book a table", "what", "for", "to", "",
        "how many people", "day 9", "room", "\ufdfa", "o'clock", "3:", "-1.5", "null", "\0", "_",
    ]),
    st.integers().map(str),
    st.floats().map(str),
)  # fmt: skip
TEXTS = st.lists(WORDS, max_size=12).map(" ".join) | st.text(CHARACTERS, max_size=80)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(CHARACTERS, max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(CHARACTERS, max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)
KEYS = st.sampled_from([
    "type", "enum", "format", "pattern", "x-ask", "x-after", "x-synonyms", "items", "anyOf",
    "oneOf", "minimum", "maximum", "description", "properties", "required", "x-examples",
])  # fmt: skip
VALUES = JSON | st.sampled_from([
    "integer", "number", "string", "boolean", "array", "date", "time", "date-time", "email",
    "[a-z]+", "(", "a" * 300, {"en": ["to"]}, {"en": 1}, ["integer", "null"], 10**400,
])  # fmt: skip
SCHEMAS = st.recursive(
    st.dictionaries(KEYS, VALUES, max_size=5),
    lambda inner: st.dictionaries(KEYS, VALUES | inner | st.lists(inner, max_size=3), max_size=5),
    max_leaves=4,
)
NAMES = st.sampled_from(["f", "get_name", "获取天气", "", "_", "a.b", "getX"]) | TEXTS


def _tool(name: str, description: str, properties: object, more: dict[str, object]) -> ToolSpec:
    required = list(properties) if isinstance(properties, dict) else properties
    parameters = {"type": "object", "properties": properties, "required": required, **more}
    return ToolSpec(name=name, description=description, parameters=parameters)


TOOLS = st.builds(
    _tool, NAMES, TEXTS, st.dictionaries(TEXTS, SCHEMAS, max_size=4) | JSON,
    st.dictionaries(KEYS, VALUES, max_size=2),
)  # fmt: skip
OUTPUTS = TEXTS | JSON.map(json.dumps) | st.sampled_from(["[" * 9_000, '"\\ud800"', "1e999"])
ITEMS = st.one_of(
    TEXTS.map(user),
    TEXTS.map(assistant),
    st.builds(FunctionOutput, call_id=TEXTS, output=OUTPUTS),
    st.builds(FunctionCall, name=NAMES, call_id=TEXTS, arguments=TEXTS),
)
CHOICES = st.sampled_from(["auto", "none", "required", {"name": "f"}, {"function": {"name": "f"}}])


def reply(
    history: list[Item], tools: list[ToolSpec], choice: Choice = "auto", language: str | None = None
) -> BrainReply:
    """Return the reply as it goes through the pipe to the client. `Spent` ends none of it."""
    question = GenerateRequest(
        instructions="Be kind.",
        history=tuple(history),
        tools=tuple(tools),
        tool_choice=choice,
        language=language,
        max_output_tokens=40,
    )
    read = excerpt(question)
    budget = Budget()
    answer = FAIR.reply(read, budget=budget)
    assert budget.left >= -STEPS, "one step that is more than the whole budget is not counted"
    msgspec.msgpack.decode(msgspec.msgpack.encode(read))
    kept = msgspec.msgpack.decode(msgspec.msgpack.encode(answer), type=BrainReply)
    *said, usage = thoughts(question, read, kept)
    assert isinstance(usage, Usage)
    msgspec.json.encode(said)
    return answer


@settings(max_examples=250, deadline=None)
@given(
    st.lists(ITEMS, min_size=1, max_size=6),
    st.lists(TOOLS | st.sampled_from(ALL), max_size=3),
    CHOICES,
    st.sampled_from([None, *LANGUAGES]) | TEXTS,
)
@example([user("፩ may")], [], "auto", None)
@example([user(f"{DIGITS} may")], [], "auto", "en")
def test_whatever_comes_there_is_a_reply(
    history: list[Item], tools: list[ToolSpec], choice: Choice, language: str | None
) -> None:
    reply(history, tools, choice, language)


@settings(max_examples=150, deadline=None)
@given(TOOLS, TEXTS, TEXTS)
def test_whatever_answers_a_question_of_ours_there_is_a_reply(
    odd: ToolSpec, text: str, answer: str
) -> None:
    talk = Talk(odd, *ALL)
    asked = FAIR.reply(excerpt(msgspec.structs.replace(talk.question(), history=(user(text),))))
    reply([user(text), assistant(asked.text), user(answer)], [odd, *ALL])


@settings(max_examples=150, deadline=None)
@given(OUTPUTS)
def test_every_output_of_a_tool_becomes_a_sentence(output: str) -> None:
    told = reply([user("go"), FunctionOutput(call_id="call_1", output=output)], [])
    assert told.kind == "result"
    assert told.text
    told.text.encode()


@pytest.mark.parametrize(
    "text", ["፩ may", f"{DIGITS} may", "٤ مايو may ٤", "may \ud800", "1" * 5000]
)
def test_odd_numbers_do_not_become_dates_and_end_nothing(text: str) -> None:
    assert reply([user(text)], list(ALL), language="en").kind in ("unknown", "answer", "ask")


def test_a_digit_of_another_script_is_a_day_of_a_month() -> None:
    said = reply([user("book a table for four people on ١٢ may at 8 pm")], list(ALL), language="en")
    assert said.arguments == {"people": 4, "date": "2028-05-12", "time": "20:00"}


@pytest.mark.parametrize("said", [DIGITS, "9" * 5000, "1" + "0" * 308, f"{DIGITS}.5"])
def test_a_number_of_hundreds_of_digits_is_asked_for_again(said: str) -> None:
    timer = tool("set_timer", "Set a timer", ("minutes",), minutes={"type": "integer"})
    first = reply([user("set a timer")], [timer])
    again = reply([user("set a timer"), assistant(first.text), user(said)], [timer])
    assert again.kind == "ask"


@pytest.mark.parametrize("name", ["f", "get_name", "获取天气", "", "_", "١", "\ud800"])
def test_a_tool_whose_name_says_nothing_can_be_called_by_its_description(name: str) -> None:
    odd = tool(name, "Water the garden with the hose")
    said = reply([user("please water the garden with the hose")], [odd])
    assert said.kind == ("call" if name != "\ud800" else "unknown"), "JSON has no such name"
