"""The page about MCP servers runs as it is shown, on a real server."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest
from typer.testing import CliRunner

from vivavoce.app.catalogue import check_assistant
from vivavoce.cli.main import app
from vivavoce.tools.mcp_table import McpTable

from ..support.calls import Caller, House
from ..support.mcp_servers import http_server
from ..support.served import TAKES_ALL, Served, serve

PAGE = (Path(__file__).parents[2] / "docs/how-to/mcp.md").read_text("utf-8")
PROGRAM, COMMAND, WEB, UPDATE = (
    text for _, text in re.findall(r"<!-- run: .*? -->\n```(\w+)\n(.*?)```", PAGE, re.DOTALL)
)
HEAD = 'name = "desk"\nengine = "scripted"\ninstructions.default = "Help."\n'
SCRIPTED = 'scripted.script = "script.toml"\nlimits.locked = []\n'
SCRIPT = """
[[rules]]
when = "look"
calls = [{ name = "look_up", arguments = { word = "lunch" } }]

[[rules]]
when = "delete"
calls = [{ name = "delete_note", arguments = { word = "lunch" } }]
"""
PRIVATE = {"VIVAVOCE_NET__ALLOW_PRIVATE": "true"}
ANSWER = "You said: Lunch is at one."


def test_the_tables_of_the_page_have_no_mistakes(tmp_path: Path) -> None:
    folder = tmp_path / "desk"
    folder.mkdir()
    (folder / "assistant.toml").write_text(HEAD + COMMAND + WEB)
    notes, tickets = (each.table for each in check_assistant(folder).assistant.server_tools())
    assert isinstance(notes, McpTable)
    assert isinstance(tickets, McpTable)
    assert notes.rules("delete_note", read_only=False).approve == "user"
    assert tickets.spec_name("list") == "tickets_list"


def furnished(data: Path, tables: str = "") -> Path:
    """Write the assistant of the page, and a script that calls its tools. Return its folder."""
    folder = data / "assistants/desk"
    folder.mkdir(parents=True)
    local = tables.replace('"python3"', json.dumps(sys.executable))
    (folder / "assistant.toml").write_text(HEAD + SCRIPTED + local)
    (folder / "script.toml").write_text(SCRIPT)
    (folder / "notes_server.py").write_text(PROGRAM)
    return folder


async def ask(caller: Caller, text: str) -> dict[str, Any]:
    """Send a text, and return the response to it."""
    await caller.add(text)
    await caller.say("response.create", response={"output_modalities": ["text"]})
    response: dict[str, Any] = (await caller.hear("response.done"))["response"]
    return response


def text_of(response: dict[str, Any]) -> str:
    part = response["output"][-1]["content"][0]
    said: str = part.get("text") or part["transcript"]
    return said


def test_an_assistant_uses_the_server_of_the_page(tmp_path: Path) -> None:
    folder = furnished(tmp_path, COMMAND)
    with serve(tmp_path, **TAKES_ALL) as server:
        house = House(server, server.key(), "desk")
        assert text_of(asyncio.run(looked_up(house))) == ANSWER
        assert httpx2.get(f"{server.url}/readyz").status_code == 200
        assert "2 tools are ready" in server.cli("doctor", check=False)
        checked = server.cli("assistants", "check", str(folder))
        assert "desk has no mistakes" in checked


async def looked_up(house: House) -> dict[str, Any]:
    """Ask until the MCP server has started, and return the response to the tool's output."""
    async with asyncio.timeout(60):
        while True:
            async with house.welcome() as caller:
                called = await ask(caller, "look it up")
                if called["output"]:
                    response: dict[str, Any] = (await caller.hear("response.done"))["response"]
                    return response


def test_a_server_that_does_not_run_is_named_and_calls_go_on(tmp_path: Path) -> None:
    folder = furnished(tmp_path, COMMAND)
    (folder / "notes_server.py").write_text("raise SystemExit(3)\n")

    async def story(server: Served) -> None:
        async with House(server, server.key(), "desk").welcome() as caller:
            assert text_of(await ask(caller, "hello")) == "You said: hello"

    with serve(tmp_path, **TAKES_ALL) as server:
        asyncio.run(story(server))
        assert httpx2.get(f"{server.url}/readyz").status_code == 200
        (failed,) = [
            each
            for each in json.loads(server.cli("doctor", "--json", check=False))
            if each["check"] == "tools of desk"
        ]
        assert "the MCP server notes cannot be used" in str(failed)
        lost = [line for line in server.log.read_text().splitlines() if "mcp_server_lost" in line]
        assert json.loads(lost[0])["server"] == "notes"
        command = ["assistants", "check", str(folder), "--data-dir", str(tmp_path)]
        checked = CliRunner().invoke(app, command)
        assert checked.exit_code == 0
        assert "warning: the MCP server notes cannot be used" in checked.output


async def update(caller: Caller, url: str) -> str:
    """Name the server as the page does. Return the type of the event that ends its list."""
    event = json.loads(UPDATE.replace("https://notes.example.com/mcp", url))
    await caller.socket.send(json.dumps(event))
    ended: str = (await caller.hear("mcp_list_tools.completed", "mcp_list_tools.failed"))["type"]
    return ended


def test_a_client_names_the_server_of_the_page(tmp_path: Path) -> None:
    furnished(tmp_path)
    program = tmp_path / "notes.py"
    on_a_port = 'import sys\n\nserver.run("streamable-http", port=int(sys.argv[2]))'
    program.write_text(PROGRAM.replace('server.run("stdio")', on_a_port))

    async def story(server: Served) -> None:
        house = House(server, server.key(), "desk")
        async with http_server(program) as url, house.welcome() as caller:
            assert await update(caller, url) == "mcp_list_tools.completed"
            assert "the client's token" not in json.dumps(caller.heard)
            await ask(caller, "look it up")
            settled = await caller.hear("response.output_item.done")
            assert settled["item"]["output"] == "Lunch is at one."
            await caller.say("response.create", response={"output_modalities": ["text"]})
            spoken = (await caller.hear("response.done"))["response"]
            assert text_of(spoken) == ANSWER
            asked = await ask(caller, "delete it")
            (request,) = asked["output"]
            assert (request["type"], request["name"]) == ("mcp_approval_request", "delete_note")
            answer = {"type": "mcp_approval_response", "approval_request_id": request["id"],
                      "approve": True}  # fmt: skip
            await caller.say("conversation.item.create", item=answer)
            await caller.hear("response.mcp_call.completed")
            deleted = await caller.hear("response.output_item.done")
            assert deleted["item"]["output"] == "It is deleted."
            assert deleted["item"]["approval_request_id"] == request["id"]

    with serve(tmp_path, **TAKES_ALL, **PRIVATE) as server:
        asyncio.run(story(server))
        assert "Lunch" not in server.log.read_text()


@pytest.mark.parametrize(
    ("allowed", "by", "ended"),
    [
        ("keys", "secret", "mcp_list_tools.failed"),
        ("all", "secret", "mcp_list_tools.completed"),
        ("none", "key", "mcp_list_tools.failed"),
    ],
)
def test_the_operator_decides_whose_servers_are_asked(
    tmp_path: Path, allowed: str, by: str, ended: str
) -> None:
    furnished(tmp_path)

    async def story(server: Served) -> str:
        key = server.key()
        if by == "secret":
            minted = httpx2.post(
                f"{server.url}/v1/realtime/client_secrets",
                json={"vivavoce": {"assistant": "desk", "user": "ann"}},
                headers={"api-key": key},
            )
            key = minted.json()["value"]
        async with http_server() as url, House(server, key, "desk").welcome() as caller:
            return await update(caller, url)

    setting = {"VIVAVOCE_CALLS__CLIENT_MCP_SERVERS": allowed}
    with serve(tmp_path, **TAKES_ALL, **PRIVATE, **setting) as server:
        assert asyncio.run(story(server)) == ended
