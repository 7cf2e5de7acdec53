"""Check the rules that every tool runner keeps, whatever its tools do."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace

from ...api import ToolContext, ToolRequest, ToolResult, ToolRunner, ToolSpec
from ..live import live

CONTEXT = ToolContext(
    call_id="rtc_1", conversation_id="conv_1", assistant="ada", language="en", role="guest"
)
WRONG_ARGUMENTS = ("{}", '{"": null}', '{"a": [[[]]]}', '{"x": "\\u0000 \U0001f600"}')


@dataclass(frozen=True)
class Case:
    """A runner under test, and a tool call whose output is known.

    `opened` makes the runner, and closes what it holds at the end of a test. `arguments` is a JSON
    object as text, and `output` is the exact output.
    """

    opened: Callable[[], AbstractAsyncContextManager[ToolRunner]]
    name: str
    arguments: str
    output: str
    context: ToolContext = CONTEXT


Check = Callable[[Case], None]


def describes_its_tools(case: Case) -> None:
    specs = _specs(case)
    names = [spec.name for spec in specs]
    assert case.name in names
    assert len(set(names)) == len(names), "two tools have the same name"
    for spec in specs:
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", spec.name), spec.name
        assert spec.description, f"{spec.name} has no description, so no model knows its purpose"
        assert spec.parameters.get("type") == "object"
        json.dumps(spec.parameters, allow_nan=False)


def describes_the_same_tools_to_every_call(case: Case) -> None:
    other = replace(case.context, call_id="rtc_2", conversation_id="conv_2", subject="another")
    assert _specs(case) == _specs(replace(case, context=other))


def describes_its_tools_before_there_is_a_call(case: Case) -> None:
    assert _specs(replace(case, context=replace(case.context, call_id="", subject=None)))


def runs_a_tool(case: Case) -> None:
    assert _call(case, case.arguments) == ToolResult(case.output)


def runs_calls_beside_each_other(case: Case) -> None:
    async def story() -> list[ToolResult]:
        async with case.opened() as runner:
            requests = [ToolRequest(f"call_{n}", case.name, case.arguments) for n in range(8)]
            return await asyncio.gather(*(runner.call(each, case.context) for each in requests))

    assert live(story()) == [ToolResult(case.output)] * 8


def answers_wrong_arguments_with_a_text(case: Case) -> None:
    for arguments in WRONG_ARGUMENTS:
        result = _call(case, arguments)
        assert isinstance(result, ToolResult)
        assert result.output, f"no output for {arguments}"
        assert "Traceback" not in result.output


def works_after_wrong_arguments(case: Case) -> None:
    async def story() -> ToolResult:
        async with case.opened() as runner:
            await runner.call(ToolRequest("call_1", case.name, WRONG_ARGUMENTS[1]), case.context)
            return await runner.call(ToolRequest("call_2", case.name, case.arguments), case.context)

    assert live(story()) == ToolResult(case.output)


def stops_when_it_is_cancelled(case: Case) -> None:
    async def story() -> None:
        async with case.opened() as runner:
            request = ToolRequest("call_1", case.name, case.arguments)
            task = asyncio.ensure_future(runner.call(request, case.context))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task], timeout=5.0)
            assert task.done(), "the runner goes on after it was cancelled"

    live(story())  # fails if a task is left


CHECKS: tuple[Check, ...] = (
    describes_its_tools,
    describes_the_same_tools_to_every_call,
    describes_its_tools_before_there_is_a_call,
    runs_a_tool,
    runs_calls_beside_each_other,
    answers_wrong_arguments_with_a_text,
    works_after_wrong_arguments,
    stops_when_it_is_cancelled,
)


def _specs(case: Case) -> tuple[ToolSpec, ...]:
    async def story() -> tuple[ToolSpec, ...]:
        async with case.opened() as runner:
            return runner.specs(case.context)

    return live(story())


def _call(case: Case, arguments: str) -> ToolResult:
    async def story() -> ToolResult:
        async with case.opened() as runner:
            return await runner.call(ToolRequest("call_1", case.name, arguments), case.context)

    return live(story())
