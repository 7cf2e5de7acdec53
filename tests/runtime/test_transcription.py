"""A transcription session begins by query or by secret, and leaves items in the store."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from vivavoce.core.types import Caller, JsonObject
from vivavoce.protocol import client, codec, server
from vivavoce.protocol.config import SessionConfig, TranscriptionConfig
from vivavoce.protocol.items import Message
from vivavoce.runtime.call_spec import CallRequest
from vivavoce.runtime.refusals import CallRefused

from ..support.fakes import LOUD, QUIET, FakeWire
from ..support.folders import write
from .test_call_setup import Place, place

UPSTREAM = """
name = "far"
engine = "upstream"

[instructions]
default = "You are far away."
"""


def secret(session: JsonObject | None) -> Caller:
    return Caller(credential="secret", assistant="echo", session=session, browser=True)


def created(wire: FakeWire) -> server.SessionCreated:
    return wire.first(server.SessionCreated)[1]


def test_the_query_asks_for_one(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        wire = FakeWire()
        call = await at.call(wire, intent="transcription", greeting="true", voice="cedar")
        session = created(wire).session
        assert isinstance(session, TranscriptionConfig)
        hearing = session.audio.input.transcription
        assert hearing is not None
        assert (hearing.model, hearing.language) == ("scripted", "en")
        assert not call.spec.greet  # without answers there is no greeting

    place(tmp_path, story)


@pytest.mark.parametrize("intent", [{}, {"intent": "transcription"}])
def test_a_secret_brings_its_own(tmp_path: Path, intent: dict[str, str]) -> None:
    hears = {"transcription": {"model": "whisper-1"}, "turn_detection": None}
    bound: JsonObject = {"type": "transcription", "audio": {"input": hears}}

    async def story(at: Place) -> None:
        wire = FakeWire()
        await at.call(wire, **intent)
        session = created(wire).session
        assert isinstance(session, TranscriptionConfig)
        assert session.audio.input.turn_detection is None
        assert session.audio.input.transcription is not None
        assert session.audio.input.transcription.model == "whisper-1"

    place(tmp_path, story, caller=secret(bound))


def test_a_secret_that_says_nothing_lets_the_query_decide(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        wire = FakeWire()
        await at.call(wire, intent="transcription")
        assert isinstance(created(wire).session, TranscriptionConfig)

    place(tmp_path, story, caller=secret(None))


@pytest.mark.parametrize(
    ("bound", "intent"), [("realtime", "transcription"), ("transcription", "realtime")]
)
def test_an_intent_that_contradicts_the_secret_is_refused(
    tmp_path: Path, bound: str, intent: str
) -> None:
    async def story(at: Place) -> None:
        with pytest.raises(CallRefused) as refused:
            await at.call(FakeWire(), intent=intent)
        assert (refused.value.code, refused.value.param) == ("invalid_intent", "intent")
        assert await at.conversations() == 0

    place(tmp_path, story, caller=secret({"type": bound}))


def test_an_upstream_model_gets_no_recogniser_of_ours(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        with pytest.raises(CallRefused) as refused:
            await at.call(FakeWire(), intent="transcription", assistant="far")
        assert (refused.value.status, refused.value.code) == (400, "transcription_not_available")

    write(tmp_path, UPSTREAM, "far")
    place(tmp_path, story)


@pytest.mark.parametrize(
    ("session", "kind"),
    [
        ({"type": "transcription"}, TranscriptionConfig),
        ({"type": "realtime"}, SessionConfig),
        ({}, SessionConfig),
        (None, SessionConfig),
    ],
)
def test_a_secret_is_minted_for_either(
    tmp_path: Path, session: JsonObject | None, kind: type
) -> None:
    async def story(at: Place) -> None:
        caller = secret(session)
        shown, name = await at.call_setup.preview(caller, CallRequest(None, "http"), caller)
        assert isinstance(shown, kind)
        assert shown.id.startswith("sess_")
        assert (shown.expires_at, name) == (0, "echo")

    place(tmp_path, story)


@pytest.mark.parametrize(
    ("session", "code", "param"),
    [
        ({"type": "translation"}, "invalid_value", "session.type"),
        ({"type": 7}, "invalid_type", "session.type"),
        ({"type": "transcription", "instructions": "Hi."}, "unknown_parameter",
         "session.instructions"),
    ],
)  # fmt: skip
def test_a_session_that_a_secret_cannot_bind_is_refused_when_it_is_minted(
    tmp_path: Path, session: JsonObject, code: str, param: str
) -> None:
    async def story(at: Place) -> None:
        caller = secret(session)
        with pytest.raises(CallRefused) as refused:
            await at.call_setup.preview(caller, CallRequest(None, "http"), caller)
        assert (refused.value.code, refused.value.param) == (code, param)

    place(tmp_path, story)


def test_a_transcript_is_stored_before_it_is_sent(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        wire = FakeWire()
        call = await at.call(wire, intent="transcription")
        by_hand = {"input": {"turn_detection": None}}
        update: JsonObject = {"type": "transcription", "audio": by_hand}
        wire.say(codec.encode(client.SessionUpdate(session=update)))
        for sound in [LOUD] * 10 + [QUIET] * 10:
            wire.say(codec.encode(client.AudioAppend(audio=sound)))
        wire.say(codec.encode(client.AudioCommit()))
        wire.say(codec.encode(client.ResponseCreate()))
        await asyncio.sleep(0.5)
        (row,) = await at.store.items(call.spec.conversation_id)
        assert isinstance(row.item, Message)
        assert row.item.content[0].transcript == "hello"
        assert row.input_method == "voice"
        assert wire.first(server.TranscriptionCompleted)[1].transcript == "hello"
        assert [e.error.code for _, e in wire.all(server.Error)] == ["invalid_value"]
        assert not wire.all(server.ResponseCreated)

    place(tmp_path, story)


def test_a_transcription_session_continues_a_conversation_and_is_continued(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        first = await at.call(FakeWire())
        conversation = first.spec.conversation_id
        second = await at.call(FakeWire(), intent="transcription", conversation_id=conversation)
        third = await at.call(FakeWire(), conversation_id=conversation)
        assert second.spec.conversation_id == third.spec.conversation_id

    place(tmp_path, story)
