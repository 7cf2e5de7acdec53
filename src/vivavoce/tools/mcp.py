"""Tools of an MCP server that the operator names in a `[[tools]]` table of kind `mcp`.

The server decides which tools it has and how it describes them. A tool that a session cannot carry
is left out, and the log names it. So a server that errs costs the assistant its own tools only.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Self

import msgspec
from jsonschema.exceptions import SchemaError
from jsonschema.validators import Draft202012Validator, validator_for

from ..core.types import ToolRules, ToolSpec
from .base import ToolContext, ToolRequest, ToolResult
from .mcp_client import is_read_only
from .mcp_connection import McpConnection
from .mcp_table import McpTable
from .results import failed
from .runners import NAME, SPEC_BYTES, SPECS

if TYPE_CHECKING:
    import mcp_types as mcp

log = logging.getLogger("vivavoce.tools")

DESCRIPTION = 4096  # characters


class McpRunner:
    """The `ToolRunner` of one table."""

    def __init__(self, table: McpTable, connection: McpConnection) -> None:
        self._table = table
        self._connection = connection
        self._read: tuple[mcp.Tool, ...] | None = None  # the list that these are made from
        self._specs: tuple[ToolSpec, ...] = ()
        self._tools: dict[str, mcp.Tool] = {}  # by their names for the model

    def specs(self, context: ToolContext) -> tuple[ToolSpec, ...]:
        """Return the allowed tools of the server's last list, the same for all calls."""
        self._read_list()
        return self._specs

    def rules(self, name: str) -> ToolRules:
        self._read_list()
        tool = self._tools[name]
        return self._table.rules(tool.name, read_only=is_read_only(tool))

    async def call(self, request: ToolRequest, context: ToolContext) -> ToolResult:
        """Call the tool. Return its result as text."""
        self._read_list()
        if (tool := self._tools.get(request.name)) is None:
            return failed("The server of this tool does not have it any more.")
        return await self._connection.call(tool.name, json.loads(request.arguments))

    async def connected(self, seconds: float) -> None:
        """Wait for the server's first answer. Raises `EngineError` if it cannot be used."""
        await self._connection.connected(seconds)

    def _read_list(self) -> None:
        """Read the server's list again if it is a new one."""
        if self._read is self._connection.tools:
            return
        self._read = self._connection.tools
        usable = list(self._usable(self._read))[:SPECS]
        self._specs = tuple(spec for spec, _ in usable)
        self._tools = {spec.name: tool for spec, tool in usable}

    def _usable(self, listed: tuple[mcp.Tool, ...]) -> Iterator[tuple[ToolSpec, mcp.Tool]]:
        names: set[str] = set()
        for tool in listed:
            if not self._table.allows(tool.name):
                continue
            name = self._table.spec_name(tool.name)
            spec = ToolSpec(
                name=name,
                description=(tool.description or "")[:DESCRIPTION],
                parameters=tool.input_schema,
            )
            problem = "another tool has its name" if name in names else spec_problem(spec)
            if problem:
                about = {"server": self._connection.name, "tool": name[:64], "reason": problem}
                log.warning("mcp_tool_left_out", extra=about)
                continue
            names.add(name)
            yield spec, tool


def spec_problem(spec: ToolSpec) -> str:
    """Say why a session cannot carry this tool. "": it can."""
    if not NAME.fullmatch(spec.name):
        return "its name is not valid"
    schema: dict[str, Any] = spec.parameters
    if schema.get("type") != "object":
        return "its parameters are not an object"
    try:
        validator_for(schema, default=Draft202012Validator).check_schema(schema)
        size = len(msgspec.json.encode(spec))
    except SchemaError:
        return "its parameters are not a JSON Schema"
    except Exception as error:  # recursion, half of a surrogate pair, patterns
        return f"its parameters cannot be checked ({type(error).__name__})"
    return f"its description has more than {SPEC_BYTES} bytes" if size > SPEC_BYTES else ""


class McpConnections:
    """The connections to all MCP servers of this server's assistants. Use it by `async with`."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], McpConnection] = {}
        self._closing: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(each.close() for each in self._open.values()), *self._closing)

    def open(self, assistant: str, connection: McpConnection) -> None:
        """Start a connection. It replaces an earlier one of the same assistant and name."""
        key = assistant, connection.name
        if (earlier := self._open.get(key)) is not None:
            closing = asyncio.create_task(earlier.close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        self._open[key] = connection
        connection.start()
