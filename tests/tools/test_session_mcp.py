"""The MCP servers that a client names in its session, against a real one."""

from __future__ import annotations

import asyncio

import pytest

from vivavoce.errors import EngineError
from vivavoce.protocol.config import McpTool
from vivavoce.protocol.items import McpHttpError, McpProtocolError, McpToolError
from vivavoce.tools.base import McpOutcome, ToolContext
from vivavoce.tools.session_mcp import OUTPUT_BYTES, SessionMcpServers

from ..support.mcp_servers import http_server

CONTEXT = ToolContext(call_id="rtc_1", assistant="ada")


def test_a_real_server_is_listed_and_called() -> None:
    async def story() -> None:
        async with http_server() as url:
            servers = SessionMcpServers(allow_private=True)
            docs = McpTool(server_label="docs", server_url=url, authorization="token")

            async def call(name: str, arguments: str) -> McpOutcome:
                return await servers.call_tool(docs, name, arguments, CONTEXT)

            listed = {tool.name: tool for tool in await servers.list_tools(docs, CONTEXT)}
            assert listed["look_up"].description == "Look a word up."
            assert listed["look_up"].annotations == {"readOnlyHint": True}
            assert "word" in str(listed["look_up"].input_schema["properties"])
            outcomes = await asyncio.gather(
                call("look_up", '{"word": "x"}'),
                call("fail", '{"text": "oh"}'),
                call("nothing", ""),
                call("look_up", "[1]"),
                call("be_large", f'{{"size": {OUTPUT_BYTES + 1}}}'),
                call("be_large", '{"size": 6000000}'),
            )
            looked, failed, unknown, odd, large, huge = outcomes
            assert looked == McpOutcome(output="x: 42")
            assert failed.error == McpToolError(message="Error executing tool fail")
            assert isinstance(unknown.error, McpToolError | McpProtocolError)
            assert odd.error == McpToolError(message="The arguments must be a JSON object.")
            assert large.error == McpToolError(message="The output has more than 65536 bytes.")
            assert huge.error == McpHttpError(code=502, message="The server cannot be reached.")
            died = await call("die", "")
            assert died.error is not None
            with pytest.raises(EngineError, match="cannot be listed"):
                await servers.list_tools(docs, CONTEXT)

    asyncio.run(story())


@pytest.mark.parametrize(
    "server",
    [
        McpTool(server_label="docs", server_url="http://127.0.0.1:9/mcp"),
        McpTool(server_label="docs", server_url="http://[::1]:9/mcp"),
        McpTool(server_label="docs", server_url="http://169.254.169.254/latest/meta-data"),
        McpTool(server_label="docs", server_url="file:///etc/passwd"),
        McpTool(server_label="docs", server_url="not an address"),
        McpTool(server_label="docs", connector_id="connector_gmail"),
        McpTool(server_label="docs", tunnel_id="tunnel_1"),
        McpTool(server_label="docs"),
        McpTool(server_label="docs", server_url="https://a.example", authorization="\n\nHost: b"),
    ],
)
def test_a_server_that_may_not_be_asked_fails(server: McpTool) -> None:
    servers = SessionMcpServers()
    with pytest.raises(EngineError, match="cannot be listed"):
        asyncio.run(servers.list_tools(server, CONTEXT))
    outcome = asyncio.run(servers.call_tool(server, "look_up", "{}", CONTEXT))
    assert outcome.output is None
    assert outcome.error is not None
