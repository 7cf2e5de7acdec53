"""Start the MCP server of the tests, and make runners of its tools as an assistant gets them."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from vivavoce.app.adapters import known
from vivavoce.app.tool_kinds import mcp
from vivavoce.assistants import Assistant, load
from vivavoce.config import NetSection, Settings
from vivavoce.testing.adapters import made
from vivavoce.tools.base import ToolContext
from vivavoce.tools.mcp import McpRunner

SCRIPT = Path(__file__).with_name("mcp_server.py")
HEAD = 'name = "ada"\nengine = "scripted"\ninstructions.default = "Help."\n'


def command(kind: str = "stdio") -> str:
    """Return the keys of a table whose server is a child process."""
    return f'command = ["{sys.executable}", "{SCRIPT}", "{kind}"]\n'


@asynccontextmanager
async def http_server(program: Path = SCRIPT) -> AsyncIterator[str]:
    """Run the server over streamable HTTP. Yield its address when it listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(sys.executable, program, "http", str(port))
    try:
        async with asyncio.timeout(30):
            while not await _listens(port):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


def assistant(folder: Path, keys: str) -> Assistant:
    """Load an assistant with one table of kind `mcp`."""
    path = folder / "ada"
    path.mkdir(exist_ok=True)
    table = f'[[tools]]\nkind = "mcp"\nname = "notes"\n{keys}'
    (path / "assistant.toml").write_text(HEAD + table)
    return load(path, known())


@asynccontextmanager
async def runner(folder: Path, keys: str, *, private: bool = True) -> AsyncIterator[McpRunner]:
    """Make the runner of a table, as a server does."""
    loaded = assistant(folder, keys)
    settings = Settings(net=NetSection(allow_private=private))
    table = loaded.server_tools()[0].table
    async with made(mcp, loaded, settings=settings, table=table) as opened:
        assert isinstance(opened, McpRunner)
        yield opened


async def until_tool(opened: McpRunner, name: str, seconds: float = 20.0) -> None:
    """Wait until the server has listed a tool of this name."""
    async with asyncio.timeout(seconds):
        while name not in {spec.name for spec in opened.specs(ToolContext())}:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
