"""A connection to a server that can be cut as networks do: without a close frame."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

HOST = "127.0.0.1"

T = TypeVar("T")


@dataclass(frozen=True)
class Wire:
    port: int  # leads to the server
    cutter: int  # cuts all of that at the next connection, and then hangs up


@contextmanager
def wire(to: int) -> Iterator[Wire]:
    """Open a wire to the port `to` of this machine, carried by a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="wire")
    thread.start()

    def run(work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, loop).result(20)

    ends = _Ends(to)
    try:
        yield run(ends.open())
    finally:
        run(ends.close())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class _Ends:
    def __init__(self, to: int) -> None:
        self._to = to
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None] | None] = set()
        self._servers: list[asyncio.Server] = []

    async def open(self) -> Wire:
        for take in (self._carry, self._cut):
            self._servers.append(await asyncio.start_server(take, HOST, 0))
        port, cutter = (server.sockets[0].getsockname()[1] for server in self._servers)
        return Wire(port, cutter)

    async def close(self) -> None:
        for server in self._servers:
            server.close()
        self._abort()
        await asyncio.gather(*filter(None, self._tasks))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.current_task())
        far_reader, far_writer = await asyncio.open_connection(HOST, self._to)
        self._open |= {writer, far_writer}
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        self._open -= {writer, far_writer}
        self._tasks.discard(asyncio.current_task())

    async def _cut(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._abort()
        writer.close()

    def _abort(self) -> None:
        for writer in self._open:
            writer.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()
