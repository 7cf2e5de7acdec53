"""WebRTC in front of a hosted model: sound ends at the gateway, events go on to the provider.

browser's side ─ RTP and `oai-events` ─► gateway ─ WebSocket ─► provider, its own engines
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from vivavoce.audio.pcm import level_db

from ..support.rtc_client import RtcClient, calling
from ..support.served import TAKES_ALL, Served, serve
from ..support.sounds import spoken
from .test_gateway import GATE, Two

TALE = "one two three four five six seven eight nine ten " * 10

Story = Callable[[RtcClient], Coroutine[Any, Any, None]]


@pytest.fixture(scope="module")
def two(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    """Serve a gateway. Its provider is the server that all tests share."""
    near, secret = tmp_path_factory.mktemp("gateway"), served.key("--name", "gateway")
    (near / "assistants/gate-echo").mkdir(parents=True)
    (near / "assistants/gate-echo/assistant.toml").write_text(
        GATE.format(name="gate-echo", url=served.ws, model="echo")
    )
    with serve(near, **TAKES_ALL, PROVIDER_KEY=secret) as gateway:
        yield Two(gateway, served, gateway.key("--name", "tests"), secret)


def hold(two: Two, story: Story, assistant: str = "gate-echo") -> None:
    async def main() -> None:
        async with calling(two.gateway, two.key, assistant=assistant) as client:
            await client.until("session.created")
            await story(client)

    asyncio.run(main())


def ended_call(two: Two) -> dict[str, Any]:
    """Return the newest call, when it has ended: what was heard is stored by then."""
    for _ in range(100):
        (call,) = two.rows("select * from calls order by started_at desc limit 1")
        if call["ending"] is not None:
            return call
        time.sleep(0.1)
    raise AssertionError("the call never ended")


def is_silent(pcm: bytes) -> bool:
    return not pcm or level_db(pcm) < -50


def test_a_typed_question_is_answered_with_sound_and_no_audio_in_events(two: Two) -> None:
    async def story(client: RtcClient) -> None:
        client.type_text("one two three")
        started = await client.until("output_audio_buffer.started")
        done = await client.until("response.done")
        stopped = await client.until("output_audio_buffer.stopped")
        assert started["response_id"] == stopped["response_id"] == done["response"]["id"]
        assert "response.output_audio.delta" not in client.types
        words = client.types.index("response.output_audio_transcript.delta")
        begun = client.types.index("output_audio_buffer.started")
        assert words < begun < client.types.index("response.output_audio.done")
        assert not is_silent(bytes(client.heard))

    hold(two, story)
    call = ended_call(two)
    assert (call["transport"], call["engine"]) == ("webrtc", "upstream")
    (row,) = two.rows("select * from items where role = 'assistant' order by rowid desc limit 1")
    assert row["heard_ms"] == row["sent_ms"] > 300


def test_a_person_interrupts_and_the_provider_learns_what_was_heard(two: Two) -> None:
    async def story(client: RtcClient) -> None:
        client.type_text(TALE)
        started = await client.until("output_audio_buffer.started")
        client.say(spoken("keynote_rms"))
        await client.until("input_audio_buffer.speech_started")
        cleared = await client.until("output_audio_buffer.cleared")
        assert cleared["response_id"] == started["response_id"]
        cut = await client.until("conversation.item.truncated")
        assert 200 < cut["audio_end_ms"] < 5000
        client.heard.clear()
        await client.until("input_audio_buffer.speech_stopped")
        assert is_silent(bytes(client.heard[24_000:])), "half a second later"
        (row,) = two.rows(f"select * from items where id = '{cut['item_id']}'")
        assert row["heard_ms"] == cut["audio_end_ms"] < row["sent_ms"]

    hold(two, story)


def test_a_page_stops_an_answer_by_a_button(two: Two) -> None:
    async def story(client: RtcClient) -> None:
        client.type_text(TALE)
        await client.until("output_audio_buffer.started")
        client.send("response.cancel")
        client.send("output_audio_buffer.clear")
        await client.until("output_audio_buffer.cleared")
        await asyncio.sleep(0.5)  # what was on its way has arrived
        client.heard.clear()
        await asyncio.sleep(0.3)
        assert is_silent(bytes(client.heard))

    hold(two, story)
