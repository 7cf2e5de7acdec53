"""Register the kinds of tools that come with the server."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from importlib import import_module

from ..assistants.sections import SecretSource
from ..engines.registry import AdapterRequest, AdapterSpec
from ..errors import EngineError
from ..tools.base import ToolRunner
from ..tools.http_table import HttpTable
from ..tools.mcp_table import McpTable


async def _make_http(request: AdapterRequest) -> ToolRunner:
    from ..net.http import HttpClient
    from ..tools.http import HttpTool

    private = request.resources.settings.net.allow_private
    http = await request.resources.once(
        "vivavoce.tools.http", lambda: HttpClient(allow_private=private, tries=1)
    )
    return HttpTool(request.table, http, request.assistant.folder)


http = AdapterSpec(kind="tool", name="http", make=_make_http, table_model=HttpTable, remote=True)


async def _make_mcp(request: AdapterRequest) -> ToolRunner:
    """Begin to connect to the server, and return the runner of its tools."""
    await asyncio.to_thread(import_module, "mcp.client")  # 0.5 s, in which calls go on
    from ..tools import mcp_client, mcp_stdio
    from ..tools.mcp import McpConnections, McpRunner
    from ..tools.mcp_connection import McpConnection

    table: McpTable = request.table
    folder = request.assistant.folder
    private = request.resources.settings.net.allow_private

    def opened() -> mcp_client.OpenedTransport:
        if table.server is not None:
            headers = _secrets(table.headers, request)
            return mcp_client.http_transport(table.server, headers, allow_private=private)
        variables = _secrets(table.env, request)
        command = table.command or []
        return mcp_stdio.stdio(command, variables, folder, mcp_client.MESSAGE_BYTES)

    connection = McpConnection(table.label, opened)
    connections = await request.resources.once("vivavoce.tools.mcp", McpConnections)
    connections.open(request.assistant.name, connection)
    return McpRunner(table, connection)


def _secrets(values: Mapping[str, str | SecretSource], request: AdapterRequest) -> dict[str, str]:
    """Return the values as they are now. Raises `EngineError` without a secret."""
    found: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, str):
            found[name] = value
        elif (problem := value.problem(request.assistant.folder)) is not None:
            raise EngineError(problem)
        else:
            found[name] = value.read(request.assistant.folder) or ""
    return found


mcp = AdapterSpec(kind="tool", name="mcp", make=_make_mcp, table_model=McpTable, remote=True)
