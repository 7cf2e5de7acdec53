"""The unmodified `openai` package holds conversations with a real server.

Every event is validated against that package's own union. Questions are spoken by flite.
"""

from __future__ import annotations

import asyncio
import base64
import os
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from openai import AsyncOpenAI

from vivavoce.cli import audio_file

from ..support.official import accept
from ..support.served import Served, serve

if TYPE_CHECKING:
    from openai.resources.realtime.realtime import AsyncRealtimeConnection

ANSWER_TIMEOUT_S = 30.0

Story = Callable[["Conversation"], Coroutine[Any, Any, None]]


class Conversation:
    """A connection that checks what it hears."""

    def __init__(self, connection: AsyncRealtimeConnection) -> None:
        self.connection = connection
        self.events: list[Any] = []

    async def until(self, *kinds: str) -> Any:  # noqa: ANN401
        """Read on to an event of one of these types."""
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            while True:
                data = await self.connection.recv_bytes()
                event = accept(data)
                self.events.append(event)
                assert event.type != "error" or "error" in kinds, event
                if event.type in kinds:
                    return event

    async def say(self, **event: Any) -> None:  # noqa: ANN401
        """Return an event as plain JSON, which the client takes as well as its own types."""
        await self.connection.send(cast("Any", event))

    async def configure(self, **session: object) -> None:
        await self.say(type="session.update", session={"type": "realtime", **session})
        await self.until("session.updated")

    async def type(self, text: str) -> None:
        part = {"type": "input_text", "text": text}
        item = {"type": "message", "role": "user", "content": [part]}
        await self.say(type="conversation.item.create", item=item)

    async def speak(self, pcm: bytes) -> None:
        """In real time, 20 ms at a time."""
        began = time.monotonic()
        for i in range(0, len(pcm), 960):
            await self.connection.input_audio_buffer.append(
                audio=base64.b64encode(pcm[i : i + 960]).decode()
            )
            await asyncio.sleep(max(0, i / 48_000 - (time.monotonic() - began)))

    def text(self) -> str:
        return "".join(
            e.delta
            for e in self.events
            if e.type in ("response.output_text.delta", "response.output_audio_transcript.delta")
        )

    def audio_ms(self) -> int:
        return sum(
            len(base64.b64decode(e.delta)) // 48
            for e in self.events
            if e.type == "response.output_audio.delta"
        )


@asynccontextmanager
async def connected(
    served: Served, key: str, model: str, **query: str
) -> AsyncIterator[Conversation]:
    async with (
        AsyncOpenAI(base_url=f"{served.url}/v1", api_key=key) as client,
        client.realtime.connect(model=model, extra_query=dict(query)) as connection,
    ):
        conversation = Conversation(connection)
        await conversation.until("session.created")
        yield conversation


def hold(served: Served, key: str, model: str, story: Story, **query: str) -> None:
    async def main() -> None:
        async with connected(served, key, model, **query) as conversation:
            await story(conversation)

    asyncio.run(main())


@pytest.fixture(scope="module")
def question(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the question "When does the keynote start?" and 1.5 s of silence."""
    path = tmp_path_factory.mktemp("spoken") / "question.wav"
    flite(path, "When does the keynote start?")
    return audio_file.read(path.read_bytes()) + bytes(48 * 1500)


def flite(path: Path, text: str) -> None:
    subprocess.run(["flite", "-voice", "rms", "-t", text, "-o", str(path)], check=True)


def test_a_text_turn(served: Served, key: str) -> None:
    async def story(c: Conversation) -> None:
        await c.configure(output_modalities=["text"])
        await c.type("When does the keynote start?")
        await c.connection.response.create()
        done = await c.until("response.done")
        assert done.response.status == "completed"
        assert "9:30" in c.text()
        assert done.response.usage.total_tokens > 0

    hold(served, key, "charlotte", story)


def test_a_spoken_turn(served: Served, key: str, question: bytes) -> None:
    async def story(c: Conversation) -> None:
        await c.configure(audio={"input": {"transcription": {"model": "whisper-1"}}})
        speaking = asyncio.create_task(c.speak(question))
        done = await c.until("response.done")
        await speaking
        kinds = [e.type for e in c.events]
        for kind in (
            "input_audio_buffer.speech_started",
            "input_audio_buffer.speech_stopped",
            "input_audio_buffer.committed",
            "conversation.item.input_audio_transcription.completed",
        ):
            assert kinds.count(kind) == 1, kind
        assert "9:30" in c.text()
        assert done.response.output[0].content[0].transcript == c.text()
        assert c.audio_ms() > 1500

    hold(served, key, "charlotte", story)


def test_push_to_talk(served: Served, key: str, question: bytes) -> None:
    async def story(c: Conversation) -> None:
        await c.configure(
            audio={"input": {"turn_detection": None, "transcription": {"model": "whisper-1"}}}
        )
        await c.speak(question)
        await c.connection.input_audio_buffer.commit()
        await c.connection.response.create()
        await c.until("response.done")
        assert "9:30" in c.text()
        assert "input_audio_buffer.speech_started" not in [e.type for e in c.events]

    hold(served, key, "charlotte", story)


def test_a_tool_round_trip(served: Served, key: str) -> None:
    places = {"place": {"type": "string", "enum": ["cloakroom", "main hall"]}}
    tool = {
        "type": "function",
        "name": "show_place",
        "description": "Show a place on the map",
        "parameters": {"type": "object", "properties": places, "required": ["place"],
                       "x-examples": ["show me the cloakroom on the map"]},
    }  # fmt: skip

    async def story(c: Conversation) -> None:
        await c.configure(output_modalities=["text"], tools=[tool])
        await c.type("Please show me the main hall on the map.")
        await c.connection.response.create()
        done = await c.until("response.done")
        (call,) = done.response.output
        assert (call.type, call.name, call.status) == ("function_call", "show_place", "completed")
        assert call.arguments == '{"place":"main hall"}'
        output = '{"message": "The main hall is shown on your screen."}'
        item = {"type": "function_call_output", "call_id": call.call_id, "output": output}
        await c.say(type="conversation.item.create", item=item)
        await c.connection.response.create()
        await c.until("response.done")
        assert "The main hall is shown" in c.text()

    hold(served, key, "charlotte", story)


def test_speaking_over_the_answer_interrupts_it(served: Served, key: str, question: bytes) -> None:
    async def story(c: Conversation) -> None:
        await c.type("Tell me everything about the programme on Thursday. " * 3)
        await c.connection.response.create()
        await c.until("response.output_audio.delta")
        speaking = asyncio.create_task(c.speak(question))
        started = await c.until("input_audio_buffer.speech_started")
        assert started.audio_start_ms >= 0
        done = await c.until("response.done")
        assert done.response.status in ("cancelled", "completed")  # it may have been short
        item = next(e.item_id for e in c.events if e.type == "response.output_audio.delta")
        await c.connection.conversation.item.truncate(
            item_id=item, content_index=0, audio_end_ms=100
        )
        truncated = await c.until("conversation.item.truncated")
        assert (truncated.item_id, truncated.audio_end_ms) == (item, 100)
        await c.until("response.done")
        await speaking

    hold(served, key, "echo", story)


def test_cancel_is_silence_at_once(served: Served, key: str) -> None:
    async def story(c: Conversation) -> None:
        await c.type("one two three four five six seven eight nine ten " * 20)
        await c.connection.response.create()
        await c.until("response.output_audio.delta")
        began = time.monotonic()
        await c.connection.response.cancel()
        done = await c.until("response.done")
        assert time.monotonic() - began < 2
        assert done.response.status == "cancelled"
        assert done.response.status_details.reason == "client_cancelled"
        assert done.response.output[0].status == "incomplete"

    hold(served, key, "echo", story)


def test_a_conversation_is_continued(served: Served, key: str) -> None:
    known: list[str] = []

    async def first(c: Conversation) -> None:
        await c.configure(output_modalities=["text"])
        await c.type("Where is the cloakroom?")
        await c.connection.response.create()
        done = await c.until("response.done")
        known.append(done.response.conversation_id)
        known.extend(e.item.id for e in c.events if e.type == "conversation.item.done")

    async def second(c: Conversation) -> None:
        await c.configure(output_modalities=["text"])
        await c.type("Thank you.")
        added = await c.until("conversation.item.added")
        assert added.previous_item_id == known[-1]
        await c.connection.conversation.item.retrieve(item_id=known[1])
        found = await c.until("conversation.item.retrieved")
        assert found.item.content[0].text == "Where is the cloakroom?"
        await c.connection.response.create()
        done = await c.until("response.done")
        assert done.response.conversation_id == known[0]

    hold(served, key, "charlotte", first)
    hold(served, key, "charlotte", second, conversation_id=known[0])
    shown = served.cli("conversations", "show", known[0])
    assert "Where is the cloakroom?" in shown
    assert "Thank you." in shown


def test_without_any_voice_calls_are_in_text_and_say_so(tmp_path: Path) -> None:
    """No package that speaks, and no program: what a stock client asks for is not there."""
    silent = tmp_path / "silent"
    silent.mkdir()
    # As Python finds it where the package was left out at install.
    (silent / "sitecustomize.py").write_text("import sys; sys.modules['vivavoce_espeak'] = None\n")

    async def story(c: Conversation) -> None:
        assert c.events[0].session.output_modalities == ["text"]
        await c.configure(output_modalities=["audio"])
        assert c.events[-1].session.output_modalities == ["text"]
        await c.type("When does the keynote start?")
        await c.say(type="response.create", response={"output_modalities": ["audio"]})
        done = await c.until("response.done")
        assert done.response.output_modalities == ["text"]
        assert "9:30" in c.text()
        assert not c.audio_ms()

    path = os.pathsep.join(filter(None, [str(silent), os.environ.get("PYTHONPATH")]))
    with serve(tmp_path / "data", PATH=str(silent), PYTHONPATH=path) as served:
        key = served.key()
        served.await_charlotte(key)
        hold(served, key, "charlotte", story)


def test_a_language_that_the_recogniser_does_not_know_is_an_error(
    served: Served, key: str, question: bytes
) -> None:
    async def story(c: Conversation) -> None:
        await c.configure(audio={"input": {"transcription": {"model": "whisper-1"}}})
        speaking = asyncio.create_task(c.speak(question))
        failed = await c.until("conversation.item.input_audio_transcription.failed")
        assert "English only" in failed.error.message
        await c.until("response.done")
        assert "non ho capito" in c.text()
        await speaking

    hold(served, key, "charlotte", story, language="it")
