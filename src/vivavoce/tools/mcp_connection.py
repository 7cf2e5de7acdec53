"""Keep the connection to one MCP server of the operator, and the list of its tools.

One task owns the connection. It lists the tools when it has connected, and again when the server
says that the list has changed. If the connection is lost, it connects again after a while. Nothing
of this is in the path of a call: a call uses the last list, and the connection that there is.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx2
import mcp_types as mcp
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from ..errors import EngineError
from ..failures import describe, leaves
from ..net.errors import NetError
from .base import ToolResult
from .mcp_client import CONNECT_S, OpenedTransport, client_of, list_all, refusal, result_of
from .mcp_stdio import ProgramEndedError
from .results import failed

if TYPE_CHECKING:
    from mcp.client import Client

log = logging.getLogger("vivavoce.tools")

TOOLS = 512  # of one server; the patterns of the table choose among them
STABLE_S = 60.0  # a connection that lasted longer may be replaced at once
RELIST_S = 1.0  # between two lists, however often they change
LOST = "The connection to the server of this tool was lost. It may have done its work all the same."
AWAY = "The server of this tool cannot be reached at the moment."

Opened = Callable[[], OpenedTransport]
"""Make a transport of the SDK. Raises `EngineError` if a secret is missing."""


def backoff(failures: int) -> float:
    """Return seconds before the next attempt: about 1, 2, 4, … and at most 60."""
    return min(60.0, 2.0 ** min(failures - 1, 6)) * random.uniform(0.5, 1.0)


class McpConnection:
    """The connection to one server, from `start` to `close`."""

    def __init__(
        self, name: str, opened: Opened, *, backoff: Callable[[int], float] = backoff
    ) -> None:
        """`name`: of the server, in logs and errors."""
        self.name = name
        self.tools: tuple[mcp.Tool, ...] = ()  # of the last list
        self.problem = "it has not answered yet"  # "": it is connected
        self._opened = opened
        self._backoff = backoff
        self._client: Client | None = None
        self._tried = asyncio.Event()  # the first attempt has ended
        self._wake = asyncio.Event()  # the list has changed, or the connection is over
        self._over = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to connect, in the background."""
        self._task = asyncio.create_task(self._run(), name=f"mcp {self.name}")

    async def close(self) -> None:
        """End the connection, and its process."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def connected(self, seconds: float) -> None:
        """Wait for the first attempt to end. Raises `EngineError` if there is no connection."""
        try:
            async with asyncio.timeout(seconds):
                await self._tried.wait()
        except TimeoutError:
            pass
        if self.problem:
            raise EngineError(f"the MCP server {self.name} cannot be used: {self.problem}")

    async def call(self, name: str, arguments: Mapping[str, Any]) -> ToolResult:
        """Call a tool by the server's own name. Every failure of the server is a result."""
        if (client := self._client) is None:
            return failed(AWAY)
        try:
            return result_of(await client.call_tool(name, dict(arguments)))
        except MCPError as error:
            if client is not self._client or error.code == mcp.CONNECTION_CLOSED:
                self._wake.set()
                return replace(failed(LOST), unknown=True)
            self._wake.set()  # a list shows whether the server has forgotten this client
            return failed(refusal(error))
        except Exception as error:  # a result that is not what the server announced
            log.warning("mcp_result_not_valid", extra={"server": self.name} | describe(error))
            odd = failed("The server of this tool sent a result that is not valid.")
            return replace(odd, unknown=True)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            began = loop.time()
            problem, detail = "it ended the connection", {}
            try:
                await self._serve()
            except Exception as error:
                problem, detail = _problem(error, served=not self.problem), describe(error)
            failures = 1 if loop.time() - began > STABLE_S else failures + 1
            self.problem = problem
            self._tried.set()
            about = {"server": self.name, "reason": problem, "failures": failures}
            log.warning("mcp_server_lost", extra=about | detail)
            await asyncio.sleep(self._backoff(failures))

    async def _serve(self) -> None:
        """Connect, and follow the list of tools until the connection is over."""
        self._over = False
        async with asyncio.timeout(CONNECT_S) as deadline:
            async with client_of(_Watched(self._opened(), self._ended), self._notice) as client:
                self.tools = await list_all(client, TOOLS)
                deadline.reschedule(None)
                self.problem = ""
                self._client = client
                self._tried.set()
                log.info("mcp_server_connected", extra=self._about())
                try:
                    await self._follow(client)
                finally:
                    self._client = None

    async def _follow(self, client: Client) -> None:
        self._wake.clear()
        async with asyncio.TaskGroup() as tasks:
            subscription = tasks.create_task(self._subscribe(client))
            while not self._over:
                await self._wake.wait()
                self._wake.clear()
                if not self._over:
                    async with asyncio.timeout(CONNECT_S):
                        self.tools = await list_all(client, TOOLS)
                    log.info("mcp_tools_listed", extra=self._about())
                    await asyncio.sleep(RELIST_S)
            subscription.cancel()

    async def _subscribe(self, client: Client) -> None:
        """Follow the changes of the list as newer servers report them. Older ones notify."""
        tools = client.server_capabilities.tools
        if client.protocol_version in MODERN_PROTOCOL_VERSIONS and tools and tools.list_changed:
            async with client.listen(tools_list_changed=True) as changes:
                async for _ in changes:
                    self._wake.set()
            self._ended()

    async def _notice(self, message: object) -> None:
        if isinstance(message, mcp.ToolListChangedNotification):
            self._wake.set()

    def _ended(self) -> None:
        self._over = True
        self._wake.set()

    def _about(self) -> dict[str, object]:
        return {"server": self.name, "tools": len(self.tools)}


class _Watched:
    """A transport that says when the server has ended its messages."""

    def __init__(
        self, transport: AbstractAsyncContextManager[Any], ended: Callable[[], None]
    ) -> None:
        self._transport = transport
        self._ended = ended

    async def __aenter__(self) -> Any:  # noqa: ANN401
        read, write = await self._transport.__aenter__()
        return _Messages(read, self._ended), write

    async def __aexit__(self, *error: Any) -> bool | None:  # noqa: ANN401
        return await self._transport.__aexit__(*error)


class _Messages:
    """The messages of a server, as the transport gives them."""

    def __init__(self, inner: Any, ended: Callable[[], None]) -> None:  # noqa: ANN401
        self._inner = inner
        self._ended = ended

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._inner, name)

    async def __aenter__(self) -> _Messages:
        await self._inner.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> Any:  # noqa: ANN401
        return await self._inner.__aexit__(*error)

    def __aiter__(self) -> _Messages:
        return self

    async def __anext__(self) -> Any:  # noqa: ANN401
        try:
            return await anext(self._inner)
        except StopAsyncIteration:
            self._ended()
            raise


def _problem(error: Exception, *, served: bool) -> str:
    """Say why a server cannot be used, for the operator.

    No text of the server is in it, except the last words of a program that ended before it was
    used. `served`: it was used, and its words may quote users.
    """
    ended = next((each for each in leaves(error) if isinstance(each, ProgramEndedError)), None)
    if ended is not None:
        return ended.brief if served else str(ended)
    for each in leaves(error):
        match each:
            case NetError():
                return str(each)
            case EngineError():
                return str(each)
            case TimeoutError():
                return f"it did not answer within {CONNECT_S:g} s"
            case OSError():
                return f"it cannot be started: {each.strerror or type(each).__name__}"
            case MCPError(code=code):
                return f"it answered with the error {code}"
            case httpx2.HTTPError():
                return f"it does not speak HTTP as expected ({type(each).__name__})"
            case _:
                continue
    return f"its messages are not valid ({type(error).__name__})"
