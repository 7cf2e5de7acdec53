"""Calls to a real server: hostile clients, and a bystander whose call must not suffer."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psutil
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from .official import accept
from .served import Served

ANSWER_TIMEOUT_S = 30.0
Event = dict[str, Any]


class Caller:
    """One connection, in the words of the protocol."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.heard: list[Event] = []

    @property
    def conversation(self) -> str:
        """The id of the conversation."""
        assert self.socket.response is not None
        return self.socket.response.headers["Vivavoce-Conversation-Id"]

    async def say(self, kind: str, **fields: object) -> None:
        await self.socket.send(json.dumps({"type": kind, **fields}))

    async def send(self, frame: str | bytes | list[str] | list[bytes]) -> None:
        await self.socket.send(frame)

    async def hear(self, *kinds: str) -> Event:
        """Return the next event, or the next one of these types."""
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            while True:
                data = await self.socket.recv(decode=False)
                if len(data) < 2**20:  # pydantic takes seconds for ten megabytes
                    accept(data)
                event: Event = json.loads(data)
                self.heard.append(event)
                if not kinds or event["type"] in kinds:
                    return event

    async def error(self) -> tuple[str | None, str | None, str | None]:
        """Return code, param and `event_id` of the next event, which must be an error."""
        event = await self.hear()
        assert event["type"] == "error", event
        error = event["error"]
        assert error["message"]
        return error["code"], error["param"], error["event_id"]

    async def add(self, text: str, **fields: object) -> str:
        """Add an item, and return its id after its receipt."""
        part = {"type": "input_text", "text": text}
        item = {"type": "message", "role": "user", "content": [part]}
        await self.say("conversation.item.create", item=item, **fields)
        done: str = (await self.hear("conversation.item.done"))["item"]["id"]
        return done

    async def turn(self, text: str = "are you there") -> str:
        """Send a text and return the answer: the call is alive."""
        await self.add(text)
        return await self.answered()

    async def answered(self) -> str:
        await self.say("response.create", response={"output_modalities": ["text"]})
        done = (await self.hear("response.done"))["response"]
        assert done["status"] == "completed", done
        (item,) = done["output"]
        answer: str = item["content"][0]["text"]
        return answer

    async def append(self, pcm: bytes) -> None:
        await self.say("input_audio_buffer.append", audio=base64.b64encode(pcm).decode())

    async def end(self) -> tuple[int, str]:
        """Return code and reason of the server's close frame."""
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            try:
                while True:
                    await self.socket.recv()
            except ConnectionClosed:
                return self.socket.close_code or 0, self.socket.close_reason or ""

    async def vanish(self) -> None:
        self.socket.transport.abort()
        await self.socket.wait_closed()


@dataclass(frozen=True)
class Costs:
    memory: int  # bytes
    files: int
    threads: int
    processes: int

    @classmethod
    def of(cls, server: Served) -> Costs:
        process = psutil.Process(server.process.pid)
        with process.oneshot():
            return cls(
                process.memory_info().rss,
                process.num_fds(),
                process.num_threads(),
                len(process.children(recursive=True)),
            )


@dataclass
class House:
    """A server, and the resources that it uses."""

    server: Served
    key: str
    assistant: str = "echo"

    @asynccontextmanager
    async def call(self, query: str = "", **how: Any) -> AsyncIterator[Caller]:  # noqa: ANN401
        headers = {"Authorization": f"Bearer {self.key}"}
        url = f"{self.server.ws}?model={self.assistant}{query}"
        how = {"additional_headers": headers, "max_size": None, "open_timeout": 30} | how
        async with connect(url, **how) as socket:
            yield Caller(socket)

    @asynccontextmanager
    async def welcome(self, query: str = "", **how: Any) -> AsyncIterator[Caller]:  # noqa: ANN401
        async with self.call(query, **how) as caller:
            assert (await caller.hear())["type"] == "session.created"
            yield caller

    async def calm(self, before: Costs, *, memory: int = 0) -> Costs:
        """Wait until the server uses no more than `before`. `memory`: bytes that it may keep."""
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            while True:
                now = Costs.of(self.server)
                if (
                    now.files <= before.files + 4
                    and now.threads <= before.threads + 8  # the pools' threads come when needed
                    and now.processes <= before.processes
                    and (not memory or now.memory <= before.memory + memory)
                ):
                    return now
                await asyncio.sleep(0.1)

    def story(self, tell: Callable[[House], Coroutine[Any, Any, None]]) -> None:
        """Run a story while a bystander talks, whose call must not suffer."""
        asyncio.run(self._beside(tell))

    async def _beside(self, tell: Callable[[House], Coroutine[Any, Any, None]]) -> None:
        async with self.welcome() as bystander:
            assert await bystander.turn("before") == "You said: before"
            before = Costs.of(self.server)
            talking = asyncio.create_task(self._chat(bystander))
            try:
                await tell(self)
            finally:
                talking.cancel()
                await asyncio.gather(talking, return_exceptions=True)
            if not talking.cancelled():
                talking.result()
            await self.calm(before)
        trace = self.server.log.read_text()
        assert "Traceback" not in trace, trace

    async def _chat(self, bystander: Caller) -> None:
        while True:
            assert await bystander.turn("meanwhile") == "You said: meanwhile"
            assert not [e for e in bystander.heard if e["type"] == "error"]
            bystander.heard.clear()
            await asyncio.sleep(0.1)
