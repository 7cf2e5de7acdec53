"""Ask the MCP servers of clients. The SDK is loaded for the first of them, and not before."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ..errors import EngineError
from ..protocol.config import McpTool
from ..protocol.items import McpListedTool
from ..tools.base import McpOutcome, ToolContext

if TYPE_CHECKING:
    from ..tools.session_mcp import SessionMcpServers


class ClientMcpServers:
    """`McpServers` for all calls of this server."""

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._servers: SessionMcpServers | None = None

    async def list_tools(self, server: McpTool, context: ToolContext) -> tuple[McpListedTool, ...]:
        """Return the tools of this server. Raises `EngineError`."""
        if not server.server_url:  # connectors and tunnels belong to a provider
            raise EngineError("only servers with a server_url can be used")
        return await (await self._loaded()).list_tools(server, context)

    async def call_tool(
        self, server: McpTool, name: str, arguments: str, context: ToolContext
    ) -> McpOutcome:
        """Call a tool of this server. A failure is an outcome, too."""
        return await (await self._loaded()).call_tool(server, name, arguments, context)

    async def _loaded(self) -> SessionMcpServers:
        if self._servers is None:
            made = await asyncio.to_thread(_load)
            self._servers = self._servers or made(allow_private=self._allow_private)
        return self._servers


def _load() -> type[SessionMcpServers]:
    """Import the SDK, which takes 0.5 s."""
    from ..tools.session_mcp import SessionMcpServers

    return SessionMcpServers
