"""Many short calls, a third of them ended rudely: nothing is left of any."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path

import psutil
import pytest
from websockets.asyncio.client import connect

from ..support.served import Served, serve

pytestmark = pytest.mark.long

WARM_UP, CALLS, AT_ONCE = 600, 600, 10
SOUND = base64.b64encode(bytes(9600)).decode()


async def call(server: Served, key: str, number: int) -> None:
    socket = await connect(
        f"{server.ws}?model=echo", additional_headers={"Authorization": f"Bearer {key}"}
    )
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


async def calls(server: Served, key: str, count: int) -> None:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        async with gate, asyncio.timeout(30):
            await call(server, key, number)

    async with asyncio.TaskGroup() as tasks:
        for number in range(count):
            tasks.create_task(one(number))


def test_memory_threads_files_and_processes_stay_flat(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        key = server.key()
        process = psutil.Process(server.process.pid)
        asyncio.run(calls(server, key, WARM_UP))  # caches, pools and threads are there now
        before = (process.num_threads(), process.num_fds(), len(process.children(recursive=True)))
        memory = process.memory_info().rss
        asyncio.run(calls(server, key, CALLS))
        after = (process.num_threads(), process.num_fds(), len(process.children(recursive=True)))
        assert [b - a for a, b in zip(before, after, strict=True)] <= [0, 2, 0]
        assert process.memory_info().rss - memory < CALLS * 8_000  # bytes a call: noise
        listed = json.loads(server.cli("conversations", "list", "--json", "--limit", "1000"))
        assert len(listed) == min(WARM_UP + CALLS, 1000)  # a page
        assert "Traceback" not in server.log.read_text()
