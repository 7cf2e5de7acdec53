"""Approve what a tool does by a yes to a language model, and to a hosted model behind the relay.

Both follow one script: the model asks in its own words, and calls the tool again after a yes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from ..support.two_models import TwoModels, call, two_models

SCRIPT = r"""
heard = ["yes please"]

[[rules]]
pattern = "order 5 pieces"
calls = [{ name = "look" }]
times = 1

[[rules]]
pattern = '"state": ?"requested"'
say = "Shall I do it?"

[[rules]]
pattern = "^ordered (?P<pieces>[0-9]+)"
say = "I have {text}."

[[rules]]
pattern = "^order three twice"
calls = [{ name = "order", arguments = { pieces = 3 } },
         { name = "order", arguments = { pieces = 3 } }]

[[rules]]
pattern = "^(order three|yes$|yes please)"
calls = [{ name = "order", arguments = { pieces = 3 } }]

[[rules]]
pattern = "^(order five|looked|yes, hurry)"
calls = [{ name = "order", arguments = { pieces = 5 } }]

[[rules]]
pattern = "^make it four"
calls = [{ name = "order", arguments = { pieces = 4 } }]

[[rules]]
pattern = "^(refund|please refund)"
calls = [{ name = "refund" }]
"""
TOOLS = """
import asyncio
from pathlib import Path

from vivavoce import Call, tool


def note(text: str) -> str:
    with (Path(__file__).parent / "done.txt").open("a") as file:
        file.write(text + "\\n")
    return text


@tool
async def look(call: Call) -> str:
    '''Look at the shelves.'''
    await asyncio.sleep(0.5)
    return "looked"


@tool(effects=True, approve="user", ask="Shall I order {pieces} pieces?")
async def order(call: Call, pieces: int) -> str:
    '''Order bread.'''
    return note(f"ordered {pieces}")


@tool(effects=True, approve="staff")
async def refund(call: Call) -> str:
    '''Give money back.'''
    return note("refunded")
"""


@pytest.fixture(scope="module")
def served_bakery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoModels]:
    with two_models(tmp_path_factory.mktemp("bakery"), SCRIPT, TOOLS) as served:
        yield served


@pytest.fixture
def bakery(served_bakery: TwoModels) -> TwoModels:
    served_bakery.forget()
    return served_bakery


both = pytest.mark.parametrize("assistant", ["chat", "relay"])
THREE, FOUR = ("order", '{"pieces": 3}'), ("order", '{"pieces": 4}')


@both
@pytest.mark.parametrize("way", ["typed", "spoken"])
def test_a_yes_of_the_caller_approves(bakery: TwoModels, assistant: str, way: str) -> None:
    async def story() -> None:
        async with call(bakery, assistant) as talk:
            assert await talk.write("order three") == "Shall I do it?"
            assert bakery.done(assistant) == []
            said = await (talk.write("yes") if way == "typed" else talk.speak())
            assert said == "I have ordered 3."

    asyncio.run(story())
    assert bakery.done(assistant) == ["ordered 3"]
    assert bakery.waiting(assistant) == []


@both
def test_a_model_that_calls_again_by_itself_approves_nothing(
    bakery: TwoModels, assistant: str
) -> None:
    async def story() -> None:
        async with call(bakery, assistant) as talk:
            assert await talk.write("order three twice") == "Shall I do it?"
            assert bakery.waiting(assistant) == [THREE]
            assert bakery.done(assistant) == []
            assert await talk.write("yes") == "I have ordered 3."

    asyncio.run(story())
    assert bakery.done(assistant) == ["ordered 3"]


@both
def test_what_the_caller_says_before_the_question_approves_nothing(
    bakery: TwoModels, assistant: str
) -> None:
    """After the request, the model calls another tool first, and the caller is impatient."""

    async def story() -> None:
        async with call(bakery, assistant) as talk:
            await talk.caller.add("order five")
            await talk.caller.say("response.create")
            while (await talk.caller.hear("conversation.item.done"))["item"].get("name") != "look":
                pass
            await talk.caller.add("yes, hurry")
            while (await talk.caller.hear("response.done"))["response"]["output"][0].get("name"):
                pass
            assert bakery.done(assistant) == [], "the question comes after these words"
            assert await talk.write("yes, hurry") == "I have ordered 5."

    asyncio.run(story())
    assert bakery.done(assistant) == ["ordered 5"]


@both
def test_changed_arguments_are_another_request(bakery: TwoModels, assistant: str) -> None:
    async def story() -> None:
        async with call(bakery, assistant) as talk:
            await talk.write("order three")
            assert await talk.write("make it four") == "Shall I do it?"
            assert bakery.waiting(assistant) == [THREE, FOUR]
            assert bakery.done(assistant) == []
            assert await talk.write("make it four") == "I have ordered 4."

    asyncio.run(story())
    assert bakery.done(assistant) == ["ordered 4"]


@both
def test_a_yes_of_another_call_approves_nothing(bakery: TwoModels, assistant: str) -> None:
    async def story() -> None:
        async with call(bakery, assistant) as talk, call(bakery, assistant) as other:
            await talk.write("order three")
            assert await other.write("yes") == "Shall I do it?"
            assert bakery.done(assistant) == []

    asyncio.run(story())
    assert bakery.done(assistant) == []


@both
def test_a_callers_yes_is_not_the_yes_of_staff(bakery: TwoModels, assistant: str) -> None:
    async def story() -> None:
        async with call(bakery, assistant) as talk:
            await talk.write("refund")
            assert await talk.write("please refund") == "Shall I do it?"

    asyncio.run(story())
    assert bakery.done(assistant) == []
