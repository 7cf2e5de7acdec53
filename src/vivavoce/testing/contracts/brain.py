"""Check the rules that every brain keeps, with any model."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass

from ...api import (
    Brain,
    FunctionCall,
    GenerateOutput,
    GenerateRequest,
    Item,
    Message,
    Part,
    Passage,
    ToolSpec,
    Usage,
)
from ..live import live


@dataclass(frozen=True)
class Case:
    """A brain under test, and a question whose answer is known.

    `opened` makes the brain, and closes what it holds at the end of a test. `wants_tool` is a
    question that the brain answers by a tool call, if it calls tools.
    """

    opened: Callable[[], AbstractAsyncContextManager[Brain]]
    question: str
    answer: str
    tools: tuple[ToolSpec, ...] = ()
    wants_tool: str = ""


Check = Callable[[Case], None]


def user(text: str) -> Message:
    """Return a message that the user typed."""
    return Message(role="user", content=(Part(type="input_text", text=text),))


def text_of(outputs: list[GenerateOutput]) -> str:
    """Return the text of an answer, without its tool calls and usage."""
    return "".join(output for output in outputs if isinstance(output, str))


def answers_in_chunks_and_reports_usage_last(case: Case) -> None:
    outputs = _generate(case, user(case.question))
    assert text_of(outputs) == case.answer
    assert len(outputs) > 2, "the answer came as one chunk"
    usage = outputs[-1]
    assert isinstance(usage, Usage), "the last output is not a Usage"
    assert usage.output_tokens > 0
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens


def reads_spoken_questions_like_typed_ones(case: Case) -> None:
    spoken = Part(type="input_audio", transcript=case.question)
    outputs = _generate(case, Message(role="user", content=(spoken,)))
    assert text_of(outputs) == case.answer


def answers_the_last_question_of_a_conversation(case: Case) -> None:
    earlier = Message(role="assistant", content=(Part(type="output_text", text="Hello!"),))
    outputs = _generate(case, user("Hello."), earlier, user(case.question))
    assert text_of(outputs) == case.answer


def accepts_passages_of_the_knowledge(case: Case) -> None:
    passage = Passage(text="It is at ten.", source="programme.md", revision="1", score=0.9)
    outputs = _generate(case, user(case.question), passages=(passage,))
    assert text_of(outputs) == case.answer


def calls_no_forbidden_tool(case: Case) -> None:
    outputs = _generate(case, user(case.wants_tool or case.question), tool_choice="none")
    assert not [output for output in outputs if isinstance(output, FunctionCall)]


def answers_an_empty_conversation(case: Case) -> None:
    assert isinstance(_generate(case)[-1], Usage)


def stops_when_it_is_closed(case: Case) -> None:
    async def story() -> None:
        request = _request(case, (user(case.question),))
        async with case.opened() as brain, aclosing(brain.generate(request)) as outputs:
            assert await anext(outputs)

    live(story())  # fails if a task is left


CHECKS: tuple[Check, ...] = (
    answers_in_chunks_and_reports_usage_last,
    reads_spoken_questions_like_typed_ones,
    answers_the_last_question_of_a_conversation,
    accepts_passages_of_the_knowledge,
    calls_no_forbidden_tool,
    answers_an_empty_conversation,
    stops_when_it_is_closed,
)


def _request(
    case: Case,
    history: tuple[Item, ...],
    passages: tuple[Passage, ...] = (),
    tool_choice: str = "auto",
) -> GenerateRequest:
    return GenerateRequest(
        instructions="Be brief.",
        history=history,
        tools=case.tools,
        tool_choice=tool_choice,
        passages=passages,
        language="en",
    )


def _generate(
    case: Case, *history: Item, passages: tuple[Passage, ...] = (), tool_choice: str = "auto"
) -> list[GenerateOutput]:
    async def story() -> list[GenerateOutput]:
        request = _request(case, history, passages, tool_choice)
        async with case.opened() as brain, aclosing(brain.generate(request)) as outputs:
            return [output async for output in outputs]

    return live(story())
