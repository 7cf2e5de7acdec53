"""Use this server as the provider of another: the unmodified `openai` package talks through both.

openai package ─► gateway, `engine = "upstream"` ─► provider, its own engines
"""

from __future__ import annotations

import asyncio
import base64
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
import websockets
from openai import AsyncOpenAI
from websockets.asyncio.client import ClientConnection, connect

from vivavoce.cli import audio_file

from ..support.served import Served, serve
from .test_openai import Conversation, flite, hold
from .test_sideband import a_server_controls_a_call

GATE = """
name = "{name}"
engine = "upstream"

[instructions]
default = "Answer from the gateway's own prompt."

[upstream]
base_url = "{url}"
model = "{model}"
key = {{ env = "PROVIDER_KEY" }}
"""


@dataclass
class Two:
    gateway: Served
    provider: Served
    key: str  # of the gateway
    secret: str  # the provider's

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Return the items in the gateway's store."""
        (path,) = self.gateway.data.glob("*.db")
        with sqlite3.connect(path) as database:
            database.row_factory = sqlite3.Row
            found = [dict(row) for row in database.execute(query)]
        database.close()
        return found


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    far, near = tmp_path_factory.mktemp("provider"), tmp_path_factory.mktemp("gateway")
    with serve(far) as provider:
        secret = provider.key("--name", "gateway")
        provider.await_charlotte(secret)
        nowhere = "ws://127.0.0.1:1/v1/realtime"
        for name, url, model in (
            ("gate", f"{provider.url}/v1", "charlotte"),
            ("gate-echo", provider.ws, "echo"),
            ("gate-nowhere", nowhere, "echo"),
        ):
            (near / "assistants" / name).mkdir(parents=True)
            (near / "assistants" / name / "assistant.toml").write_text(
                GATE.format(name=name, url=url, model=model)
            )
        bad = (near / "assistants/gate-echo/assistant.toml").read_text()
        (near / "assistants/gate-badkey").mkdir()
        (near / "assistants/gate-badkey/assistant.toml").write_text(
            bad.replace("gate-echo", "gate-badkey").replace("PROVIDER_KEY", "WRONG_KEY")
        )
        with serve(near, PROVIDER_KEY=secret, WRONG_KEY="vv_wrong") as gateway:
            yield Two(gateway, provider, gateway.key("--name", "tests"), secret)


@pytest.fixture(scope="module")
def question(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the question "When does the keynote start?" and 1.5 s of silence."""
    path = tmp_path_factory.mktemp("spoken") / "question.wav"
    flite(path, "When does the keynote start?")
    return audio_file.read(path.read_bytes()) + bytes(48 * 1500)


def test_a_text_turn(two: Two) -> None:
    named: list[str] = []

    async def story(c: Conversation) -> None:
        assert c.events[0].session.instructions == "Answer from the gateway's own prompt."
        assert c.events[0].session.audio.input.transcription is not None
        await c.configure(output_modalities=["text"])
        await c.type("When does the keynote start?")
        await c.connection.response.create()
        done = await c.until("response.done")
        assert done.response.status == "completed"
        assert "9:30" in c.text()
        (row,) = two.rows(f"select * from responses where id = '{done.response.id}'")
        assert row["status"] == "completed"
        assert json.loads(row["usage"])["total_tokens"] == done.response.usage.total_tokens
        named.append(done.response.conversation_id)

    hold(two.gateway, two.key, "gate", story)
    (call,) = two.rows("select * from calls order by started_at desc limit 1")
    assert (call["engine"], call["assistant"]) == ("upstream", "gate")
    assert named == [call["conversation_id"]]
    shown = two.gateway.cli("conversations", "show", call["conversation_id"])
    assert "When does the keynote start?" in shown
    assert "9:30" in shown


def test_a_spoken_turn(two: Two, question: bytes) -> None:
    async def story(c: Conversation) -> None:
        speaking = asyncio.create_task(c.speak(question))
        await c.until("response.done")
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
        said = next(e.item_id for e in c.events if e.type == "response.output_audio.delta")
        (row,) = two.rows(f"select * from items where id = '{said}'")
        assert row["generated"] == c.text()
        assert abs(row["sent_ms"] - c.audio_ms()) < 50
        (turn,) = two.rows("select * from responses order by created_at desc limit 1")
        assert turn["first_audio_ms"] > 0

    hold(two.gateway, two.key, "gate", story)


def test_speaking_over_the_answer_interrupts_it(two: Two, question: bytes) -> None:
    async def story(c: Conversation) -> None:
        await c.type("Tell me everything about the programme on Thursday. " * 3)
        await c.connection.response.create()
        await c.until("response.output_audio.delta")
        speaking = asyncio.create_task(c.speak(question))
        await c.until("input_audio_buffer.speech_started")
        await c.until("response.done")
        item = next(e.item_id for e in c.events if e.type == "response.output_audio.delta")
        await c.connection.conversation.item.truncate(
            item_id=item, content_index=0, audio_end_ms=100
        )
        truncated = await c.until("conversation.item.truncated")
        assert (truncated.item_id, truncated.audio_end_ms) == (item, 100)
        await c.until("response.done")
        await speaking
        (row,) = two.rows(f"select * from items where id = '{item}'")
        assert row["heard_ms"] == 100
        assert row["generated"]

    hold(two.gateway, two.key, "gate-echo", story)


def test_a_conversation_is_continued_though_the_provider_forgot_it(two: Two) -> None:
    async def first(c: Conversation) -> None:
        await c.configure(output_modalities=["text"])
        await c.type("Where is the cloakroom?")
        await c.connection.response.create()
        await c.until("response.done")

    async def second(c: Conversation) -> None:
        await c.configure(output_modalities=["text"])
        await c.type("Thank you.")
        added = await c.until("conversation.item.added")
        assert added.previous_item_id == known[-1]
        assert [e.type for e in c.events].count("conversation.item.added") == 1

    hold(two.gateway, two.key, "gate", first)
    (call,) = two.rows("select * from calls order by started_at desc limit 1")
    conversation = call["conversation_id"]
    items = two.rows(
        f"select id from items where conversation_id='{conversation}' order by position"
    )
    known = [row["id"] for row in items]
    assert len(known) == 2
    hold(two.gateway, two.key, "gate", second, conversation_id=conversation)


@pytest.mark.parametrize(
    ("assistant", "code", "close"),
    [("gate-nowhere", "upstream_unavailable", 1013), ("gate-badkey", "upstream_refused", 4000)],
)
def test_without_a_provider_there_is_an_error_and_a_close_code(
    two: Two, assistant: str, code: str, close: int
) -> None:
    async def story(wire: ClientConnection) -> None:
        error = json.loads(await wire.recv())["error"]
        assert (error["type"], error["code"]) == ("server_error", code)
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await wire.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == close

    asyncio.run(_raw(two, story, assistant))


async def _raw(two: Two, story: Any, assistant: str = "gate-echo", **more: Any) -> Any:  # noqa: ANN401
    url = f"{two.gateway.ws}?assistant={assistant}"
    headers = {"Authorization": f"Bearer {two.key}"}
    async with (
        asyncio.timeout(20),
        connect(url, additional_headers=headers, max_size=None, **more) as wire,
    ):
        return await story(wire)


async def _until(wire: ClientConnection, kind: str) -> Any:  # noqa: ANN401
    while (event := json.loads(await wire.recv()))["type"] != kind:
        assert event["type"] != "error", event
    return event


def test_large_and_fragmented_frames_pass(two: Two) -> None:
    """As an hour's worth of probes would: 5 MB at once, and an event in three pieces."""
    append = {
        "type": "input_audio_buffer.append",
        "audio": base64.b64encode(bytes(3_800_000)).decode(),
    }

    async def story(wire: ClientConnection) -> None:
        await _until(wire, "session.created")
        await wire.send(json.dumps({"type": "session.update", "session": {
            "type": "realtime", "audio": {"input": {"turn_detection": None}}}}))  # fmt: skip
        await _until(wire, "session.updated")
        await wire.send(json.dumps(append))
        await wire.send(iter(['{"type":"input_audio_', "buffer.com", 'mit"}']))
        await _until(wire, "input_audio_buffer.committed")
        text = "all of it " * 20_000
        part = {"type": "input_text", "text": text}
        item = {"type": "message", "role": "user", "content": [part]}
        await wire.send(json.dumps({"type": "conversation.item.create", "item": item}))
        done = await _until(wire, "conversation.item.done")
        while done["item"]["content"][0]["type"] != "input_text":
            done = await _until(wire, "conversation.item.done")
        assert done["item"]["content"][0]["text"] == text

    asyncio.run(_raw(two, story))


def test_compression_is_declined_and_the_subprotocol_selected(two: Two) -> None:
    async def story(wire: ClientConnection) -> None:
        assert not wire.protocol.extensions
        assert wire.subprotocol == "realtime"
        await _until(wire, "session.created")

    asyncio.run(_raw(two, story, compression="deflate", subprotocols=["realtime", "other"]))


def test_an_error_of_the_provider_passes_and_the_call_goes_on(two: Two) -> None:
    async def story(wire: ClientConnection) -> None:
        await _until(wire, "session.created")
        await wire.send('{"type":"telepathy","event_id":"mine"}')
        error = json.loads(await wire.recv())
        assert error["type"] == "error"
        assert error["error"]["event_id"] == "mine"
        await wire.send('{"type":"input_audio_buffer.clear"}')
        await _until(wire, "input_audio_buffer.cleared")

    asyncio.run(_raw(two, story))


def test_a_browser_gets_a_secret_and_cannot_change_the_instructions(two: Two) -> None:
    minted = httpx2.post(
        f"{two.gateway.url}/v1/realtime/client_secrets",
        headers={"Authorization": f"Bearer {two.key}"},
        json={"vivavoce": {"assistant": "gate-echo", "user": "u1"}},
    ).json()

    async def story() -> None:
        headers = {"Authorization": f"Bearer {minted['value']}"}
        async with asyncio.timeout(20), connect(two.gateway.ws, additional_headers=headers) as wire:
            await _until(wire, "session.created")
            session = {
                "type": "realtime",
                "instructions": "Be rude.",
                "output_modalities": ["text"],
            }
            await wire.send(json.dumps({"type": "session.update", "session": session}))
            updated = await _until(wire, "session.updated")
            assert updated["session"]["instructions"] == "Answer from the gateway's own prompt."
            assert updated["session"]["output_modalities"] == ["text"]

    asyncio.run(story())


def test_a_server_controls_a_relayed_call(two: Two) -> None:
    a_server_controls_a_call(two.gateway, two.key, "gate-echo")


def test_a_relayed_call_is_hung_up_on(two: Two) -> None:
    async def story(wire: ClientConnection) -> None:
        await _until(wire, "session.created")
        assert wire.response is not None
        call_id = wire.response.headers["Vivavoce-Call-Id"]
        async with AsyncOpenAI(base_url=f"{two.gateway.url}/v1", api_key=two.key) as client:
            await client.realtime.calls.hangup(call_id)
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await wire.recv()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1000, "hung_up")

    asyncio.run(_raw(two, story))


def test_the_providers_key_appears_nowhere(two: Two) -> None:
    """Runs last: neither a log, nor the store, nor anything that HTTP says."""
    assert two.secret not in two.gateway.log.read_text()
    headers = {"Authorization": f"Bearer {two.key}"}
    paths = ["/", "/v1/models", "/api/assistants", "/api/assistants/gate", "/api/conversations",
             "/api/calls", "/openapi.json", "/healthz"]  # fmt: skip
    for path in paths:
        answer = httpx2.get(f"{two.gateway.url}{path}", headers=headers)
        assert two.secret not in answer.text, path
    for kept in two.gateway.data.glob("**/*"):
        if kept.is_file():
            assert two.secret.encode() not in kept.read_bytes(), kept
