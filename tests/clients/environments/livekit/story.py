"""LiveKit Agents: an `AgentSession` over its OpenAI plugin's `RealtimeModel`, without a room."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from livekit import rtc
from livekit.agents import Agent, AgentSession, function_tool
from livekit.agents.voice import io
from livekit.plugins import openai

from ..chapters import Facts, News, Place, complain, excused, speak, tell

RATE = 24_000
ADDED = "conversation.item.added"


class Microphone(io.AudioInput):
    def __init__(self) -> None:
        super().__init__(label="microphone")
        self._frames: asyncio.Queue[rtc.AudioFrame] = asyncio.Queue()

    async def __anext__(self) -> rtc.AudioFrame:
        return await self._frames.get()

    async def hear(self, pcm: bytes) -> None:
        self._frames.put_nowait(rtc.AudioFrame(pcm, RATE, 1, len(pcm) // 2))


class Loudspeaker(io.AudioOutput):
    """Plays in real time, and says how far it came when it is told to stop."""

    def __init__(self) -> None:
        capabilities = io.AudioOutputCapabilities(pause=False)
        super().__init__(label="loudspeaker", capabilities=capabilities, sample_rate=RATE)
        self.ms = 0.0  # of sound, ever
        self.sounding = asyncio.Event()
        self._began: float | None = None
        self._pending_s = 0.0  # of the sound that is being played
        self._end: asyncio.TimerHandle | None = None

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        if self._began is None:
            self._began = time.time()
            self.on_playback_started(created_at=self._began)
        self._pending_s += frame.duration
        self.ms += frame.duration * 1000
        self.sounding.set()

    def flush(self) -> None:
        super().flush()
        if self._began is not None and self._end is None:
            left_s = self._began + self._pending_s - time.time()
            loop = asyncio.get_running_loop()
            self._end = loop.call_later(left_s, self._finish, self._pending_s, False)

    def clear_buffer(self) -> None:
        if self._began is not None:
            self._finish(min(time.time() - self._began, self._pending_s), True)

    def _finish(self, position_s: float, interrupted: bool) -> None:
        if self._end is not None:
            self._end.cancel()
        self._began, self._pending_s, self._end = None, 0.0, None
        self.on_playback_finished(playback_position=position_s, interrupted=interrupted)


class Conversation:
    def __init__(self, session: AgentSession[None], agent: Agent) -> None:
        self.session = session
        self.agent = agent
        self.microphone = Microphone()
        self.loudspeaker = Loudspeaker()
        self.raw: list[dict[str, Any]] = []  # what the server sent
        self.news = News()

    async def begin(self) -> None:
        await self.session.start(self.agent)
        self.session.on("error", lambda event: complain(event.error))
        self.session.on("agent_state_changed", lambda _: self.news.happened())
        realtime = self.agent.realtime_llm_session
        realtime.on("openai_server_event_received", self._take)

    def _take(self, event: dict[str, Any]) -> None:
        self.raw.append(event)
        self.news.happened()

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.raw if event["type"] == kind]

    async def until(self, kind: str, count: int = 1) -> dict[str, Any]:
        await self.news.until(lambda: len(self.all(kind)) >= count)
        return self.all(kind)[count - 1]

    def said(self, role: str) -> str:
        """Return the last text of this role in the session's history."""
        messages = [m for m in self.session.history.messages() if m.role == role]
        return messages[-1].text_content or ""


@asynccontextmanager
async def connected(
    place: Place, model: str, *, tools: Any = (), aloud: bool = False, **options: Any
) -> AsyncIterator[Conversation]:
    llm = openai.realtime.RealtimeModel(
        base_url=place.base_url, api_key=place.key, model=model, **options
    )
    session: AgentSession[None] = AgentSession(
        llm=llm,
        turn_handling={"interruption": {"resume_false_interruption": False}},
        aec_warmup_duration=None,  # there is no echo
    )
    c = Conversation(session, Agent(instructions="You are Charlotte.", tools=list(tools)))
    if aloud:
        session.input.audio, session.output.audio = c.microphone, c.loudspeaker
    try:
        await c.begin()
        yield c
    finally:
        await session.aclose()
        await llm.aclose()


async def text(place: Place) -> Facts:
    async with connected(place, "charlotte", modalities=["text"]) as c:
        await c.session.run(user_input=place.question)
        return {"answer": c.said("assistant")}


async def spoken(place: Place) -> Facts:
    async with connected(place, "charlotte", aloud=True) as c:
        await speak(place, c.microphone.hear)
        await c.until("response.done")
        await c.news.until(lambda: c.session.agent_state == "listening")
        return {
            "heard": c.said("user"),
            "answer": c.said("assistant"),
            "audio_ms": c.loudspeaker.ms,
        }


async def tool(place: Place) -> Facts:
    called: list[Any] = []

    async def run(raw_arguments: dict[str, object]) -> str:
        called.append(raw_arguments)
        return place.output

    declared = function_tool(run, raw_schema=place.tool)
    async with connected(place, "charlotte", tools=[declared], modalities=["text"]) as c:
        await c.session.run(user_input=place.wish)
        return {
            "called": [place.tool["name"], json.dumps(called[0])],
            "answer": c.said("assistant"),
        }


async def interruption(place: Place) -> Facts:
    async with connected(place, "echo", aloud=True) as c:
        answer = c.session.generate_reply(user_input=place.tale)
        await c.loudspeaker.sounding.wait()
        await speak(place, c.microphone.hear)
        await c.until("conversation.item.truncated")
        return {"truncated": answer.interrupted}


async def reconnection(place: Place) -> Facts:
    """Lose the connection: the plugin reconnects and repeats the conversation."""
    async with connected(place, "charlotte", modalities=["text"]) as c:
        await c.session.run(user_input=place.question)
        before = [message.id for message in c.session.history.messages()]
        back = asyncio.Event()
        c.agent.realtime_llm_session.on("session_reconnected", lambda _: back.set())
        c.raw.clear()
        with excused("closed unexpectedly"):
            await place.cut()
            await back.wait()
        await c.until(ADDED, count=len(before))  # else it asks too early
        replayed = [event["item"]["id"] for event in c.all(ADDED)]
        await c.session.run(user_input=place.question)
        return {"continued": replayed == before, "answer": c.said("assistant")}


if __name__ == "__main__":
    tell(
        ("livekit-plugins-openai", "livekit-agents"),
        (text, spoken, tool, interruption, reconnection),
    )
