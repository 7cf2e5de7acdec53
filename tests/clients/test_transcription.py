"""The unmodified `openai` package has its speech written down by a real server.

Every event is validated against that package's own union. Sentences were spoken by flite.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from openai import AsyncOpenAI, OpenAI

from vivavoce.engines.scripted.script import Script

from ..support.endpoints import KEY, serving
from ..support.folders import write
from ..support.served import Served, serve
from ..support.sounds import noise, spoken
from .test_openai import Conversation

Story = Callable[[Conversation], Coroutine[Any, Any, None]]

_HEARD = "conversation.item.input_audio_transcription"
COMPLETED = f"{_HEARD}.completed"
PAUSE = noise(900, -60)
SPEECH = PAUSE + spoken("keynote_rms") + PAUSE + spoken("registration_slt") + PAUSE


@asynccontextmanager
async def dictating(served: Served, credential: str, **query: str) -> AsyncIterator[Conversation]:
    async with (
        AsyncOpenAI(base_url=f"{served.url}/v1", api_key=credential) as client,
        client.realtime.connect(extra_query=dict(query)) as connection,
    ):
        yield Conversation(connection)


def hold(served: Served, credential: str, story: Story, **query: str) -> None:
    async def main() -> None:
        async with dictating(served, credential, **query) as conversation:
            await story(conversation)

    asyncio.run(main())


async def dictate(c: Conversation, **input_audio: object) -> None:
    session = {"type": "transcription", "audio": {"input": input_audio}}
    await c.say(type="session.update", session=session)
    await c.until("session.updated")


def test_a_meeting_is_written_down_while_people_speak(served: Served, key: str) -> None:
    async def story(c: Conversation) -> None:
        created = await c.until("session.created")
        assert created.session.type == "transcription"
        assert created.session.audio.input.transcription.model == "pocketsphinx"
        await dictate(c, transcription={"model": "gpt-4o-transcribe"})
        speaking = asyncio.create_task(c.speak(SPEECH))
        first = await c.until(COMPLETED)
        second = await c.until(COMPLETED)
        await speaking
        assert "keynote" in first.transcript
        assert "registration" in second.transcript
        assert first.usage.type == "duration"
        assert 1 < first.usage.seconds < 4
        kinds = [e.type for e in c.events]
        for kind in ("speech_started", "speech_stopped", "committed"):
            assert kinds.count(f"input_audio_buffer.{kind}") == 2
        deltas = [e for e in c.events if e.type == f"{_HEARD}.delta"]
        for one in (first, second):
            told = [e.delta for e in deltas if e.item_id == one.item_id]
            assert "".join(told) == one.transcript
            assert len(told) > 1  # some of it before it was over
        assert not [kind for kind in kinds if kind.startswith("response.")]

    hold(served, key, story, intent="transcription", assistant="charlotte")


def test_a_take_is_taken_by_hand_looked_up_and_deleted(served: Served, key: str) -> None:
    async def story(c: Conversation) -> None:
        await c.until("session.created")
        await dictate(c, turn_detection=None)
        await c.speak(spoken("keynote_rms"))
        await c.connection.input_audio_buffer.commit()
        committed = await c.until("input_audio_buffer.committed")
        await c.until(COMPLETED)
        await c.connection.conversation.item.retrieve(item_id=committed.item_id)
        found = await c.until("conversation.item.retrieved")
        assert "keynote" in found.item.content[0].transcript
        await c.connection.conversation.item.delete(item_id=committed.item_id)
        await c.until("conversation.item.deleted")
        await c.connection.response.create()
        error = await c.until("error")
        assert (error.error.code, error.error.param) == ("invalid_value", "type")
        await dictate(c, noise_reduction=None)  # the session is as alive as before

    hold(served, key, story, intent="transcription", assistant="charlotte")


def test_a_browser_dictates_by_a_secret_minted_for_it(served: Served, key: str) -> None:
    with OpenAI(base_url=f"{served.url}/v1", api_key=key) as client:
        minted = client.realtime.client_secrets.create(
            session={
                "type": "transcription",
                "audio": {"input": {"transcription": {"model": "whisper-1"}}},
            }
        )
    assert minted.session.type == "transcription"
    assert minted.value.startswith("ek_")

    async def story(c: Conversation) -> None:
        created = await c.until("session.created")
        assert created.session.type == "transcription"
        assert created.session.audio.input.transcription.model == "whisper-1"
        await c.say(type="session.update", session={"type": "realtime"})
        error = await c.until("error")
        assert (error.error.code, error.error.param) == ("invalid_value", "session.type")

    hold(served, minted.value, story)


EARS = """
name = "ears"

[instructions]
default = "You only listen."

[cascade]
stt = "openai"
"""


def test_each_word_has_its_probability_if_the_recogniser_knows_it(tmp_path: Path) -> None:
    """The recogniser is behind a socket of its own, and streams."""

    async def story(c: Conversation) -> None:
        created = await c.until("session.created")
        assert created.session.audio.input.transcription.model == "openai"
        session = {
            "type": "transcription",
            "include": ["item.input_audio_transcription.logprobs"],
            "audio": {"input": {"transcription": {"model": "gpt-4o-transcribe-diarize"}}},
        }
        await c.say(type="session.update", session=session)
        await c.until("session.updated")
        await c.speak(PAUSE + spoken("thanks_rms") + PAUSE)
        done = await c.until(COMPLETED)
        assert done.transcript == "we agreed to meet again"
        assert "".join(each.token for each in done.logprobs) == done.transcript
        deltas = [e for e in c.events if e.type == f"{_HEARD}.delta"]
        assert [d.delta for d in deltas] == ["we", " agreed", " to", " meet", " again"]
        assert all([each.token for each in d.logprobs] == [d.delta] for d in deltas)
        (segment,) = [e for e in c.events if e.type == f"{_HEARD}.segment"]
        assert (segment.speaker, segment.start) == ("A", 0.0)
        assert segment.end == done.usage.seconds

    async def main() -> None:
        async with serving(Script(heard=("we agreed to meet again",))) as endpoints:
            environ = {
                "VIVAVOCE_OPENAI__BASE_URL": endpoints.base_url,
                "VIVAVOCE_OPENAI__API_KEY": KEY,
            }
            with serve(tmp_path, **environ) as served:
                query = {"intent": "transcription", "assistant": "ears"}
                async with dictating(served, served.key(), **query) as c:
                    await story(c)

    write(tmp_path / "assistants", EARS, "ears")
    asyncio.run(main())


def test_what_was_dictated_is_kept(served: Served, key: str) -> None:
    """Store it in a conversation of the assistant whose recogniser heard it."""

    async def story(c: Conversation) -> None:
        await c.until("session.created")
        await c.speak(PAUSE + spoken("thanks_rms") + PAUSE)
        done = await c.until(COMPLETED)
        heard.append(done.transcript)

    heard: list[str] = []
    hold(served, key, story, intent="transcription", assistant="charlotte")
    listed = served.cli("conversations", "list", "--assistant", "charlotte", "--json")
    assert heard[0] in served.cli("conversations", "show", json.loads(listed)[0]["id"])
