"""A bystander: calls of another user on a server, and how long each of their answers takes.

A process of its own (`python -m tests.support.bystander`), because the attack keeps its own event
loop busy. It talks in JSON lines with the process that started it. First it sends the port of its
upstream, then it reads the server's address. `watch` begins to measure. `report` ends that and
returns the longest wait of each probe in milliseconds.

Three probes ask every 20 ms, each waiting for its answer:

    call      `response.cancel` in a running call: the server's own machine answers an error
    relay     `input_audio_buffer.append` in a relayed call: it goes to the upstream and comes back
    healthz   `GET /healthz` on a fresh connection
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

EVERY_S = 0.02
SOUND = "AAAA" * 640  # 40 ms of PCM16
CANCEL = '{"type":"response.cancel"}'
APPEND = json.dumps({"type": "input_audio_buffer.append", "audio": SOUND})
SESSION = {"type": "realtime", "object": "realtime.session", "id": "sess_1", "model": "m"}


def event(kind: str, **fields: object) -> str:
    return json.dumps({"type": kind, "event_id": "e", **fields}, separators=(",", ":"))


CREATED = event("session.created", session=SESSION)
UPDATED = event("session.updated", session=SESSION)
DELTA = event("response.output_audio.delta", response_id="r", item_id="i", output_index=0,
              content_index=0, delta=SOUND)  # fmt: skip

Ask = Callable[[], Awaitable[object]]


def not_scheduled_s(pid: int | str = "self") -> float:
    """Return how long the main thread of a process has waited for a processor, altogether."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


@dataclass
class Probe:
    """Asks again and again, and remembers the longest wait."""

    ask: Ask
    server: int  # process
    worst_s: float = 0.0
    answers: int = 0
    answered: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        while True:
            began, idle = time.perf_counter(), self._not_scheduled_s()
            await self.ask()
            took = time.perf_counter() - began - (self._not_scheduled_s() - idle)
            self.worst_s = max(self.worst_s, took)
            self.answers += 1
            self.answered.set()
            await asyncio.sleep(EVERY_S)

    async def report(self) -> dict[str, float]:
        """After the answer that is awaited now."""
        self.answered.clear()
        await self.answered.wait()
        return {"worst_ms": round(self.worst_s * 1000, 1), "answers": self.answers}

    def reset(self) -> None:
        self.worst_s, self.answers = 0.0, 0

    def _not_scheduled_s(self) -> float:
        return not_scheduled_s(self.server) + not_scheduled_s()


async def upstream(socket: ServerConnection) -> None:
    """Run a hosted model that answers each piece of audio with another one."""
    await socket.send(CREATED)
    with suppress(ConnectionClosed):
        async for frame in socket:
            if frame == APPEND:
                await socket.send(DELTA)
            elif "session.update" in frame[:60]:
                await socket.send(UPDATED)


def healthz(url: str) -> Ask:
    address = urlsplit(url)
    request = f"GET /healthz HTTP/1.1\r\nHost: {address.netloc}\r\nConnection: close\r\n\r\n"

    async def ask() -> None:
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(request.encode())
        answer = await reader.read()
        writer.close()
        assert b" 200 " in answer.splitlines()[0], answer

    return ask


async def lines() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    return reader


def say(value: object) -> None:
    print(json.dumps(value), flush=True)


async def main() -> None:
    told = await lines()

    async def hear() -> Any:  # noqa: ANN401
        return json.loads(await told.readline() or "null")

    async with serve(upstream, "127.0.0.1", 0, max_size=None) as far:
        say(far.sockets[0].getsockname()[1])
        where: dict[str, Any] = await hear()
        headers = {"Authorization": f"Bearer {where['key']}"}

        def call(assistant: str) -> connect:
            return connect(f"{where['ws']}?model={assistant}", additional_headers=headers)

        async with call("echo") as own, call("relayed") as relayed:

            def answered(socket: Any, question: str, kind: str) -> Ask:  # noqa: ANN401
                async def ask() -> None:
                    await socket.send(question)
                    answer = await socket.recv(decode=False)
                    assert kind.encode() in answer[:60], answer[:200]

                return ask

            for socket in (own, relayed):
                assert b'"session.created"' in await socket.recv(decode=False)
            server: int = where["pid"]
            probes = {
                "call": Probe(answered(own, CANCEL, '"error"'), server),
                "relay": Probe(answered(relayed, APPEND, "output_audio.delta"), server),
                "healthz": Probe(healthz(where["url"]), server),
            }
            async with asyncio.TaskGroup() as tasks:
                running = [tasks.create_task(probe.run()) for probe in probes.values()]
                say("ready")
                while (word := await hear()) is not None:
                    if word == "watch":
                        for probe in probes.values():
                            probe.reset()
                        say("watching")
                    else:
                        say({name: await probe.report() for name, probe in probes.items()})
                for task in running:
                    task.cancel()


if __name__ == "__main__":
    asyncio.run(main())
