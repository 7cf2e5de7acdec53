"""Ask the MCP servers that a client names in its session (protocol §2.5, §4.10).

Each request has a connection of its own, which ends with it. So a client cannot have the server
hold connections open, and nothing is left to close when a call ends. The egress rules apply: the
client chooses the address.
"""

from __future__ import annotations

import json
import logging
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

import httpx2
from mcp.shared.exceptions import MCPError

from .. import web_address
from ..errors import EngineError
from ..failures import describe, leaves
from ..net.errors import NetError
from ..protocol.config import McpTool
from ..protocol.items import McpError, McpHttpError, McpListedTool, McpProtocolError, McpToolError
from ..protocol.surrogates import whole_text
from ..web_address import InvalidAddressError
from .base import McpOutcome, ToolContext
from .mcp_client import TOLD, client_of, http_transport, list_all, result_of

if TYPE_CHECKING:
    import mcp_types as mcp
    from mcp.client import Client

log = logging.getLogger("vivavoce.tools")

TOOLS = 512
OUTPUT_BYTES = 64 * 1024


class SessionMcpServers:
    """The MCP servers of all clients of this server."""

    def __init__(self, *, allow_private: bool = False) -> None:
        """`allow_private`: connect to private addresses, too."""
        self._allow_private = allow_private

    async def list_tools(self, server: McpTool, context: ToolContext) -> tuple[McpListedTool, ...]:
        """Return the tools of this server. Raises `EngineError`."""
        try:
            async with self._opened(server) as client:
                return tuple(_listed(tool) for tool in await list_all(client, TOOLS))
        except Exception as error:
            about = {"call": context.call_id, "server": server.server_label[:64]}
            log.warning("mcp_list_failed", extra=about | describe(error))
            raise EngineError("The tools of this MCP server cannot be listed.") from None

    async def call_tool(
        self, server: McpTool, name: str, arguments: str, context: ToolContext
    ) -> McpOutcome:
        """Call a tool. Every failure is an outcome with an error."""
        try:
            given = json.loads(arguments or "{}")
        except (ValueError, RecursionError):
            given = None
        if not isinstance(given, dict):
            return McpOutcome(error=McpToolError(message="The arguments must be a JSON object."))
        try:
            async with self._opened(server) as client:
                result = result_of(await client.call_tool(name, given))
        except Exception as error:
            about = {"call": context.call_id, "server": server.server_label[:64]}
            log.warning("mcp_call_failed", extra=about | describe(error))
            return McpOutcome(error=_error(error))
        if len(result.output) > OUTPUT_BYTES or len(result.output.encode()) > OUTPUT_BYTES:
            message = f"The output has more than {OUTPUT_BYTES} bytes."
            return McpOutcome(error=McpToolError(message=message))
        if result.failed:
            return McpOutcome(error=McpToolError(message=json.loads(result.output)["error"]))
        return McpOutcome(output=result.output)

    def _opened(self, server: McpTool) -> AbstractAsyncContextManager[Client]:
        """Return a connection to open. Raises `EngineError` if the session does not allow one."""
        if not server.server_url:
            raise EngineError("only servers with a server_url can be used")
        try:
            url = web_address.server_url(server.server_url.partition("?")[0], ("https", "http"))
        except InvalidAddressError as error:
            raise EngineError(f"server_url {error}") from None
        headers = dict(server.headers or {})
        if server.authorization:
            headers["Authorization"] = f"Bearer {server.authorization}"
        for name, value in headers.items():
            if not (name + value).isascii() or not (name + value).isprintable():
                raise EngineError("a header has characters that HTTP cannot carry")
        query = server.server_url.partition("?")[2]
        whole = f"{url}?{query}" if query else url
        return client_of(http_transport(whole, headers, allow_private=self._allow_private))


def _listed(tool: mcp.Tool) -> McpListedTool:
    annotations = tool.annotations
    return McpListedTool(
        name=tool.name,
        description=tool.description or "",
        input_schema=tool.input_schema,
        annotations=annotations.model_dump(by_alias=True, exclude_none=True)
        if annotations
        else None,
    )


def _error(error: Exception) -> McpError:
    """Return a failure as its item carries it."""
    for each in leaves(error):
        match each:
            case NetError(status=status):
                return McpHttpError(code=status or 502, message="The server cannot be reached.")
            case httpx2.HTTPError():
                return McpHttpError(code=502, message="The server cannot be reached.")
            case MCPError():
                message = whole_text(each.message[:TOLD])
                return McpProtocolError(code=each.code, message=message)
            case _:
                continue
    return McpToolError(message="The server sent a result that is not valid.")
