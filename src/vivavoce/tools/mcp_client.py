"""Parts that both uses of MCP share: transports with bounds, lists of tools, and results as text.

The SDK logs what tools return, so its logger is silent. This server logs failures by their type.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

import mcp_types as mcp
from mcp.client import Client, Transport
from mcp.client.streamable_http import streamable_http_client

from ..net.http import client_for_library
from ..protocol.surrogates import whole_text
from .base import ToolResult
from .results import failed

if TYPE_CHECKING:
    from mcp.client._transport import TransportStreams
    from mcp.shared.exceptions import MCPError

MESSAGE_BYTES = 4 * 1024 * 1024  # of one message of a server
EVENT_BYTES = 1024 * 1024  # of one server-sent event
CONNECT_S = 10.0  # to connect, agree on a version and list the tools
ANSWER_S = 10.0  # for each of their answers
PAGES = 32  # of a list
TOLD = 300  # characters of a server's own error

OpenedTransport = AbstractAsyncContextManager["TransportStreams"]

logging.getLogger("mcp").setLevel(logging.CRITICAL + 1)


@asynccontextmanager
async def http_transport(
    url: str, headers: Mapping[str, str], *, allow_private: bool
) -> AsyncGenerator[TransportStreams, None]:
    """Connect by streamable HTTP, under the egress rules of this server."""
    client = client_for_library(
        allow_private=allow_private, headers=headers, max_bytes=MESSAGE_BYTES
    )
    async with (
        client,
        streamable_http_client(url, http_client=client, max_sse_event_size=EVENT_BYTES) as streams,
    ):
        yield streams


def client_of(transport: Transport, on_message: Any = None) -> Client:  # noqa: ANN401
    """Return a client, to be opened by `async with`. It can neither sample nor ask a user."""
    return Client(
        transport,
        message_handler=on_message,
        client_info=mcp.Implementation(name="vivavoce", version="0.1.0"),
        cache=None,
    )


async def list_all(client: Client, most: int) -> tuple[mcp.Tool, ...]:
    """Return the first `most` tools of a server. Pages that never end are an error."""
    tools: list[mcp.Tool] = []
    cursor: str | None = None
    for _ in range(PAGES):
        page = await client.list_tools(cursor=cursor)
        tools += page.tools
        cursor = page.next_cursor
        if cursor is None or len(tools) >= most:
            return tuple(tools[:most])
    raise ValueError("the list of tools does not end")


def is_read_only(tool: mcp.Tool) -> bool:
    """Return whether the server says that the tool changes nothing."""
    return bool(tool.annotations and tool.annotations.read_only_hint)


def result_of(result: mcp.CallToolResult) -> ToolResult:
    """Return a result as text for a model. Pictures and sounds are named by type and size."""
    text = "\n".join(_text(block) for block in result.content)
    if not text and result.structured_content is not None:
        text = json.dumps(result.structured_content, ensure_ascii=False)
    text = whole_text(text)
    if result.is_error:
        return failed(text[:TOLD].strip() or "The tool failed.")
    return ToolResult(text or '{"ok": true}')


def _text(block: mcp.ContentBlock) -> str:
    match block:
        case mcp.TextContent(text=text):
            return text
        case (
            mcp.ImageContent(mime_type=kind, data=data)
            | mcp.AudioContent(mime_type=kind, data=data)
        ):
            return f"[{kind[:60]}, {len(data) * 3 // 4} bytes, which cannot be shown]"
        case mcp.EmbeddedResource(resource=mcp.TextResourceContents(text=text)):
            return text
        case mcp.EmbeddedResource(resource=resource):
            return f"[a file that cannot be shown: {str(resource.uri)[:TOLD]}]"
        case _:
            return f"[{str(block.uri)[:TOLD]}]"


def refusal(error: MCPError) -> str:
    """Return the error that a server answered with, in words for the model."""
    return f"The server refused the call: {whole_text(error.message[:TOLD])}"
