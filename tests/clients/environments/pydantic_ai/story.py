"""Pydantic AI: an `Agent` in a session of its `OpenAIRealtimeModel`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pydantic_ai import Agent, Tool
from pydantic_ai.messages import ModelRequest, SpeechPart, TextPart
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.realtime import RealtimeSession
from pydantic_ai.realtime.openai import OpenAIRealtimeModel

from ..chapters import BYTES_PER_MS, Facts, News, Place, complain, speak, tell


class Conversation:
    def __init__(self, session: RealtimeSession) -> None:
        self.session = session
        self.events: list[Any] = []
        self.audio_ms = 0.0
        self._news = News()

    async def listen(self) -> None:
        async for event in self.session:
            self.events.append(event)
            if event.event_kind in ("realtime_session_error", "realtime_input_transcription_error"):
                complain(event)
            self._news.happened()

    async def play(self) -> None:
        """Take audio like a loudspeaker, in real time."""
        async for chunk in self.session.stream_audio():
            ms = len(chunk) / BYTES_PER_MS
            self.audio_ms += ms
            self._news.happened()
            await asyncio.sleep(ms / 1000)

    def count(self, kind: str) -> int:
        return [event.event_kind for event in self.events].count(kind)

    async def until(self, kind: str) -> None:
        await self._news.until(lambda: self.count(kind) > 0)

    async def sounding(self) -> None:
        await self._news.until(lambda: self.audio_ms > 0)

    def parts(self, speaker: str) -> list[Any]:
        """Return the texts of this role in the session's history."""
        messages = self.session.all_messages()
        mine = [m for m in messages if isinstance(m, ModelRequest) == (speaker == "user")]
        return [
            part
            for message in mine
            for part in message.parts
            if isinstance(part, SpeechPart | TextPart)
        ]

    def said(self, speaker: str) -> str:
        part = self.parts(speaker)[-1]
        return str(part.transcript if isinstance(part, SpeechPart) else part.content)


@asynccontextmanager
async def connected(
    place: Place, model: str, *, tools: Any = (), aloud: bool = False, **settings: Any
) -> AsyncIterator[Conversation]:
    agent = Agent(instructions="You are Charlotte.", tools=list(tools))
    provider = OpenAIProvider(base_url=place.base_url, api_key=place.key)
    realtime = agent.realtime(
        OpenAIRealtimeModel(model, provider=provider), model_settings=dict(settings)
    )
    async with realtime.session(handle_barge_in=aloud) as session, asyncio.TaskGroup() as group:
        c = Conversation(session)
        tasks = [group.create_task(c.listen())]
        if aloud:
            tasks.append(group.create_task(c.play()))
        yield c
        for task in tasks:
            task.cancel()


async def text(place: Place) -> Facts:
    async with connected(place, "charlotte", output_modality="text") as c:
        await c.session.send(place.question)
        await c.session.wait_for_reply()
        return {"answer": c.said("assistant")}


async def spoken(place: Place) -> Facts:
    async with connected(place, "charlotte", aloud=True) as c:
        await speak(place, c.session.send_audio)
        await c.until("realtime_turn_complete")
        await c.session.wait_for_playback()
        return {"heard": c.said("user"), "answer": c.said("assistant"), "audio_ms": c.audio_ms}


async def tool(place: Place) -> Facts:
    called: list[Any] = []

    def run(**arguments: Any) -> str:
        called.append(arguments)
        return place.output

    declared = Tool.from_schema(
        run, place.tool["name"], place.tool["description"], place.tool["parameters"]
    )
    async with connected(place, "charlotte", tools=[declared], output_modality="text") as c:
        await c.session.send(place.wish)
        await c.session.wait_for_reply()
        return {
            "called": [place.tool["name"], json.dumps(called[0])],
            "answer": c.said("assistant"),
        }


async def interruption(place: Place) -> Facts:
    """Interrupt: the session truncates by itself to the played part."""
    async with connected(place, "echo", aloud=True) as c:
        await c.session.send(place.tale)
        await c.sounding()
        await speak(place, c.session.send_audio)
        await c.until("realtime_turn_complete")
        first = c.parts("assistant")[0]
        return {"truncated": bool(first.interrupted_at_ms)}


async def reconnection(place: Place) -> Facts:
    """Lose the connection: the session reconnects and repeats the conversation."""
    again = {"max_attempts": 3, "base_delay": 0.05}
    async with connected(place, "charlotte", output_modality="text", reconnect=again) as c:
        await c.session.send(place.question)
        await c.session.wait_for_reply()
        await place.cut()
        await c.until("realtime_session_reconnect")
        await c.session.send(place.question)
        await c.session.wait_for_reply()
        (back,) = (e for e in c.events if e.event_kind == "realtime_session_reconnect")
        return {"continued": back.state_restored, "answer": c.said("assistant")}


if __name__ == "__main__":
    tell(("pydantic-ai-slim", "openai"), (text, spoken, tool, interruption, reconnection))
