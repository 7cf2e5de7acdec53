"""Tool calls beside each other, with their results, bounds and endings."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest

from vivavoce.core.effects import CallMcpTool, CallTool, CancelMcpTool, CancelTool, ListTools
from vivavoce.core.inputs import (
    ListToolsFailed,
    McpResult,
    McpToolReturned,
    ToolHangsUp,
    ToolProgress,
    ToolReport,
    ToolReturned,
    ToolSays,
    ToolsListed,
)
from vivavoce.errors import EngineError
from vivavoce.protocol.config import McpTool
from vivavoce.protocol.items import FunctionCall, McpListedTool, McpToolError
from vivavoce.runtime.tool_work import AT_ONCE, WAITING, ToolWork
from vivavoce.tools.base import McpOutcome, McpServers, ToolContext
from vivavoce.tools.runners import TIMEOUT_S, ToolRunners

from ..support.fakes import now
from ..support.function_tools import FunctionTools
from ..support.upstream import FakeUpstream, frame
from ..support.virtual_time import live
from .test_relay import Call

SEARCH = McpListedTool(name="search", input_schema={"type": "object"})


def tool_call(number: int, name: str = "wait", arguments: str = "{}") -> CallTool:
    return CallTool(FunctionCall(name=name, call_id=f"call_{number}", arguments=arguments))


@dataclass
class Bench:
    """A `ToolWork`, and what it returned at which time."""

    work: ToolWork
    progress: list[ToolReport] = field(default_factory=list)
    results: list[tuple[float, ToolReturned | McpResult]] = field(default_factory=list)

    async def put(self, result: ToolReturned | McpResult) -> None:
        self.results.append((now(), result))

    def run(self, story: Callable[[Bench], Coroutine[Any, Any, None]]) -> Bench:
        async def main() -> None:
            async with asyncio.TaskGroup() as tasks:
                self.work.begin(tasks, self.progress.append)
                await story(self)

        live(main())
        return self


async def wait(seconds: float = 1.0) -> str:
    """Wait."""
    await asyncio.sleep(seconds)
    return "done"


def bench(*functions: Callable[..., Any], servers: McpServers | None = None) -> Bench:
    runners = ToolRunners([FunctionTools(*functions or (wait,))])
    return Bench(ToolWork(runners, ToolContext(call_id="rtc_1"), mcp_servers=servers))


def test_parallel_calls_run_in_parallel() -> None:
    async def story(b: Bench) -> None:
        for number in range(AT_ONCE):
            b.work.call(tool_call(number), b.put)

    results = bench().run(story).results
    assert [at for at, _ in results] == [1.0] * AT_ONCE
    assert {r.output for _, r in results if isinstance(r, ToolReturned)} == {"done"}


def test_more_calls_than_may_run_at_once_wait_for_others() -> None:
    async def story(b: Bench) -> None:
        for number in range(AT_ONCE + 2):
            b.work.call(tool_call(number), b.put)

    results = bench().run(story).results
    assert [at for at, _ in results] == [1.0] * AT_ONCE + [2.0] * 2


def test_a_flood_of_calls_fails_at_once_and_the_others_run() -> None:
    async def story(b: Bench) -> None:
        for number in range(WAITING + 5):
            b.work.call(tool_call(number), b.put)

    results = bench().run(story).results
    assert len(results) == WAITING + 5
    failed = [r for at, r in results if isinstance(r, ToolReturned) and r.failed]
    assert len(failed) == 5
    assert "at once" in json.loads(failed[0].output)["error"]


def test_the_end_of_the_call_cancels_its_tools_and_drops_their_results() -> None:
    stopped: list[float] = []

    async def book() -> str:
        """Book a table."""
        try:
            await asyncio.sleep(10)
        finally:
            stopped.append(now())
        return "booked"

    async def story(b: Bench) -> None:
        for number in range(AT_ONCE + 1):
            b.work.call(tool_call(number, "book"), b.put)
        await asyncio.sleep(2)
        b.work.end()

    assert bench(book).run(story).results == []
    assert stopped == [2.0] * AT_ONCE


def test_progress_reaches_the_machine_before_the_result() -> None:
    async def search(context: ToolContext, query: str) -> str:
        """Search."""
        await context.progress(f"I look for {query}.")
        return "nothing"

    async def story(b: Bench) -> None:
        b.work.call(tool_call(1, "search", '{"query": "rooms"}'), b.put)

    runners = ToolRunners([FunctionTools(search, wants=["search"])])
    done = Bench(ToolWork(runners)).run(story)
    assert done.progress == [ToolProgress("call_1", "I look for rooms.")]
    assert done.results == [(0.0, ToolReturned("call_1", "nothing"))]


# MCP servers


@dataclass
class Servers:
    result: object
    takes_s: float = 0.0
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def list_tools(self, server: McpTool, context: ToolContext) -> tuple[McpListedTool, ...]:
        await asyncio.sleep(self.takes_s)
        if isinstance(self.result, BaseException):
            raise self.result
        return self.result  # type: ignore[return-value]

    async def call_tool(
        self, server: McpTool, name: str, arguments: str, context: ToolContext
    ) -> McpOutcome:
        self.asked.append((name, arguments))
        await asyncio.sleep(self.takes_s)
        if isinstance(self.result, BaseException):
            raise self.result
        return self.result  # type: ignore[return-value]


def test_an_interrupted_tool_is_cancelled_and_says_so() -> None:
    async def story(b: Bench) -> None:
        for number in (1, 2):
            b.work.perform(tool_call(number), b.put)
        await asyncio.sleep(0.5)
        for call_id in ("call_1", "call_1", "call_9"):
            b.work.perform(CancelTool(call_id), b.put)

    (at, first), (_, second) = bench().run(story).results
    assert at == 0.5
    assert isinstance(first, ToolReturned)
    assert (first.tool_call_id, first.failed) == ("call_1", True)
    assert "interrupted" in json.loads(first.output)["error"]
    assert second == ToolReturned("call_2", "done")


def test_a_tool_that_waits_for_a_place_can_be_interrupted() -> None:
    async def story(b: Bench) -> None:
        for number in range(AT_ONCE + 1):
            b.work.perform(tool_call(number), b.put)
        await asyncio.sleep(0.5)
        b.work.perform(CancelTool(f"call_{AT_ONCE}"), b.put)

    assert [at for at, _ in bench().run(story).results] == [0.5] + [1.0] * AT_ONCE


def test_a_tool_says_a_text_and_hangs_up() -> None:
    async def farewell(context: ToolContext) -> str:
        """Say goodbye."""
        await context.say("Goodbye.")
        await context.say(5)  # type: ignore[arg-type]
        await context.hang_up()
        return "done"

    async def story(b: Bench) -> None:
        b.work.perform(tool_call(1, "farewell"), b.put)

    runners = ToolRunners([FunctionTools(farewell, wants=["farewell"])])
    done = Bench(ToolWork(runners)).run(story)
    assert done.progress == [ToolSays("call_1", "Goodbye."), ToolHangsUp("call_1")]


def listed(servers: McpServers | None) -> tuple[float, ToolReturned | McpResult]:
    async def story(b: Bench) -> None:
        b.work.list_tools(ListTools("mcpl_1", McpTool(server_label="docs")), b.put)

    (result,) = bench(servers=servers).run(story).results
    return result


def test_the_tools_of_an_mcp_server_are_listed() -> None:
    assert listed(Servers((SEARCH,), 2.0)) == (2.0, ToolsListed("mcpl_1", (SEARCH,)))


@pytest.mark.parametrize(
    "servers",
    [
        None,
        Servers(EngineError("down")),
        Servers(ValueError("odd")),
        Servers(SystemExit(1)),
        Servers(None),
        Servers([SEARCH]),
        Servers((SEARCH,) * 513),
        Servers(("search",)),
        Servers((McpListedTool(name="\ud800", input_schema={}),)),
        Servers((McpListedTool(name="x" * 300_000, input_schema={}),)),
    ],
)
def test_a_list_that_cannot_be_had_fails(servers: McpServers | None) -> None:
    assert listed(servers) == (0.0, ListToolsFailed("mcpl_1"))


def test_an_mcp_server_that_does_not_answer_fails_at_the_deadline() -> None:
    assert listed(Servers((SEARCH,), 1000.0)) == (TIMEOUT_S, ListToolsFailed("mcpl_1"))


def called(
    servers: McpServers | None, *, then: CancelMcpTool | None = None
) -> list[tuple[float, object]]:
    async def story(b: Bench) -> None:
        docs = McpTool(server_label="docs")
        b.work.perform_mcp(CallMcpTool("mcp_1", docs, "search", "{}"), b.put)
        if then is not None:
            await asyncio.sleep(0.5)
            b.work.perform_mcp(then, b.put)

    return list(bench(servers=servers).run(story).results)


def test_a_tool_of_an_mcp_server_is_called() -> None:
    servers = Servers(McpOutcome(output="42"), 2.0)
    assert called(servers) == [(2.0, McpToolReturned("mcp_1", "42"))]
    assert servers.asked == [("search", "{}")]


@pytest.mark.parametrize(
    ("servers", "message"),
    [
        (None, "No MCP server can be asked."),
        (Servers(ValueError("my secret")), "The tool failed."),
        (Servers(SystemExit(1)), "The tool failed."),
        (
            Servers(McpOutcome(), 1000.0),
            "The tool did not answer within 30 s. It may have done its work.",
        ),
    ],
)
def test_an_mcp_tool_that_fails_has_an_error(servers: McpServers | None, message: str) -> None:
    ((_, result),) = called(servers)
    assert result == McpToolReturned("mcp_1", None, McpToolError(message=message))


def test_slow_servers_of_a_session_delay_each_other_and_no_other_tool() -> None:
    async def story(b: Bench) -> None:
        for number in range(AT_ONCE + 1):
            b.work.list_tools(ListTools(f"mcpl_{number}", McpTool(server_label="docs")), b.put)
        await asyncio.sleep(0)
        b.work.call(tool_call(1), b.put)

    results = bench(servers=Servers((SEARCH,), 2.0)).run(story).results
    assert results[0] == (1.0, ToolReturned("call_1", "done"))
    assert [at for at, _ in results[1:]] == [2.0] * AT_ONCE + [4.0]


def test_a_call_whose_item_was_deleted_has_no_result() -> None:
    servers = Servers(McpOutcome(output="42"), 2.0)
    assert called(servers, then=CancelMcpTool("mcp_1")) == []


# A relayed call

CALL = {"id": "fc_1", "type": "function_call", "status": "completed", "name": "wait",
        "call_id": "call_1", "arguments": '{"seconds": 2}'}  # fmt: skip
RESPONSE = {"object": "realtime.response", "id": "r", "status": "in_progress",
            "status_details": None, "output": [], "conversation_id": "conv_9",
            "output_modalities": ["audio"]}  # fmt: skip
FRAMES = (
    frame("response.created", response=RESPONSE),
    frame("conversation.item.added", previous_item_id=None, item=CALL),
    frame("conversation.item.done", previous_item_id=None, item=CALL),
    frame("response.done", response=RESPONSE | {"status": "completed", "output": [CALL]}),
)


def test_a_relayed_call_answers_the_model_when_the_tool_is_done() -> None:
    def plot(call: Call) -> None:
        call.at(1.0)(call.upstream.says, *FRAMES)

    call = Call(tools=FunctionTools(wait)).live(plot)
    _, (at, output), (then, request) = call.upstream.got
    assert (at, then) == (3.0, 3.0)
    assert json.loads(output)["item"]["output"] == "done"
    assert json.loads(request)["type"] == "response.create"
    assert call.client.kinds[1:] == [json.loads(data)["type"] for data in FRAMES]


def test_the_end_of_a_relayed_call_ends_its_tools() -> None:
    def plot(call: Call) -> None:
        call.at(1.0)(call.upstream.says, *FRAMES)

    call = Call(tools=FunctionTools(wait), upstream=FakeUpstream(), hang_up_at=2.0).live(plot)
    assert len(call.upstream.got) == 1  # fails if a task is left
