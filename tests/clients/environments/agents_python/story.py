"""The OpenAI Agents SDK for Python: a `RealtimeAgent` run by a `RealtimeRunner`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from agents import FunctionTool, set_tracing_disabled
from agents.realtime import RealtimeAgent, RealtimeRunner, RealtimeSession

from ..chapters import Facts, Place, complain, speak, tell


class Conversation:
    """A session, and what it has told."""

    def __init__(self, session: RealtimeSession) -> None:
        self.session = session
        self.events: list[Any] = []  # the session's
        self.raw: list[dict[str, Any]] = []  # the server's

    async def until(self, kind: str) -> Any:
        """Read on to a session event of this type, or a server event of it."""
        async for event in self.session:
            self.events.append(event)
            if event.type == "error":
                complain(event.error)
            if event.type == "raw_model_event" and event.data.type == "raw_server_event":
                self.raw.append(event.data.data)
                if event.data.data["type"] == kind:
                    return event.data.data
            if event.type == kind:
                return event
        raise ConnectionError("the session ended")

    def all(self, kind: str) -> list[Any]:
        return [event for event in self.events if event.type == kind]

    def said(self, role: str) -> str:
        """Return the last text of this role in the session's history."""
        history = self.all("history_updated")[-1].history
        items = [item for item in history if item.type == "message" and item.role == role]
        part = items[-1].content[0]
        return str(getattr(part, "text", None) or getattr(part, "transcript", None))


@asynccontextmanager
async def connected(
    place: Place, model: str, *, tools: Any = (), query: str = "", **settings: Any
) -> AsyncIterator[Conversation]:
    agent = RealtimeAgent(name="Charlotte", tools=list(tools))
    model_config: Any = {
        "url": f"{place.ws_url}?model={model}",
        "headers": {"Authorization": f"Bearer {place.key}"},
    }
    model_config["url"] += query
    model_config["initial_model_settings"] = settings
    session = await RealtimeRunner(agent).run(model_config=model_config)
    async with session:
        yield Conversation(session)


async def text(place: Place) -> Facts:
    async with connected(place, "charlotte", output_modalities=["text"]) as c:
        await c.session.send_message(place.question)
        await c.until("response.done")
        return {"answer": c.said("assistant")}


async def spoken(place: Place) -> Facts:
    async with connected(place, "charlotte") as c:
        speaking = asyncio.create_task(speak(place, c.session.send_audio))
        await c.until("response.done")
        await speaking
        sound = [event.audio.data for event in c.all("audio")]
        return {
            "heard": c.said("user"),
            "answer": c.said("assistant"),
            "audio_ms": sum(map(len, sound)) / 48,
        }


async def tool(place: Place) -> Facts:
    called: list[list[str]] = []

    async def run(_: object, arguments: str) -> str:
        called.append([place.tool["name"], arguments])
        return place.output

    declared = FunctionTool(
        name=place.tool["name"],
        description=place.tool["description"],
        params_json_schema=place.tool["parameters"],
        on_invoke_tool=run,
    )
    async with connected(place, "charlotte", tools=[declared], output_modalities=["text"]) as c:
        await c.session.send_message(place.wish)
        await c.until("response.done")  # that calls
        await c.until("response.done")  # that answers
        return {"called": called[0], "answer": c.said("assistant")}


async def interruption(place: Place) -> Facts:
    async with connected(place, "echo") as c:
        await c.session.send_message(place.tale)
        await c.until("audio")
        speaking = asyncio.create_task(speak(place, c.session.send_audio))
        await c.until("audio_interrupted")
        await c.until("conversation.item.truncated")
        await c.until("response.done")  # to what was said meanwhile
        await speaking
        return {"truncated": True}


async def reconnection(place: Place) -> Facts:
    """Continue the conversation in a new session, because the SDK raises on a lost connection."""
    async with connected(place, "charlotte", output_modalities=["text"]) as c:
        await c.session.send_message(place.question)
        before = (await c.until("response.done"))["response"]
        await place.cut()
        lost = ""
        try:
            await c.until("never")
        except Exception as error:
            lost = type(error).__name__
    query = f"&conversation_id={before['conversation_id']}"
    async with connected(place, "charlotte", query=query, output_modalities=["text"]) as c:
        await c.session.send_message(place.question)
        added = await c.until("conversation.item.added")
        after = (await c.until("response.done"))["response"]
        return {
            "codes": [lost],
            "continued": after["conversation_id"] == before["conversation_id"]
            and added["previous_item_id"] == before["output"][-1]["id"],
            "answer": c.said("assistant"),
        }


if __name__ == "__main__":
    set_tracing_disabled(True)
    tell(("openai-agents", "openai"), (text, spoken, tool, interruption, reconnection))
