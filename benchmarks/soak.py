"""`make bench ARGS=soak`: measure the memory after 2,000 short calls, a third of them aborted.

Each call updates its session, sends some audio and a sentence, and gets a spoken response. Every
third call is aborted during the response. Memory is that of the server alone.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from dataclasses import dataclass

import psutil
from websockets.asyncio.client import connect

from .figures import table
from .serving import Served, folder, serve

CALLS, STEPS, AT_ONCE = 2000, 8, 10
ECHO = 'name = "echo"\nengine = "scripted"\n[instructions]\ndefault = "Say it again."\n'
ECHO += "[limits]\ncalls_at_once = 1000\n"
SOUND = base64.b64encode(bytes(9600)).decode()


@dataclass(frozen=True)
class Left:
    calls: int
    memory_mb: float
    threads: int
    files: int
    processes: int

    @classmethod
    def of(cls, served: Served, calls: int) -> Left:
        process = psutil.Process(served.process.pid)
        return cls(
            calls,
            process.memory_info().rss / 2**20,
            process.num_threads(),
            process.num_fds(),
            len(process.children(recursive=True)),
        )


async def call(url: str, key: str, number: int) -> None:
    """Make one call. `number` decides how it ends."""
    socket = await connect(url, additional_headers={"Authorization": f"Bearer {key}"})
    part = {"type": "input_text", "text": f"call number {number}"}
    item = {"type": "message", "role": "user", "content": [part]}
    for event in (
        {"type": "session.update", "session": {"type": "realtime"}},
        {"type": "input_audio_buffer.append", "audio": SOUND},
        {"type": "conversation.item.create", "item": item},
        {"type": "response.create"},
    ):
        await socket.send(json.dumps(event))
    async for data in socket:
        kind = json.loads(data)["type"]
        if number % 3 == 0 and kind == "response.output_audio.delta":
            socket.transport.abort()
            await socket.wait_closed()
            return
        if kind == "response.done":
            break
    await socket.close()


async def calls(url: str, key: str, count: int) -> None:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        async with gate, asyncio.timeout(60):
            await call(url, key, number)

    async with asyncio.TaskGroup() as tasks:
        for number in range(count):
            tasks.create_task(one(number))


async def measure(count: int) -> list[Left]:
    with folder() as data:
        (data / "assistants" / "echo").mkdir()
        (data / "assistants" / "echo" / "assistant.toml").write_text(ECHO)
        with serve(data, VIVAVOCE_CALLS__DEFAULT_ASSISTANT="echo",
                   VIVAVOCE_CALLS__OVERLOAD_LAG_MS="0") as served:  # fmt: skip
            key, left = served.key(), []
            for step in range(1, STEPS + 1):
                await calls(served.ws("echo"), key, count // STEPS)
                await asyncio.sleep(1)
                left.append(Left.of(served, count * step // STEPS))
                print(f"  {left[-1]}", file=sys.stderr, flush=True)
            if "Traceback" in (data / "server.log").read_text():
                raise RuntimeError("something went wrong on the way: see the server's log")
            return left


def main(count: str = str(CALLS)) -> None:
    left = asyncio.run(measure(int(count)))
    rows = [
        [str(at.calls), f"{at.memory_mb:.0f}", str(at.threads), str(at.files), str(at.processes)]
        for at in left
    ]
    print(table(["after so many calls", "memory, MB", "threads", "files", "processes"], rows))


if __name__ == "__main__":
    main(*sys.argv[1:])
