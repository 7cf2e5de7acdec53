"""Make the most expensive frames that the limits allow, and clients that send them."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vivavoce.protocol.items import Message, Part
from vivavoce.store.base import Change, ConversationRow, ItemRow
from vivavoce.store.sql.store import SqlStore

from ..support.calls import House
from ..support.pictures import png, url

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

MIB = 2**20
WITHIN_S = 40.0
TEXT = {"output_modalities": ["text"]}
BESIDE = {"conversation": "none"} | TEXT


# Frames


def event(kind: str, **fields: object) -> bytes:
    return json.dumps({"type": kind, "event_id": "mine", **fields}).encode()


def update(**session: object) -> bytes:
    return event("session.update", session={"type": "realtime", **session})


def wide(before: str, middle: str, after: str) -> bytes:
    """Return a frame of almost 16 MiB, joined because `json` would take longer."""
    return (before + middle + after).encode()


def session_of(middle: str) -> bytes:
    """Return a frame with `middle` repeated up to the limit, each followed by a comma."""
    return wide('{"type":"session.update","session":{"type":"realtime","x":[', middle, "1]}}")


def typed(text: str = "x", parts: int = 1, **fields: object) -> dict[str, Any]:
    part = {"type": "input_text", "text": text}
    return {"type": "message", "role": "user", "content": [part] * parts, **fields}


def spoken(sound: bytes, **fields: object) -> dict[str, Any]:
    part = {"type": "input_audio", "audio": base64.b64encode(sound).decode()}
    return {"type": "message", "role": "user", "content": [part], **fields}


def pictured(size: int, **fields: object) -> dict[str, Any]:
    part = {"type": "input_image", "image_url": url(png(size=size * 3 // 4))}
    return {"type": "message", "role": "user", "content": [part], **fields}


def created(item: object, **fields: object) -> bytes:
    return event("conversation.item.create", item=item, **fields)


def tools(count: int, letter: str = "a", **each: object) -> list[dict[str, object]]:
    return [{"type": "function", "name": f"{letter}{n}", **each} for n in range(count)]


# Clients


@dataclass
class Attacker:
    """Hold one connection whose received events are discarded."""

    socket: ClientConnection

    @property
    def call_id(self) -> str:
        assert self.socket.response is not None
        return self.socket.response.headers["Vivavoce-Call-Id"]

    async def send(self, *frames: bytes) -> None:
        for frame in frames:
            await self.socket.send(frame, text=True)

    async def until(self, *kinds: str, times: int = 1) -> None:
        names = [b'"type":"' + kind.encode() + b'"' for kind in kinds]
        async with asyncio.timeout(WITHIN_S):
            while times:
                data = await self.socket.recv(decode=False)
                times -= any(name in data[:100] for name in names)

    async def ask(self, frames: Sequence[bytes], *kinds: str) -> None:
        """Send all events at once, and wait for this number of answers."""
        await asyncio.gather(self.send(*frames), self.until(*kinds, times=len(frames)))


@asynccontextmanager
async def calls(house: House, count: int, query: str = "") -> AsyncIterator[list[Attacker]]:
    async with AsyncExitStack() as stack:
        entered = []
        for _ in range(count):
            how: dict[str, Any] = {"compression": None, "max_queue": None}
            socket = (await stack.enter_async_context(house.call(query, **how))).socket
            attacker = Attacker(socket)
            if "call_id" not in query:
                await attacker.until("session.created")
            entered.append(attacker)
        yield entered


@asynccontextmanager
async def call(house: House, query: str = "") -> AsyncIterator[Attacker]:
    async with calls(house, 1, query) as (attacker,):
        yield attacker


async def store(
    data: Path, name: str, texts: list[str], *, parts: int = 1, assistant: str = "echo",
    crowded: bool = False,
) -> None:  # fmt: skip
    """Store a conversation as if it had been held. `crowded`: no position follows item one."""
    opened = await SqlStore.open(data / "vivavoce.db")
    at = datetime.now(UTC)
    places = [1024.0 * (n + 1) for n in range(len(texts))]
    if crowded:
        places[1] = places[0] + 2.0**-42
    content = [(Part(type="input_text", text=text),) * parts for text in texts]
    rows = tuple(
        ItemRow(Message(id=f"i{n}", role="user", content=content[n]), places[n], at)
        for n in range(len(texts))
    )
    try:
        await opened.create_conversation(ConversationRow(name, assistant, None, "en", at, at))
        await opened.commit([Change(name, items=rows, at=at)])
    finally:
        await opened.close()
