"""Tools of real MCP servers, over stdio and streamable HTTP. Some servers behave badly."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import pytest

from vivavoce.core.types import ToolSpec
from vivavoce.errors import AssistantError, EngineError
from vivavoce.testing.contracts import tool
from vivavoce.tools.base import ToolContext, ToolRequest, ToolResult
from vivavoce.tools.mcp import McpRunner
from vivavoce.tools.runners import ToolRunners

from ..support.function_tools import FunctionTools
from ..support.mcp_servers import assistant, command, http_server, runner, until_tool

CONTEXT = ToolContext(call_id="rtc_1", assistant="ada")
T = TypeVar("T")


@asynccontextmanager
async def notes() -> AsyncIterator[McpRunner]:
    with TemporaryDirectory() as folder:
        async with runner(Path(folder), command()) as opened:
            await opened.connected(20)
            yield opened


CASE = tool.Case(notes, name="look_up", arguments='{"word": "x"}', output="x: 42")


@pytest.mark.parametrize("check", tool.CHECKS)
def test_a_runner_of_an_mcp_server_keeps_the_contract(check: tool.Check) -> None:
    check(CASE)


def told(
    folder: Path,
    keys: str,
    story: Callable[[McpRunner, ToolRunners], Awaitable[T]],
    *,
    private: bool = True,
) -> T:
    async def whole() -> T:
        async with runner(folder, keys, private=private) as opened:
            return await story(opened, ToolRunners([opened]))

    return asyncio.run(whole())


async def call(tools: ToolRunners, name: str, /, **arguments: object) -> ToolResult:
    return await tools.call(ToolRequest("call_1", name, json.dumps(arguments)), CONTEXT)


def names(tools: ToolRunners) -> list[str]:
    return [spec.name for spec in tools.specs(CONTEXT)]


def error_of(result: ToolResult) -> str:
    assert result.failed
    text: str = json.loads(result.output)["error"]
    return text


async def use(opened: McpRunner, tools: ToolRunners) -> list[ToolResult]:
    """Use a server that behaves well."""
    await opened.connected(20)
    looked = await call(tools, "look_up", word="x")
    wrong = await call(tools, "look_up", word=7)
    failed = await call(tools, "fail", text="oh")
    beside = await asyncio.gather(*(call(tools, "look_up", word=str(n)) for n in range(5)))
    assert [each.output for each in beside] == [f"{n}: 42" for n in range(5)]
    learnt = await call(tools, "learn", name="recall")
    await until_tool(opened, "recall")
    return [looked, wrong, failed, learnt, await call(tools, "recall")]


def check_use(results: list[ToolResult]) -> None:
    looked, wrong, failed, learnt, recalled = results
    assert looked == ToolResult("x: 42")
    assert error_of(wrong) == "These arguments are wrong. word: must be string, not 7"
    assert error_of(failed).startswith("Error executing tool fail")
    assert learnt == ToolResult("learnt")
    assert recalled == ToolResult("I am recall")


def test_a_child_process_has_tools(tmp_path: Path) -> None:
    check_use(told(tmp_path, command(), use))


def test_a_server_of_streamable_http_has_tools(tmp_path: Path) -> None:
    async def whole() -> list[ToolResult]:
        async with http_server() as url, runner(tmp_path, f'server = "{url}"\n') as opened:
            return await use(opened, ToolRunners([opened]))

    check_use(asyncio.run(whole()))


def test_a_call_never_waits_for_the_list(tmp_path: Path) -> None:
    async def story(opened: McpRunner, tools: ToolRunners) -> None:
        assert names(tools) == []  # its process has just been started
        assert error_of(await call(tools, "look_up", word="x")) == "there is no tool named look_up"
        await opened.connected(20)
        assert "look_up" in names(tools)

    told(tmp_path, command(), story)


def test_patterns_choose_tools_and_approvals(tmp_path: Path) -> None:
    keys = 'allow = ["look_*", "delete_note"]\nprefix = "my_"\n'
    keys += 'approve = { "delete_*" = "staff", "*" = "never" }\n'

    async def story(opened: McpRunner, tools: ToolRunners) -> None:
        await opened.connected(20)
        rules = tools.rules(CONTEXT)
        assert list(rules) == ["my_look_up", "my_delete_note"]
        looks, deletes = rules.values()
        assert (looks.approve, looks.effects, looks.repeat) == ("never", False, "allow")
        assert (deletes.approve, deletes.effects, deletes.repeat) == ("staff", True, "join")
        assert await call(tools, "my_look_up", word="x") == ToolResult("x: 42")

    told(tmp_path, command() + keys, story)


def test_a_child_process_has_a_clean_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("NOTES_TOKEN", "sk-notes")
    keys = 'env = { TOKEN = { env = "NOTES_TOKEN" }, MODE = "quiet" }\n'

    async def story(opened: McpRunner, tools: ToolRunners) -> str:
        await opened.connected(20)
        return (await call(tools, "environment")).output

    found = set(told(tmp_path, command() + keys, story).split())
    assert {"TOKEN", "MODE", "PATH"} <= found
    assert not {"OPENAI_API_KEY", "NOTES_TOKEN", "HOME"} & found


def test_a_server_that_dies_is_connected_to_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "vivavoce")

    async def story(opened: McpRunner, tools: ToolRunners) -> None:
        await opened.connected(20)
        lost = error_of(await call(tools, "die"))
        assert lost.startswith("The connection to the server of this tool was lost. It may have")
        async with asyncio.timeout(20):
            while (result := await call(tools, "look_up", word="x")).failed:
                assert "look_up" in names(tools)  # the model may read that it is away
                await asyncio.sleep(0.05)
        assert result == ToolResult("x: 42")

    told(tmp_path, command(), story)
    assert [each.message for each in caplog.records if each.message.startswith("mcp_server")] == [
        "mcp_server_connected", "mcp_server_lost", "mcp_server_connected",
    ]  # fmt: skip
    assert vars(caplog.records[1])["server"] == "notes"
    reason = vars(caplog.records[1])["reason"]
    assert re.fullmatch("the program python[0-9.]* ended with exit code [0-9]+", reason), reason


async def look_around() -> str:
    """Look around."""
    return "nothing"


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("dies", r"the program python[0-9.]* ended with exit code 3: no notes: \[31m /etcx{,200}"),
        ("killed", r"the program python[0-9.]* ended with signal 9"),
        ("nowhere", "it cannot be started.*"),
    ],
)
def test_a_server_that_is_not_there_costs_its_own_tools_only(
    tmp_path: Path, kind: str, reason: str
) -> None:
    keys = command(kind) if kind != "nowhere" else 'command = ["./nowhere"]\n'

    async def story(opened: McpRunner, _: ToolRunners) -> None:
        tools = ToolRunners([opened, FunctionTools(look_around)])
        (problem,) = await tools.connected(20)
        assert re.fullmatch(f"the MCP server notes cannot be used: {reason}", problem), problem
        assert names(tools) == ["look_around"]
        assert await call(tools, "look_around") == ToolResult("nothing")

    told(tmp_path, keys, story)


def test_a_list_of_lies_costs_these_tools_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def good_one(word: str) -> str:
        """Look a word up."""
        return word

    async def story(opened: McpRunner, tools: ToolRunners) -> None:
        await opened.connected(20)
        assert names(tools) == ["good_one", "other"]
        assert (await call(tools, "good_one")).output == (
            "good.one\n[image/png, 3 bytes, which cannot be shown]"
        )
        assert (await call(tools, "other")).output.startswith("other")  # its schema is elsewhere
        mine = ToolRunners([opened, FunctionTools(good_one)])
        assert names(mine) == ["good_one", "other"]
        assert await call(mine, "good_one", word="own") == ToolResult("own")

    told(tmp_path, command("lies"), story)
    left_out = [vars(each) for each in caplog.records if each.message == "mcp_tool_left_out"]
    assert [each["reason"] for each in left_out] == [
        "another tool has its name", "its parameters are not a JSON Schema",
        "its name is not valid", "its name is not valid",
        "its description has more than 65536 bytes",
    ]  # fmt: skip


def test_a_slow_tool_ends_at_its_limit_and_others_go_on(tmp_path: Path) -> None:
    async def story(opened: McpRunner, tools: ToolRunners) -> None:
        await opened.connected(20)
        slow = asyncio.create_task(call(tools, "be_slow", seconds=30))
        assert await call(tools, "look_up", word="x") == ToolResult("x: 42")
        assert error_of(await slow).startswith("The tool did not answer within 0.5 s.")
        assert await call(tools, "look_up", word="y") == ToolResult("y: 42")

    told(tmp_path, command() + "timeout = 0.5\n", story)


@pytest.mark.parametrize("size", [100_000, 6_000_000])
def test_megabytes_do_not_reach_the_model(tmp_path: Path, size: int) -> None:
    async def story(opened: McpRunner, tools: ToolRunners) -> str:
        await opened.connected(20)
        return error_of(await call(tools, "be_large", size=size))

    problem = told(tmp_path, command(), story)
    limited = "The output of the tool has more than 65536 bytes."
    assert problem == limited if size < 1_000_000 else problem.startswith("The connection")


def test_megabytes_of_a_web_server_do_not_reach_the_model(tmp_path: Path) -> None:
    async def whole() -> str:
        async with http_server() as url, runner(tmp_path, f'server = "{url}"\n') as opened:
            await opened.connected(20)
            return error_of(await call(ToolRunners([opened]), "be_large", size=6_000_000))

    assert asyncio.run(whole()).startswith("The connection")


def test_private_addresses_need_the_setting(tmp_path: Path) -> None:
    async def story(opened: McpRunner, _: ToolRunners) -> str:
        with pytest.raises(EngineError) as refused:
            await opened.connected(20)
        return str(refused.value)

    problem = told(tmp_path, 'server = "http://127.0.0.1:9/mcp"\n', story, private=False)
    assert problem.endswith("127.0.0.1:9 has no public address")


def test_a_missing_secret_is_named(tmp_path: Path) -> None:
    keys = 'server = "http://127.0.0.1:9/mcp"\nheaders = { Authorization = { env = "NO_KEY" } }\n'

    async def story(opened: McpRunner, _: ToolRunners) -> str:
        with pytest.raises(EngineError) as refused:
            await opened.connected(20)
        return str(refused.value)

    assert told(tmp_path, keys, story).endswith("cannot be used: NO_KEY is not set")


@pytest.mark.parametrize(
    ("keys", "mistake"),
    [
        ("", 'must have either server = "https://…" or command = ["…"]'),
        ('server = "https://a.example"\ncommand = ["x"]\n', "must have either server"),
        ('server = "ftp://a.example"\n', "server: "),
        ('command = ["x"]\nheaders = { A = "b" }\n', "are for a server, not for a command"),
        ('server = "https://a.example"\nenv = { A = "b" }\n', "is for a command"),
        ('command = ["x"]\napprove = { "*" = "boss" }\n', "approve"),
        ('command = ["x"]\nallow = []\n', "allow"),
        ('command = ["x"]\nallowed = ["y"]\n', "is not a key here"),
    ],
)
def test_mistakes_in_the_table_are_named(tmp_path: Path, keys: str, mistake: str) -> None:
    with pytest.raises(AssistantError) as refused:
        assistant(tmp_path, keys)
    assert mistake in str(refused.value)


def test_a_schema_is_checked_as_a_session_carries_it() -> None:
    from vivavoce.tools.mcp import spec_problem

    deep: dict[str, Any] = {"type": "object"}
    for _ in range(100_000):
        deep = {"type": "object", "properties": {"x": deep}}
    assert spec_problem(ToolSpec(name="deep", parameters=deep)).startswith("its parameters cannot")
    assert spec_problem(ToolSpec(name="text", parameters={"type": "string"})) != ""
