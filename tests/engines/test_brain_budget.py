"""One budget covers all tools and texts of a response."""

from __future__ import annotations

import random
import string
import sys
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any

import msgspec
import pytest

from vivavoce.core.types import JsonObject, ToolSpec
from vivavoce.engines.base import GenerateRequest
from vivavoce.protocol.items import FunctionCall, FunctionOutput, Item, Message, Part
from vivavoce_embedded.brain.budget import STEPS, Budget
from vivavoce_embedded.brain.dialogue import OUTPUTS, TURN_CHARACTERS, TURNS, read
from vivavoce_embedded.brain.excerpt import TOOL_BYTES, Excerpt, excerpt
from vivavoce_embedded.brain.tools import Declared
from vivavoce_embedded.brain.usage import usage
from vivavoce_embedded.brain.utterance import UserUtterance

from ..support.growth import LINEAR, SAME, growth
from .brain_talk import ALL, FAIR, assistant, tool, user

TraceFunction = Callable[[FrameType, str, Any], Any]

CHANCE = random.Random(1)
TOOLS, PROPERTIES = 64, 32
LINES = 2_500_000  # of Python that the worst request may run at its first use: about 0.1 s


def word(letters: int = 6) -> str:
    return "".join(CHANCE.choices(string.ascii_lowercase, k=letters))


def words(count: int = 330) -> str:
    return " ".join(word() for _ in range(count))


def many(schema: JsonObject, required: tuple[str, ...] = ()) -> list[ToolSpec]:
    properties = {f"p{number}": schema for number in range(PROPERTIES)}
    return [tool(f"t{number}", "do it", required, **properties) for number in range(TOOLS)]


def examples(count: int, length: int, **more: JsonObject) -> ToolSpec:
    said = [words(length) for _ in range(count)]
    properties: JsonObject = dict(more)
    return ToolSpec(name="x", parameters={"properties": properties, "x-examples": said})


def phrases(schema: JsonObject, **more: JsonObject) -> list[ToolSpec]:
    """Make tools with as many phrases as are read, which fit as late as possible."""
    names = [f"p{number}" for number in range(6)]
    said = [
        f"{'go ' * (n % 5)} {' go '.join(f'{{{name}}}' for name in names)} go {word()}"
        for n in range(64)
    ]
    said += [" go ".join(f"{{{name}}}" for name in names)]
    properties = dict.fromkeys(names, schema) | more
    parameters: JsonObject = {"properties": properties, "x-examples": said[-64:]}
    return [ToolSpec(name=f"t{n}", parameters=parameters) for n in range(TOOLS)]


ENUM: JsonObject = {"type": "string", "enum": [word(12) for _ in range(500)]}
HEARD: list[Item] = [item for _ in range(13) for item in (user(words()), assistant("How many?"))]
WORST: dict[str, tuple[list[ToolSpec], list[Item]]] = {
    "enums and examples": ([examples(300, 3, **{f"p{n}": ENUM for n in range(16)})], []),
    "enums": (many({"type": "string", "enum": [word(80) for _ in range(10)]}), []),
    "synonyms": (
        many({"enum": ["a"], "x-synonyms": {"a": [word(10) for _ in range(60)]}})[:20],
        [],
    ),
    "dates": (many({"format": "date"}), []),
    "moments": (many({"format": "date-time"}), []),
    "addresses": (many({"format": "email"}), []),
    "numbers": (many({"type": "integer"}), [user(" ".join(map(str, range(500))))]),
    "lists": (many({"type": "array", "items": {"type": "number"}}), []),
    "lists of lists": (many({"type": "array", "items": {"type": "array", "items": {}}}), []),
    "words before": (many({"x-after": [word() for _ in range(20)]}), []),
    "free texts": (many({}, ("p0", "p1", "p2")), [user("to the " * 280)]),
    "patterns": (many({"type": "string", "pattern": "[a-z]*[a-y]*X?"}), []),
    "descriptions": ([tool(f"t{n}", words(400)) for n in range(TOOLS)], []),
    "examples": ([examples(64, 40) for _ in range(TOOLS)], []),
    "phrases": (phrases({"type": "string"}), [user("go " * 39)]),
    "phrases of dates": (phrases({"format": "date"}), [user("go first may " * 13)]),
    "phrases beside enums": (phrases({"type": "string"}, other=ENUM), [user("go now " * 12)]),
    "phrases of numbers": (phrases({"type": "integer"}), [user("go seventy one " * 13)]),
    "a long way back": (
        [tool(f"t{n}", "", ("p",), p={"type": "integer", "x-ask": "How many?"}) for n in range(64)],
        [*HEARD, user(words())],
    ),
    "only words": ([], []),
    "ligatures": (list(ALL), [user("\ufdfa" * 2_000)]),
}


def asked(tools: Sequence[ToolSpec], history: Sequence[Item]) -> GenerateRequest:
    return GenerateRequest(
        instructions="",
        history=tuple(history or [user(words())]),
        tools=tuple(tools),
        language="en",
    )


def spent(read: Excerpt) -> int:
    budget = Budget()
    FAIR.reply(read, budget=budget)
    return STEPS - budget.left


def lines(read: Excerpt) -> int:
    """Count the lines of Python that one reply runs. Time would depend on the machine's load."""
    count = 0

    def on_line(frame: FrameType, event: str, arg: object) -> TraceFunction:
        nonlocal count
        count += event == "line"
        return on_line

    before = sys.gettrace()
    sys.settrace(on_line)
    try:
        FAIR.reply(read)
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize(("tools", "history"), WORST.values(), ids=WORST)
def test_the_worst_that_the_limits_allow_is_done_soon(
    tools: list[ToolSpec], history: list[Item]
) -> None:
    read = excerpt(asked(tools, history))
    assert 1_000 < lines(read) < LINES


def test_what_a_request_costs_does_not_depend_on_the_requests_before() -> None:
    read = excerpt(asked([tool(word(), words(20), n={"type": "integer"})], [user("ten")]))
    first = spent(read)
    assert first > 0
    assert [spent(read) for _ in range(3)] == [first] * 3


def test_many_ordinary_tools_and_a_sentence_are_within_the_budget() -> None:
    properties: dict[str, JsonObject] = {
        "who": {"type": "string", "description": "The name of the guest"},
        "many": {"type": "integer", "description": "How many come"},
        "day": {"type": "string", "format": "date"},
    }
    tools = [tool(f"{word()}_{word()}", words(12), ("many",), **properties) for _ in range(TOOLS)]
    said = [user("please book a table for four people tomorrow at eight in the evening")]
    assert 0 < spent(excerpt(asked(tools, said))) < STEPS


def test_text_beyond_the_budget_is_ignored_and_earlier_text_is_not() -> None:
    heavy = [examples(64, 40) for _ in range(TOOLS - 1)]
    wanted = tool("set_timer", "Set a timer", ("minutes",), minutes={"type": "integer"})
    said = [user("set a timer for ten minutes")]
    assert FAIR.reply(excerpt(asked([wanted, *heavy], said))).name == "set_timer"
    assert FAIR.reply(excerpt(asked([*heavy, wanted], said))).name == ""


def test_tools_are_remembered_only_up_to_a_number_of_bytes() -> None:
    declared = Declared(most=10_000)
    for number in range(200):
        encoded = msgspec.json.encode(tool(f"tool_{number}", words(10)))
        assert declared.read(encoded, "en", Budget())
        assert declared.bytes <= 10_000
    assert declared.bytes > 5_000


def test_tools_beyond_the_bytes_that_are_read_are_passed_over() -> None:
    large = tool("large", "x" * TOOL_BYTES)
    assert len(excerpt(asked([large, *ALL], [])).tools) == len(ALL)
    assert sum(map(len, excerpt(asked([tool("a", "x" * 9_000)] * 64, [])).tools)) <= TOOL_BYTES


def test_a_text_is_cut_before_anything_looks_at_it() -> None:
    """Read the beginning of a user's text, and the question at the end of an answer."""
    talk = read([assistant("a" * 300_000 + " How many?"), user("hello " + "b" * 300_000)])
    assert talk.asked.startswith("hello bbb")
    assert talk.before[-1].text.endswith("aaa How many?")
    assert len(talk.asked) == len(talk.before[-1].text) == TURN_CHARACTERS


@pytest.mark.parametrize("say", [user, assistant])
def test_reading_takes_no_longer_for_a_longer_text(say: Callable[[str], Message]) -> None:
    told = {size: say("a b " * size) for size in (100_000, 400_000)}
    assert growth(lambda size: [read([told[size]]) for _ in range(500)], 100_000) < SAME


class Counted(list[Item]):
    """A history that counts how many of its items were looked at."""

    looked = 0

    def __reversed__(self) -> Iterator[Item]:
        for item in super().__reversed__():
            self.looked += 1
            yield item


def test_of_a_long_history_only_the_end_is_read() -> None:
    history = Counted([user("hello"), assistant("hello")] * 1_000)
    assert len(read(history).before) == TURNS
    assert history.looked == TURNS + 2, "one turn more may be what was asked, and one ends it"


def test_the_reply_names_the_last_of_many_outputs() -> None:
    items: list[Item] = [user("go")]
    for number in range(1_000):
        items += [
            FunctionCall(name="x", call_id=f"c{number}", arguments="{}"),
            FunctionOutput(call_id=f"c{number}", output=f"Output {number}."),
        ]
    assert read(items).outputs == tuple(f"Output {n}." for n in range(1_000 - OUTPUTS, 1_000))


def test_of_a_message_with_many_parts_the_first_are_read() -> None:
    parts = tuple(Part(type="input_text", text=f"part{number}") for number in range(10_000))
    assert read([Message(role="user", content=parts)]).asked.endswith("part63")


def test_counting_tokens_takes_no_longer_than_the_text_that_is_counted() -> None:
    told = {size: [user("a b " * size)] for size in (100_000, 400_000)}
    questions = {size: asked([], history) for size, history in told.items()}
    assert growth(lambda n: [usage(questions[n], (), "") for _ in range(20)], 100_000) < SAME
    small = GenerateRequest(instructions="one two three", history=(user("four five six"),))
    assert usage(small, (), "seven eight nine").total_tokens == 4 + 4 + 4


@pytest.mark.parametrize(
    "text",
    ["a " * 1_000, "a-b " * 500, "when " * 400, "what which " * 180, "x." * 1_000, "at " * 600],
)
def test_a_piece_of_a_text_is_found_as_it_was_written_in_linear_time(text: str) -> None:
    def work(size: int) -> None:
        said = UserUtterance(text[:size] + "End", "en")
        for length in range(0, size, max(1, size // 8)):
            said.original(said.folded[:length] + " nowhere")

    assert growth(work, 500) < LINEAR
