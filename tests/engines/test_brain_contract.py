"""Run the contract suite on every brain.

A new adapter joins by one line in `BRAINS` or `EVERY`: `made(spec)`.

A brain is given a script, as far as it can follow one: the rules say what its model would answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager

import msgspec
import pytest

from vivavoce.core.types import ToolSpec
from vivavoce.engines.base import Brain, GenerateOutput, GenerateRequest, GenerationCut
from vivavoce.engines.brain.openai import OpenAIBrain
from vivavoce.engines.scripted.parts import ScriptedBrain
from vivavoce.engines.scripted.script import Rule, Script, ScriptedCall
from vivavoce.errors import EngineError
from vivavoce.knowledge.chunks import Chunk
from vivavoce.protocol.items import FunctionCall, FunctionOutput, Item
from vivavoce.protocol.server import Usage
from vivavoce.testing.contracts import brain
from vivavoce.testing.contracts.brain import text_of, user
from vivavoce_embedded.brain.brain import ExtractiveBrain
from vivavoce_embedded.brain.workers import Knowledge, Workers

from ..support.endpoints import serving


@asynccontextmanager
async def scripted(script: Script) -> AsyncIterator[Brain]:
    yield ScriptedBrain(script)


@asynccontextmanager
async def openai(script: Script) -> AsyncIterator[Brain]:
    async with serving(script) as served:
        yield OpenAIBrain(served.endpoint(), "scripted")
        await served.until_nobody_is_served()


@asynccontextmanager
async def embedded(script: Script) -> AsyncIterator[Brain]:
    """Return the answer of the rules, because this brain follows no script."""
    known = tuple(
        Chunk(id=rule.when, title=rule.when, text=rule.say, language="en", also=(rule.when,))
        for rule in script.rules
        if rule.when and rule.say
    )
    async with Workers(1, wait_s=20.0, answer_s=20.0) as workers:
        yield ExtractiveBrain(workers, Knowledge(known, ("en",), "Ada"))


Opened = Callable[[Script], AbstractAsyncContextManager[Brain]]
BRAINS: list[Opened] = [scripted, openai]

EVERY = [*BRAINS, embedded]  # where a script is not needed

scripted_brain = pytest.mark.parametrize("opened", BRAINS, ids=lambda opened: opened.__name__)
every_brain = pytest.mark.parametrize("opened", EVERY, ids=lambda opened: opened.__name__)

TOOLS = (ToolSpec(name="book", description="Book a room"), ToolSpec(name="call"))
SCRIPT = Script(
    rules=(
        Rule(when="keynote", say="It starts at nine, in the main hall."),
        Rule(
            when="both",
            calls=(ScriptedCall(name="book", arguments={"room": "B"}), ScriptedCall(name="call")),
        ),
        Rule(
            pattern=r"book (?P<room>\w+)",
            calls=(ScriptedCall(name="book", arguments={"room": "{room}"}),),
        ),
        Rule(when="done", say="The room is yours."),
        Rule(when="slow", say="this takes very very long", pace_s=30),
        Rule(when="late", say="too late", delay_s=30),
        Rule(when="busy", fail="rate_limit_exceeded"),
        Rule(when="poor", fail="insufficient_quota"),
        Rule(when="which", fail="model_not_found"),
        Rule(when="broken", fail="engine_failed"),
        Rule(when="dies", say="I was about to", fail="engine_failed", after=2),
    )
)


def question(*history: Item, **more: object) -> GenerateRequest:
    asked: dict[str, object] = {"instructions": "Be brief.", "tools": TOOLS, **more}
    return GenerateRequest(history=history, **asked)  # type: ignore[arg-type]


def answer(opened: Opened, asked: GenerateRequest) -> list[GenerateOutput]:
    async def story() -> list[GenerateOutput]:
        async with opened(SCRIPT) as thinker:
            return [thought async for thought in thinker.generate(asked)]

    return asyncio.run(story())


@every_brain
@pytest.mark.parametrize("check", brain.CHECKS)
def test_the_brain_keeps_the_contract(check: brain.Check, opened: Opened) -> None:
    check(
        brain.Case(
            opened=lambda: opened(SCRIPT),
            question="When is the keynote?",
            answer="It starts at nine, in the main hall.",
            tools=TOOLS,
            wants_tool="book seven",
        )
    )


@scripted_brain
def test_a_tool_is_called_with_whole_arguments(opened: Opened) -> None:
    (call,) = [t for t in answer(opened, question(user("book seven"))) if not isinstance(t, Usage)]
    assert isinstance(call, FunctionCall)
    assert (call.name, msgspec.json.decode(call.arguments)) == ("book", {"room": "seven"})
    assert call.call_id


@scripted_brain
def test_two_tools_are_called_at_once_under_two_ids(opened: Opened) -> None:
    thoughts = answer(opened, question(user("both, please")))
    calls = [t for t in thoughts if isinstance(t, FunctionCall)]
    assert [call.name for call in calls] == ["book", "call"]
    assert calls[0].call_id != calls[1].call_id


@scripted_brain
def test_what_a_tool_returned_is_answered(opened: Opened) -> None:
    call = FunctionCall(name="book", call_id="call_1", arguments='{"room": "B"}')
    result = FunctionOutput(call_id="call_1", output="done")
    assert text_of(answer(opened, question(user("book B"), call, result))) == "The room is yours."


@scripted_brain
def test_an_answer_that_was_cut_short_says_so(opened: Opened) -> None:
    thoughts = answer(opened, question(user("keynote"), max_output_tokens=3))
    assert GenerationCut("max_output_tokens") in thoughts
    assert text_of(thoughts).split() == ["It", "starts", "at"]


@scripted_brain
@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("busy", "rate_limit_exceeded"),
        ("poor", "insufficient_quota"),
        ("which", "model_not_found"),
        ("broken", "engine_failed"),
        ("dies", "engine_failed"),
    ],
)
def test_a_failure_has_a_name_before_the_first_word_and_after_it(
    opened: Opened, said: str, code: str
) -> None:
    with pytest.raises(EngineError) as caught:
        answer(opened, question(user(said)))
    assert caught.value.code == code


@scripted_brain
@pytest.mark.parametrize("said", ["late", "slow"])
def test_an_interrupted_brain_leaves_nothing_running(opened: Opened, said: str) -> None:
    """`openai` waits here until its server has noticed, too."""

    async def story() -> None:
        async with opened(SCRIPT) as thinker:
            before = asyncio.all_tasks()
            first = asyncio.Event()

            async def ask() -> None:
                async with aclosing(thinker.generate(question(user(said)))) as thoughts:
                    async for _ in thoughts:
                        first.set()

            asking = asyncio.create_task(ask())
            if said == "slow":
                await first.wait()
            else:
                await asyncio.sleep(0.05)  # by now it was asked
            asking.cancel()
            await asyncio.wait([asking])
            assert asking.cancelled()
            assert asyncio.all_tasks() <= before

    asyncio.run(story())
