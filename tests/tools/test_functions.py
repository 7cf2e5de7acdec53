"""Python functions as tools: their description, their arguments and their results."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

import vivavoce
from vivavoce import Call, tool
from vivavoce.core.types import ToolRules
from vivavoce.errors import EngineError
from vivavoce.knowledge.base import Passage
from vivavoce.testing.contracts import tool as contract
from vivavoce.tools.base import ToolContext, ToolRequest, ToolResult
from vivavoce.tools.functions import DECLARATION, FunctionRunner, FunctionTool, output_of
from vivavoce.tools.runners import ToolRunners
from vivavoce.tools.signatures import UnfitFunctionError

from ..support.virtual_time import live

CONTEXT = ToolContext(
    call_id="rtc_1",
    conversation_id="conv_1",
    assistant="ada",
    subject="user_7",
    language="it",
    role="staff",
    variables={"city": "Turin"},
)


class Area(StrEnum):
    GARDEN = "garden"
    HALL = "hall"


class Guest(BaseModel):
    name: str
    vegetarian: bool = False


@dataclass
class Booking:
    day: date
    price: Decimal


@tool(say={"en": "Let me look.", "it": "Guardo subito."}, timeout=20, effects=True)
async def book_table(
    call: Call,
    day: date,
    seats: Annotated[int, Field(ge=1, description="how many people come")] = 1,
    area: Area | None = None,
    guests: list[Guest] = [],  # noqa: B006
    note: Annotated[str, "what the kitchen must know"] = "",
) -> Booking:
    """Book seats for an evening.

    The garden is open in summer.

    Args:
        day: the evening, as a date
        area (Area): where they want to sit,
            if they said it
        seats: not used, because the annotation says it

    Returns:
        The booking.
    """
    return Booking(day, Decimal("12.50") * seats)


@tool
def add(one: int, other: int = 1) -> int:
    """Add two numbers."""
    return one + other


def declared(function: Callable[..., Any]) -> FunctionTool:
    found = getattr(function, DECLARATION)
    assert isinstance(found, FunctionTool)
    return found


def run(function: Callable[..., Any], context: ToolContext = CONTEXT, **arguments: object) -> str:
    """Run a function through the whole path, and return its output."""
    runners = ToolRunners([FunctionRunner([declared(function)])])
    request = ToolRequest("call_1", function.__name__, json.dumps(arguments))
    return asyncio.run(runners.call(request, context)).output


# What a model reads


def test_a_signature_becomes_a_schema() -> None:
    spec = declared(book_table).spec
    assert spec.name == "book_table"
    assert spec.description == "Book seats for an evening.\n\nThe garden is open in summer."
    assert spec.parameters == {
        "type": "object",
        "additionalProperties": False,
        "required": ["day"],
        "properties": {
            "day": {"type": "string", "format": "date", "description": "the evening, as a date"},
            "seats": {
                "type": "integer", "minimum": 1, "default": 1,
                "description": "how many people come",
            },
            "area": {
                "anyOf": [{"$ref": "#/$defs/Area"}, {"type": "null"}],
                "default": None,
                "description": "where they want to sit, if they said it",
            },
            "guests": {"type": "array", "items": {"$ref": "#/$defs/Guest"}, "default": []},
            "note": {
                "type": "string", "default": "", "description": "what the kitchen must know",
            },
        },
        "$defs": {
            "Area": {"type": "string", "enum": ["garden", "hall"]},
            "Guest": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": {"type": "string"},
                    "vegetarian": {"type": "boolean", "default": False},
                },
            },
        },
    }  # fmt: skip


def test_the_decorator_gives_the_rules() -> None:
    assert declared(book_table).rules == ToolRules(
        say={"en": "Let me look.", "it": "Guardo subito."},
        say_after_s=0.9,
        timeout_s=20.0,
        interrupt="finish",
        repeat="join",
        approve="never",
        effects=True,
    )
    plain = declared(add).rules
    assert (plain.repeat, plain.effects, plain.timeout_s) == ("allow", False, 20.0)
    assert plain.say["en"] == "One moment, please."


def test_a_filler_is_a_text_a_table_or_nothing() -> None:
    def said(say: Any) -> object:  # noqa: ANN401
        def lookup() -> None:
            """Look something up."""

        return declared(tool(say=say)(lookup)).rules.say

    assert said("Moment.") == {"*": "Moment."}
    assert said("") == {}
    with pytest.raises(UnfitFunctionError, match="say must be"):
        said({"en": 1})


def test_a_function_stays_what_it_was() -> None:
    assert add(2, other=3) == 5


def test_the_package_has_no_other_names() -> None:
    with pytest.raises(AttributeError, match="no attribute 'toool'"):
        vivavoce.toool  # type: ignore[attr-defined]  # noqa: B018


def unnamed(day) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """Note a day."""


def many(*days: date) -> None:
    """Note a day."""


def unknown(day: Nowhere) -> None:  # type: ignore[name-defined]  # noqa: F821
    """Note a day."""


def no_schema(day: threading.Lock) -> None:
    """Note a day."""


def undocumented(day: date) -> None: ...


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (unnamed, 'the parameter "day" has no type'),
        (many, r'"\*days: .*" cannot be filled by name'),
        (unknown, "an annotation names Nowhere, which is not defined"),
        (no_schema, "Unable to generate pydantic-core schema|annotation is not a type"),
        (undocumented, "has no docstring"),
    ],
)
def test_a_function_that_cannot_be_a_tool_says_why(
    function: Callable[..., Any], reason: str
) -> None:
    with pytest.raises(UnfitFunctionError, match=reason):
        tool(function)


@pytest.mark.parametrize(
    "rules",
    [{"interrupt": "stop"}, {"repeat": "again"}, {"approve": "me"}, {"timeout": 0},
     {"roles": "staff"},
     {"say_after": "soon"}],
)  # fmt: skip
def test_rules_that_do_not_exist_are_refused(rules: dict[str, Any]) -> None:
    with pytest.raises(UnfitFunctionError, match=next(iter(rules))):
        tool(**rules)


# Arguments and results


def test_arguments_have_the_types_of_the_function() -> None:
    seen: list[object] = []

    @tool
    async def note(day: date, area: Area | None = None, guests: list[Guest] | None = None) -> None:
        """Note what came."""
        seen.extend([day, area, guests])

    guests = [{"name": "Ada"}]
    assert run(note, day="2027-03-01", area="hall", guests=guests) == '{"ok": true}'
    assert seen == [date(2027, 3, 1), Area.HALL, [Guest(name="Ada")]]


def test_a_result_is_json_unless_it_is_a_text() -> None:
    assert run(book_table, day="2027-03-01", seats=2) == '{"day":"2027-03-01","price":"25.00"}'
    assert output_of("It is free.") == "It is free."
    assert output_of(Guest(name="Ada")) == '{"name":"Ada","vegetarian":false}'
    assert output_of([float("nan"), Area.HALL, {1}]) == '[null,"hall",[1]]'
    with pytest.raises(EngineError, match="cannot be JSON: object"):
        output_of(object())


def test_the_model_reads_path_and_reason_of_a_wrong_argument() -> None:
    output = json.loads(run(book_table, day="soon"))
    assert output["error"].startswith(
        "These arguments are wrong. day: Input should be a valid date"
    )
    output = json.loads(run(book_table, day="2027-03-01", seats="two"))
    assert output["error"] == "These arguments are wrong. seats: must be integer, not two"


def test_a_function_that_blocks_runs_in_a_thread() -> None:
    @tool
    def where(call: Call) -> str:
        """Return the thread."""
        call.progress("I look.")
        call.say("Moment.")
        return threading.current_thread().name

    reported: list[str] = []

    async def report(text: str) -> None:
        reported.append(text)

    assert run(where, replace(CONTEXT, report=report, speak=report)) == "tools"
    assert reported == ["I look.", "Moment."]


def test_a_function_that_hangs_does_not_delay_the_others() -> None:
    ends = threading.Event()

    @tool(timeout=0.05)
    def hang() -> None:
        """Hang."""
        ends.wait(30)

    async def story() -> list[ToolResult]:
        runners = ToolRunners([FunctionRunner([declared(hang), declared(add)])])
        results = [
            await runners.call(ToolRequest("call_1", "hang", "{}"), CONTEXT),
            await runners.call(ToolRequest("call_2", "add", '{"one": 1}'), CONTEXT),
        ]
        ends.set()
        return results

    late, result = asyncio.run(story())
    assert "did not answer within 0.05 s" in late.output
    assert result == ToolResult("2")


# The call


def test_a_tool_knows_its_call() -> None:
    @tool
    async def about(me: Call) -> list[object]:
        """Return what a tool knows."""
        key = me.idempotency_key
        found = await me.search("lunch")
        return [me.id, me.conversation_id, me.user, me.role, me.language, me.variables, key, found]

    assert json.loads(run(about)) == [
        "rtc_1", "conv_1", "user_7", "staff", "it", {"city": "Turin"}, "rtc_1/call_1", [],
    ]  # fmt: skip


def test_a_tool_searches_the_knowledge_of_its_assistant() -> None:
    async def search(query: str, language: str, k: int) -> tuple[Passage, ...]:
        return (Passage(text=f"{query} {language} {k}", source="a.md", revision="1", score=1.0),)

    @tool
    async def look(call: Call, topic: str) -> str:
        """Look something up."""
        return (await call.search(topic))[0].text

    runner = FunctionRunner([declared(look)], search=search)
    request = ToolRequest("call_1", "look", '{"topic": "lunch"}')
    assert live(runner.call(request, CONTEXT)).output == "lunch it 5"


def test_a_tool_without_a_database_says_so() -> None:
    @tool
    async def rows(call: Call) -> str:
        """Read rows."""
        return str(call.db)

    assert json.loads(run(rows))["error"] == (
        "This assistant has no database: it has no folder `migrations`."
    )


class _Opened:
    async def __aenter__(self) -> FunctionRunner:
        return FunctionRunner([declared(async_add)])

    async def __aexit__(self, *_: object) -> None: ...


@tool
async def async_add(one: int, other: int = 1) -> int:
    """Add two numbers."""
    return one + other


CASE = contract.Case(_Opened, name="async_add", arguments='{"one": 2, "other": 3}', output="5")


@pytest.mark.parametrize("check", contract.CHECKS)
def test_python_functions_keep_the_contract(check: contract.Check) -> None:
    check(CASE)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (
            {"phrases": ["add {one} and {two}"]},
            'the phrase "add {one} and {two}" names no parameter: two',
        ),
        ({"phrases": {"en": "add {one}"}}, "phrases must be a list of texts, or a table of them"),
        ({"slots": {"two": {"ask": "How many?"}}}, "slots names no parameter: two"),
        ({"slots": {"one": {"aks": "How many?"}}}, "slots.one has an unknown key: aks"),
    ],
)
def test_phrases_and_slots_name_parameters(words: dict[str, Any], problem: str) -> None:
    def one_more(one: int) -> int:
        """Add one."""
        return one + 1

    with pytest.raises(UnfitFunctionError) as caught:
        tool(**words)(one_more)
    assert str(caught.value) == problem
