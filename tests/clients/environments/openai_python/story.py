"""The `openai` package for Python."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from openai import AsyncOpenAI
from openai.types.realtime import RealtimeServerEvent
from openai.types.websocket_reconnection import ReconnectingEvent, ReconnectingOverrides
from pydantic import TypeAdapter

from ..chapters import Facts, Place, complain, speak, tell

_UNION: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)


class Conversation:
    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.events: list[Any] = []

    async def until(self, *kinds: str) -> Any:
        """Read on to an event of one of these types. The package's types must accept all."""
        async for event in self.connection:
            _UNION.validate_json(event.to_json())
            self.events.append(event)
            if event.type == "error":
                complain(event.error.message)
            if event.type in kinds:
                return event
        raise ConnectionError("the connection ended")

    async def configure(self, **session: Any) -> None:
        await self.connection.session.update(session={"type": "realtime", **session})
        await self.until("session.updated")

    async def type(self, text: str) -> None:
        part = {"type": "input_text", "text": text}
        await self.connection.conversation.item.create(
            item={"type": "message", "role": "user", "content": [part]}
        )
        await self.connection.response.create()

    def joined(self, kind: str) -> str:
        return "".join(event.delta for event in self.events if event.type == kind)

    @property
    def audio_ms(self) -> int:
        deltas = [e.delta for e in self.events if e.type == "response.output_audio.delta"]
        return sum(len(base64.b64decode(delta)) for delta in deltas) // 48

    async def speak(self, place: Place) -> None:
        async def send(pcm: bytes) -> None:
            await self.connection.input_audio_buffer.append(audio=base64.b64encode(pcm).decode())

        await speak(place, send)


@asynccontextmanager
async def connected(place: Place, model: str, **options: Any) -> AsyncIterator[Conversation]:
    client = AsyncOpenAI(base_url=place.base_url, api_key=place.key)
    async with client, client.realtime.connect(model=model, **options) as connection:
        yield Conversation(connection)


async def text(place: Place) -> Facts:
    async with connected(place, "charlotte") as c:
        await c.configure(output_modalities=["text"])
        await c.type(place.question)
        done = await c.until("response.done")
        return {"answer": c.joined("response.output_text.delta"), "status": done.response.status}


async def spoken(place: Place) -> Facts:
    async with connected(place, "charlotte") as c:
        await c.configure(audio={"input": {"transcription": {"model": "whisper-1"}}})
        speaking = asyncio.create_task(c.speak(place))
        await c.until("response.done")
        await speaking
        words = "conversation.item.input_audio_transcription.completed"
        return {
            "heard": next(e.transcript for e in c.events if e.type == words),
            "answer": c.joined("response.output_audio_transcript.delta"),
            "audio_ms": c.audio_ms,
        }


async def tool(place: Place) -> Facts:
    async with connected(place, "charlotte") as c:
        await c.configure(output_modalities=["text"], tools=[{"type": "function", **place.tool}])
        await c.type(place.wish)
        done = await c.until("response.done")
        (call,) = done.response.output
        await c.connection.conversation.item.create(
            item={"type": "function_call_output", "call_id": call.call_id, "output": place.output}
        )
        await c.connection.response.create()
        await c.until("response.done")
        return {
            "called": [call.name, call.arguments],
            "answer": c.joined("response.output_text.delta"),
        }


async def interruption(place: Place) -> Facts:
    async with connected(place, "echo") as c:
        await c.type(place.tale)
        first = await c.until("response.output_audio.delta")
        speaking = asyncio.create_task(c.speak(place))
        await c.until("response.done")
        await c.connection.conversation.item.truncate(
            item_id=first.item_id, content_index=0, audio_end_ms=100
        )
        truncated = await c.until("conversation.item.truncated")
        await c.until("response.done")  # to what was said meanwhile
        await speaking
        return {"truncated": truncated.item_id == first.item_id}


async def reconnection(place: Place) -> Facts:
    """Lose the connection: the package reconnects and names the conversation to continue."""
    known: list[str] = []
    codes: list[int] = []

    def again(event: ReconnectingEvent) -> ReconnectingOverrides:
        codes.append(event.close_code)
        return {"extra_query": {**event.extra_query, "conversation_id": known[0]}}

    async with connected(place, "charlotte", on_reconnecting=again, initial_delay=0.05) as c:
        await c.configure(output_modalities=["text"])
        await c.type(place.question)
        done = await c.until("response.done")
        known.append(done.response.conversation_id)
        before = c.events[-1]
        await place.cut()
        await c.until("session.created")
        await c.configure(output_modalities=["text"])
        await c.type(place.question)
        added = await c.until("conversation.item.added")
        after = await c.until("response.done")
        return {
            "codes": codes,
            "continued": after.response.conversation_id == known[0]
            and added.previous_item_id == before.response.output[-1].id,
            "answer": after.response.output[0].content[0].text,
        }


if __name__ == "__main__":
    tell(("openai",), (text, spoken, tool, interruption, reconnection))
