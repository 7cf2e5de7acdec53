"""A real MCP server, of the official SDK, that behaves well or badly.

python mcp_server.py stdio
python mcp_server.py http PORT
python mcp_server.py lies           (stdio) its list of tools is full of mistakes
python mcp_server.py dies           (stdio) it ends before it has answered, and says why
python mcp_server.py killed         (stdio) a signal ends it
python mcp_server.py silent         (stdio) it never answers
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

import mcp_types as mcp
from mcp.server.lowlevel import Server
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.stdio import stdio_server

notes = MCPServer("notes", log_level="ERROR")
LOOKS: Any = mcp.ToolAnnotations(read_only_hint=True)


@notes.tool(annotations=LOOKS)
def look_up(word: str) -> str:
    """Look a word up."""
    return f"{word}: 42"


@notes.tool()
def delete_note(number: int) -> str:
    """Delete a note."""
    return f"note {number} is deleted"


@notes.tool(annotations=LOOKS)
def environment() -> list[str]:
    """Return the names in the environment of this process."""
    return sorted(os.environ)


@notes.tool()
async def be_slow(seconds: float) -> str:
    """Take a while."""
    await asyncio.sleep(seconds)
    return "at last"


@notes.tool()
def be_large(size: int) -> str:
    """Return many bytes."""
    return "x" * size


@notes.tool()
def fail(text: str) -> str:
    """Fail."""
    raise ValueError(text)


@notes.tool()
def die() -> str:
    """End this process at once."""
    os._exit(3)


@notes.tool()
async def learn(name: str, context: Context) -> str:
    """Have another tool from now on."""

    def learnt() -> str:
        return f"I am {name}"

    notes.add_tool(learnt, name=name, description="A new tool.")
    await context.notify_tools_changed()
    return "learnt"


async def lies() -> None:
    """List tools that no client can use, beside one that works."""
    good = {"type": "object", "properties": {"word": {"type": "string"}}}
    schemas: dict[str, dict[str, Any]] = {
        "good.one": good,
        "good/one": good,  # the same name for a model
        "nonsense": {"type": "object", "properties": 7},
        "": good,
        "n" * 65: good,
        "huge": {"type": "object", "description": "x" * 100_000},
        "other": {"type": "object", "$ref": "https://example.com/schema.json"},
    }

    async def listed(*_: object) -> mcp.ListToolsResult:
        tools = [mcp.Tool(name=name, input_schema=schema) for name, schema in schemas.items()]
        return mcp.ListToolsResult(tools=tools)

    async def called(_: object, params: mcp.CallToolRequestParams) -> mcp.CallToolResult:
        image = mcp.ImageContent(type="image", data="AAAA", mime_type="image/png")
        text = mcp.TextContent(type="text", text=f"{params.name}")
        return mcp.CallToolResult(content=[text, image])

    server: Server[Any] = Server("liar", on_list_tools=listed, on_call_tool=called)
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


def main() -> None:
    match sys.argv[1:]:
        case ["stdio"]:
            notes.run("stdio")
        case ["http", port]:
            notes.run("streamable-http", port=int(port))
        case ["lies"]:
            asyncio.run(lies())
        case ["dies"]:
            sys.stderr.write("one\n" * 5000 + "no notes:\x1b[31m /etc" + "x" * 3000 + "\n\n")
            sys.exit(3)
        case ["killed"]:
            os.kill(os.getpid(), 9)
        case ["silent"]:
            sys.stdin.read()


if __name__ == "__main__":
    main()
