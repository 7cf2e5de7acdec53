"""A network between a browser and a server of this machine that can be cut: TCP and UDP.

Over TCP a cut resets what is open and refuses what is new. Over UDP it loses every datagram.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

CANDIDATE = re.compile(r"a=candidate:\S+ \d \S+ \d+ (\S+) (\d+) typ .*\r\n")
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with RST


@dataclass
class Cable:
    """A thread passes on what both sides send, through ports of its own."""

    server_port: int
    port: int = 0
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _is_cut: bool = False
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _paths: list[UdpPath] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def cut(self) -> None:
        self._run(self._cut())

    def mend(self) -> None:
        self._is_cut = False

    def lead_media_through(self, answer: str) -> str:
        """Return an SDP answer whose only candidate is a port of this cable."""
        found = dict(CANDIDATE.findall(answer))
        port = self._run(self._open_path(int(found["127.0.0.1"])))
        through = f"a=candidate:1 1 udp 2130706431 127.0.0.1 {port} typ host\r\n"
        return CANDIDATE.sub(lambda one: through if one[1] == "127.0.0.1" else "", answer)

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _cut(self) -> None:
        self._is_cut = True
        for writer in self._writers:
            _reset(writer)

    async def _serve(self) -> asyncio.Server:
        server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            return _reset(writer)
        there_reader, there = await asyncio.open_connection("127.0.0.1", self.server_port)
        pair = {writer, there}
        self._writers |= pair
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_pass_on(reader, there))
                tasks.create_task(_pass_on(there_reader, writer))
        finally:
            self._writers -= pair
        return None

    async def _open_path(self, port: int) -> int:
        path = UdpPath(self, port)
        await self._loop.create_datagram_endpoint(lambda: path, ("127.0.0.1", 0))
        self._paths.append(path)
        return path.port


class UdpPath(asyncio.DatagramProtocol):
    """One port between a browser and a port of the server, as a NAT has it."""

    port: int

    def __init__(self, cable: Cable, server_port: int) -> None:
        self._cable, self._server = cable, ("127.0.0.1", server_port)
        self._browser: tuple[str, int] | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if addr != self._server:
            self._browser = addr
        target = self._browser if addr == self._server else self._server
        if target and not self._cable._is_cut:
            self._transport.sendto(data, target)

    def error_received(self, exc: Exception) -> None: ...  # the receiver has ended

    def close(self) -> None:
        self._transport.close()


@contextmanager
def laid_to(server_url: str) -> Iterator[Cable]:
    """Lay a cable to the server at this address."""
    cable = Cable(int(server_url.strip("/").rpartition(":")[2]))
    thread = threading.Thread(target=cable._loop.run_forever)
    thread.start()
    server = cable._run(cable._serve())
    try:
        yield cable
    finally:
        cable._run(_close(cable, server))
        cable._loop.call_soon_threadsafe(cable._loop.stop)
        thread.join()
        cable._loop.close()


async def _close(cable: Cable, server: asyncio.Server) -> None:
    server.close()
    for path in cable._paths:
        path.close()
    await cable._cut()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*others, return_exceptions=True)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    found = writer.get_extra_info("socket")
    if found is not None and not writer.is_closing():
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()
