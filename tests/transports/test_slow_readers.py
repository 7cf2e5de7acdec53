"""A client that reads slowly gets every event, complete and in order."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve

from ..support.served import TAKES_ALL, Served
from ..support.served import serve as serve_ours

if TYPE_CHECKING:
    from websockets.asyncio.connection import Connection

WITHIN_S = 60.0
EVENTS = 1_000
HOW: dict[str, Any] = {
    "max_size": None, "max_queue": 1, "ping_interval": None, "compression": None,
}  # fmt: skip
SESSION = {"type": "realtime", "object": "realtime.session", "id": "sess_1", "model": "m"}

GATE = """
name = "gate"
engine = "upstream"

[instructions]
default = "Say it again."

[upstream]
base_url = "ws://127.0.0.1:{port}/v1"
model = "m"
key = {{ env = "PROVIDER_KEY" }}
"""


def sound(number: int) -> str:
    """Return 4 to 30 kB of audio that differs from all other."""
    return base64.b64encode(random.Random(number).randbytes(3_000 + number * 97 % 20_000)).decode()


def delta(number: int) -> str:
    return json.dumps(
        {"type": "response.output_audio.delta", "event_id": f"event_{number}",
         "response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0,
         "delta": sound(number)}
    )  # fmt: skip


def append(number: int) -> str:
    event = {"type": "input_audio_buffer.append", "event_id": f"event_{number}"}
    return json.dumps(event | {"audio": sound(number)})


async def reads_slowly(connection: Connection, make: Callable[[int], str]) -> None:
    """Read all events that `make` makes, with pauses in which sockets fill."""
    for number in range(EVENTS):
        if number % 50 == 0:
            await asyncio.sleep(0.02)
        data = await connection.recv()
        assert data == make(number), f"event {number}"


class Provider:
    """A hosted model: it reads slowly, and its answer is long."""

    def __init__(self) -> None:
        self.has_read: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def talk(self, call: ServerConnection) -> None:
        async def say(kind: str) -> None:
            await call.send(json.dumps({"type": kind, "event_id": "e", "session": SESSION}))

        try:
            await say("session.created")
            assert json.loads(await call.recv())["type"] == "session.update"
            await say("session.updated")
            if json.loads(await call.recv())["type"] == "response.cancel":
                for number in range(EVENTS):
                    await call.send(delta(number))
            else:
                await reads_slowly(call, append)
                self.has_read.set_result(None)
            await call.wait_closed()
        except AssertionError as wrong:
            self.has_read.set_exception(wrong)


@dataclass
class Gateway:
    server: Served
    key: str
    port: int  # where it expects its provider

    @asynccontextmanager
    async def call(self) -> AsyncIterator[tuple[ClientConnection, Provider]]:
        provider = Provider()
        listening = narrow()
        listening.bind(("127.0.0.1", self.port))
        async with (
            asyncio.timeout(WITHIN_S),
            serve(provider.talk, sock=listening, **HOW),
            enter(self.server, self.key, "gate") as client,
        ):
            assert json.loads(await client.recv())["type"] == "session.created"
            yield client, provider


def narrow() -> socket.socket:
    """Return a socket with a small receive buffer."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    return made


@asynccontextmanager
async def enter(server: Served, key: str, assistant: str) -> AsyncIterator[ClientConnection]:
    url = urlsplit(server.url)
    link = narrow()
    link.connect((url.hostname, url.port))
    headers = {"Authorization": f"Bearer {key}"}
    query = f"?model={assistant}"
    async with connect(server.ws + query, sock=link, additional_headers=headers, **HOW) as client:
        yield client


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    data: Path = tmp_path_factory.mktemp("gateway")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (data / "assistants/gate").mkdir(parents=True)
    (data / "assistants/gate/assistant.toml").write_text(GATE.format(port=port))
    with serve_ours(data, PROVIDER_KEY="sk-none", **TAKES_ALL) as server:
        yield Gateway(server, server.key(), port)


def test_P0_a_client_that_reads_slowly_hears_every_delta_of_a_relayed_call(
    gateway: Gateway,
) -> None:
    async def story() -> None:
        async with gateway.call() as (client, _):
            await client.send('{"type":"response.cancel"}')
            await reads_slowly(client, delta)

    asyncio.run(story())


def test_P0_a_provider_that_reads_slowly_hears_every_append_of_a_relayed_call(
    gateway: Gateway,
) -> None:
    async def story() -> None:
        async with gateway.call() as (client, provider):
            await client.send('{"type":"input_audio_buffer.clear"}')
            for number in range(EVENTS):
                await client.send(append(number))
            await provider.has_read

    asyncio.run(story())


async def event(client: ClientConnection, kind: str) -> dict[str, Any]:
    while True:
        told: dict[str, Any] = json.loads(await client.recv())
        if told["type"] == kind:
            return told


async def say(client: ClientConnection, kind: str, **fields: object) -> None:
    await client.send(json.dumps({"type": kind, **fields}))


def test_P0_a_client_that_reads_slowly_gets_retrieved_items_echoes_and_errors_whole(
    served: Served, key: str
) -> None:
    """Of an engine of our own: sound of some seconds, long texts, and mistakes in between."""
    pcm = random.Random(7).randbytes(200_000)
    texts = [f"{number} " + "x" * (number * 977 % 40_000) for number in range(60)]

    async def speak(client: ClientConnection, item_id: str) -> None:
        for number, text in enumerate(texts):
            part = {"type": "input_text", "text": text}
            item = {"type": "message", "role": "user", "id": f"item_{number}", "content": [part]}
            await say(client, "conversation.item.create", item=item)
            await say(client, "conversation.item.retrieve", item_id=item_id)
            await say(client, "response.cancel", event_id=f"mistake_{number}" + "y" * 400)

    async def story() -> None:
        async with asyncio.timeout(WITHIN_S), enter(served, key, "echo") as client:
            session = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}
            await say(client, "session.update", session=session)
            audio = base64.b64encode(pcm).decode()
            await say(client, "input_audio_buffer.append", audio=audio)
            await say(client, "input_audio_buffer.commit")
            item_id = (await event(client, "input_audio_buffer.committed"))["item_id"]
            speaking = asyncio.create_task(speak(client, item_id))
            try:
                for number, text in enumerate(texts):
                    await asyncio.sleep(0.02)
                    done = (await event(client, "conversation.item.added"))["item"]
                    while done["id"] != f"item_{number}":  # the spoken one may come late
                        done = (await event(client, "conversation.item.added"))["item"]
                    assert done["content"][0]["text"] == text
                    shown = (await event(client, "conversation.item.retrieved"))["item"]
                    assert base64.b64decode(shown["content"][0]["audio"]) == pcm
                    wrong = (await event(client, "error"))["error"]
                    assert wrong["event_id"] == f"mistake_{number}" + "y" * 400
            finally:
                speaking.cancel()
                await asyncio.gather(speaking, return_exceptions=True)

    asyncio.run(story())
