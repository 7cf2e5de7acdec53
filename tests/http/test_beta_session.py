"""Mint secrets as in the protocol's beta, and start calls of the current protocol with them."""

from __future__ import annotations

import asyncio
import time

import httpx2
import pytest
from openai import AsyncOpenAI, BadRequestError
from websockets.asyncio.client import ClientConnection  # noqa: TC002

from ..support.served import Served
from ..transports.test_websocket import hear, visit, with_key
from .test_routes import bearer


def test_the_official_client_mints_a_flat_session_and_it_opens_a_call(
    served: Served, key: str
) -> None:
    async def mint() -> str:
        async with AsyncOpenAI(base_url=f"{served.url}/v1", api_key=key) as client:
            made = await client.beta.realtime.sessions.create(
                model="gpt-4o-realtime-preview",
                modalities=["audio", "text"],
                voice="ash",
                instructions="Be brief.",
                input_audio_format="g711_ulaw",
                turn_detection={"type": "server_vad", "silence_duration_ms": 900},
                temperature=0.8,
                max_response_output_tokens=200,
                extra_body={"vivavoce": {"assistant": "echo", "user": "ada"}},
            )
        assert made.voice == "ash"
        assert made.modalities == ["audio", "text"]
        assert (made.input_audio_format, made.output_audio_format) == ("g711_ulaw", "pcm16")
        assert made.turn_detection is not None
        assert made.turn_detection.silence_duration_ms == 900
        assert made.max_response_output_tokens == 200
        assert 50 < made.client_secret.expires_at - time.time() <= 60
        return made.client_secret.value

    async def story(socket: ClientConnection) -> None:
        session = (await hear(socket))["session"]
        assert session["audio"]["output"]["voice"] == "ash"
        assert session["audio"]["input"]["format"] == {"type": "audio/pcmu"}
        assert session["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 900
        assert session["max_output_tokens"] == 200
        assert session["instructions"] == "Be brief."

    visit(served, story, **with_key(asyncio.run(mint())))


def test_the_official_client_mints_a_flat_transcription_session(served: Served, key: str) -> None:
    async def mint() -> str:
        async with AsyncOpenAI(base_url=f"{served.url}/v1", api_key=key) as client:
            made = await client.beta.realtime.transcription_sessions.create(
                client_secret={"expires_at": {"anchor": "created_at", "seconds": 600}},
                input_audio_format="pcm16",
                input_audio_transcription={"model": "whisper-1", "language": "en", "prompt": ""},
                turn_detection={"type": "server_vad", "threshold": 0.6},
                extra_body={"vivavoce": {"assistant": "echo"}},
            )
        assert made.input_audio_transcription is not None
        assert made.input_audio_transcription.language == "en"
        assert made.turn_detection is not None
        assert made.turn_detection.threshold == 0.6
        assert 590 < made.client_secret.expires_at - time.time() <= 600
        return made.client_secret.value

    async def story(socket: ClientConnection) -> None:
        session = (await hear(socket))["session"]
        assert session["type"] == "transcription"
        assert session["audio"]["input"]["turn_detection"]["threshold"] == 0.6

    visit(served, story, "?intent=transcription", **with_key(asyncio.run(mint())))


def test_an_empty_body_mints_the_assistants_own_session(served: Served, key: str) -> None:
    for content in (None, b"{}"):
        made = httpx2.post(
            f"{served.url}/v1/realtime/sessions",
            content=content,
            headers=bearer(key) | {"Content-Type": "application/json"},
        ).json()
        assert made["object"] == "realtime.session"
        assert made["id"].startswith("sess_")
        assert made["client_secret"]["value"].startswith("ek_")


def test_an_error_in_a_flat_session_names_the_flat_field(served: Served, key: str) -> None:
    async def mint() -> None:
        async with AsyncOpenAI(base_url=f"{served.url}/v1", api_key=key) as client:
            with pytest.raises(BadRequestError) as wrong:
                await client.beta.realtime.sessions.create(speed=9)
            assert (wrong.value.code, wrong.value.param) == ("invalid_value", "speed")

    asyncio.run(mint())


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({"colour": 1}, "unknown_parameter", "colour"),
        ({"client_secret": {"expires_at": {"seconds": 5}}}, "invalid_value",
         "client_secret.expires_at.seconds"),
        ({"client_secret": {"value": "ek_mine"}}, "unknown_parameter", "client_secret.value"),
        ({"vivavoce": {"assistant": "nobody"}}, "assistant_not_found", "assistant"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["sessions", "transcription_sessions"])
def test_a_secret_that_cannot_be_minted_has_an_exact_error(
    served: Served, key: str, path: str, body: dict[str, object], code: str, param: str
) -> None:
    answer = httpx2.post(f"{served.url}/v1/realtime/{path}", json=body, headers=bearer(key))
    assert 400 <= answer.status_code < 500
    assert (answer.json()["error"]["code"], answer.json()["error"]["param"]) == (code, param)
