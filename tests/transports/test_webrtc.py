"""Calls over WebRTC, with a real server and real peers."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from openai import AsyncOpenAI

from vivavoce.protocol.close_codes import CloseCode

from ..clients.test_openai import Conversation
from ..support.rtc_client import RtcClient, calling
from ..support.served import TAKES_ALL, Served, serve
from ..support.sounds import spoken

TALE = "one two three four five six seven eight nine ten " * 10
TOOL = {
    "type": "function",
    "name": "show_map",
    "description": "Show a map of the venue, with one place marked",
    "parameters": {
        "type": "object",
        "properties": {"place": {"type": "string", "enum": ["main_hall", "cloakroom"]}},
        "required": ["place"],
    },
}


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def mint(served: Served, key: str, **body: object) -> str:
    """Mint a secret for a page. By default it is for the assistant that repeats each message."""
    made = httpx2.post(
        f"{served.url}/v1/realtime/client_secrets",
        json=body or {"vivavoce": {"assistant": "echo"}},
        headers=bearer(key),
    )
    assert made.status_code == 200, made.text
    value: str = made.json()["value"]
    return value


Story = Callable[[RtcClient], Coroutine[Any, Any, None]]


def hold(served: Served, credential: str, story: Story, **query: str) -> None:
    async def main() -> None:
        async with calling(served, credential, **query) as client:
            await client.until("session.created")
            await story(client)

    asyncio.run(main())


def stored(served: Served, key: str, call_id: str) -> dict[str, Any]:
    answer = httpx2.get(f"{served.url}/api/calls/{call_id}", headers=bearer(key))
    assert answer.status_code == 200, answer.text
    call: dict[str, Any] = answer.json()
    return call


async def ending_of(served: Served, key: str, call_id: str) -> str:
    for _ in range(100):
        if (ending := stored(served, key, call_id)["ending"]) is not None:
            return str(ending)
        await asyncio.sleep(0.1)
    raise AssertionError("the call never ended")


async def sound_of(served: Served, call_id: str) -> dict[str, Any]:
    """Return what the log says about the packets of a call that has ended."""
    for _ in range(100):
        for line in map(json.loads, served.log.read_text().splitlines()):
            if line["event"] == "call_sound" and line["call"] == call_id:
                return dict(line)
        await asyncio.sleep(0.1)
    raise AssertionError("the log never counted its packets")


def loudness(pcm: bytes) -> float:
    samples = np.frombuffer(pcm, dtype=np.int16).astype(np.float64)
    return float(np.sqrt(np.mean(samples**2))) if len(samples) else 0.0


def test_a_typed_question_is_answered_with_sound_and_no_audio_in_events(
    served: Served, key: str
) -> None:
    async def story(client: RtcClient) -> None:
        assert client.types == ["session.created"]
        client.type_text("one two three")
        await client.until("output_audio_buffer.started")
        done = await client.until("response.done")
        await client.until("output_audio_buffer.stopped")
        assert done["response"]["status"] == "completed"
        assert "response.output_audio.delta" not in client.types
        assert loudness(bytes(client.heard)) > 100

    hold(served, mint(served, key), story)


@pytest.mark.long
def test_a_spoken_question_is_heard_transcribed_and_answered(served: Served, key: str) -> None:
    async def story(client: RtcClient) -> None:
        input = {"transcription": {"model": "gpt-4o-mini-transcribe"}}
        client.send("session.update", session={"type": "realtime", "audio": {"input": input}})
        await client.until("session.updated")
        client.say(spoken("keynote_rms"))
        await client.until("input_audio_buffer.speech_started")
        heard = await client.until("conversation.item.input_audio_transcription.completed")
        assert heard["transcript"].lower().startswith("when does the keynote start")
        await client.until("output_audio_buffer.stopped")
        assert loudness(bytes(client.heard)) > 100

    secret = mint(served, key, vivavoce={"assistant": "charlotte"})
    hold(served, secret, story, greeting="false")


def test_a_tool_of_the_page_is_called_and_its_output_spoken(served: Served, key: str) -> None:
    async def story(client: RtcClient) -> None:
        client.type_text("Please show me the main hall on the map.")
        call = await client.until("response.function_call_arguments.done")
        assert json.loads(call["arguments"]) == {"place": "main_hall"}
        await client.until("response.done")
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": "shown"}
        client.send("conversation.item.create", item=output)
        client.send("response.create")
        await client.until("output_audio_buffer.stopped")

    secret = mint(served, key, vivavoce={"assistant": "charlotte"})
    hold(served, secret, story, greeting="false")


def test_a_person_interrupts_and_the_answer_is_cut_where_it_was_heard(
    served: Served, key: str
) -> None:
    async def story(client: RtcClient) -> None:
        client.type_text(TALE)
        started = await client.until("output_audio_buffer.started")
        client.say(spoken("keynote_rms"))
        await client.until("input_audio_buffer.speech_started")
        cleared = await client.until("output_audio_buffer.cleared")
        assert cleared["response_id"] == started["response_id"]
        cut = await client.until("conversation.item.truncated")
        assert 200 < cut["audio_end_ms"] < 5000
        done = await client.until("response.done")
        assert done["response"]["status_details"]["reason"] == "turn_detected"
        client.heard.clear()
        await client.until("input_audio_buffer.speech_stopped")
        assert loudness(bytes(client.heard[24_000:])) < 50  # half a second later, it is silent

    hold(served, mint(served, key), story)


def test_a_page_stops_an_answer_by_a_button(served: Served, key: str) -> None:
    async def story(client: RtcClient) -> None:
        client.type_text(TALE)
        await client.until("output_audio_buffer.started")
        client.send("response.cancel")
        client.send("output_audio_buffer.clear")
        await client.until("output_audio_buffer.cleared")
        await asyncio.sleep(0.5)  # what was on its way has arrived
        client.heard.clear()
        await asyncio.sleep(0.3)
        assert loudness(bytes(client.heard)) < 50

    hold(served, mint(served, key), story)


def test_a_sideband_controls_the_call_and_hangs_it_up(served: Served, key: str) -> None:
    async def story(client: RtcClient) -> None:
        async with (
            AsyncOpenAI(base_url=f"{served.url}/v1", api_key=key) as backend,
            backend.realtime.connect(call_id=client.call_id) as connection,
        ):
            control = Conversation(connection)
            await control.configure(instructions="Speak of Turin.")
            updated = await client.until("session.updated")
            assert updated["session"]["instructions"] == "Speak of Turin."
            client.type_text("one two")
            await control.until("output_audio_buffer.started")
            await backend.realtime.calls.hangup(client.call_id)
        await asyncio.wait_for(client.ended.wait(), 10)
        call = await asyncio.to_thread(stored, served, key, client.call_id)
        assert (call["transport"], call["ending"]) == ("webrtc", "hung_up")

    hold(served, mint(served, key), story)


def test_a_page_that_is_closed_ends_its_call(served: Served, key: str) -> None:
    async def main() -> str:
        async with calling(served, mint(served, key)) as client:
            await client.until("session.created")
            return client.call_id

    call_id = asyncio.run(main())

    assert asyncio.run(ending_of(served, key, call_id)) == "client_closed_1000"
    sound = asyncio.run(sound_of(served, call_id))
    counted = httpx2.get(f"{served.url}/metrics", headers=bearer(key)).text
    assert 'vivavoce_rtp_packets_total{fate="received"}' in counted
    assert sound["received"] > 0
    assert {"lost", "recovered", "concealed", "late"} <= sound.keys()


def test_a_page_that_lost_its_network_goes_on_in_another_call(served: Served, key: str) -> None:
    """Take the conversation over by a second call, because ICE does not restart."""

    async def main() -> None:
        async with calling(served, key, assistant="echo") as lost:
            await lost.until("session.created")
            lost.type_text("one two")
            done = await lost.until("response.done")
            conversation = done["response"]["conversation_id"]
            again = {"assistant": "echo", "conversation_id": conversation}
            async with calling(served, key, **again) as client:
                await client.until("session.created")
                client.type_text("three")
                done = await client.until("response.done")
                assert done["response"]["conversation_id"] == conversation
                await client.until("output_audio_buffer.stopped")
            items = await asyncio.to_thread(served.cli, "conversations", "export", conversation)
            said = [i["item"]["role"] for i in json.loads(items)["items"]]
            assert said == ["user", "assistant", "user", "assistant"]

    asyncio.run(main())


def test_a_revoked_secret_ends_its_call(served: Served, key: str) -> None:
    made = httpx2.post(f"{served.url}/v1/realtime/client_secrets", headers=bearer(key)).json()

    async def story(client: RtcClient) -> None:
        await asyncio.to_thread(
            httpx2.delete,
            f"{served.url}/v1/realtime/client_secrets/{made['vivavoce']['id']}",
            headers=bearer(key),
        )
        error = await client.until("error")
        assert error["error"]["code"] == "secret_revoked"
        closing = await client.until("vivavoce.closing")
        assert closing["code"] == CloseCode.UNAUTHORIZED
        await asyncio.wait_for(client.ended.wait(), 10)
        assert client.types[-1] == "vivavoce.closing"

    hold(served, made["value"], story, model="echo", events="vivavoce")


def test_a_server_that_restarts_says_so_to_those_who_asked_for_our_events(tmp_path: Path) -> None:
    """A data channel has no close frame, so the last event says what that would say."""
    with serve(tmp_path, **TAKES_ALL) as served:
        key = served.key()

        async def main() -> tuple[list[dict[str, Any]], list[str]]:
            async with (
                calling(served, key, model="echo", events="vivavoce") as page,
                calling(served, key, model="echo") as other,
            ):
                for client in (page, other):
                    await client.until("session.created")
                await asyncio.to_thread(served.stop)
                for client in (page, other):
                    await asyncio.wait_for(client.ended.wait(), 10)
                return page.events, other.types

        events, types = asyncio.run(main())
    assert events[-1]["type"] == "vivavoce.closing"
    assert events[-1]["code"] == CloseCode.SERVICE_RESTART
    assert events[-1]["event_id"].startswith("event_")
    assert "vivavoce.closing" not in types


def test_a_stock_page_brings_its_own_instructions_and_tools(served: Served, key: str) -> None:
    """Mint a secret as OpenAI documents it: then the default locks do not hold."""

    async def story(client: RtcClient) -> None:
        session = {"type": "realtime", "instructions": "Be brief.", "tools": [TOOL]}
        client.send("session.update", session=session)
        updated = await client.until("session.updated")
        assert updated["session"]["instructions"] == "Be brief."
        assert [tool["name"] for tool in updated["session"]["tools"]] == ["show_map"]

    session = {"type": "realtime", "model": "echo"}
    hold(served, mint(served, key, session=session), story)


def test_a_secret_with_our_binding_keeps_the_locks(served: Served, key: str) -> None:
    async def story(client: RtcClient) -> None:
        session = {"type": "realtime", "instructions": "Be brief.", "tools": [TOOL]}
        client.send("session.update", session=session)
        updated = await client.until("session.updated")
        assert updated["session"]["instructions"] != "Be brief."
        assert updated["session"]["tools"] == []

    hold(served, mint(served, key), story)


def test_a_back_end_begins_a_call_with_a_form(served: Served, key: str) -> None:
    """The unified interface: one request with an API key, an offer and a session."""

    async def main() -> None:
        client = RtcClient()
        session = {"type": "realtime", "model": "echo", "instructions": "Be kind."}
        try:
            async with httpx2.AsyncClient() as http:
                made = await http.post(
                    f"{served.url}/v1/realtime/calls",
                    files={
                        "sdp": (None, await client.offer(), "application/sdp"),
                        "session": (None, json.dumps(session), "application/json"),
                    },
                    headers=bearer(key),
                )
            assert made.status_code == 201, made.text
            assert made.headers["content-type"] == "application/sdp"
            await client.take(made.text)
            created = await client.until("session.created")
            assert created["session"]["instructions"] == "Be kind."
            assert created["session"]["model"] == "echo"
        finally:
            await client.close()

    asyncio.run(main())


def test_a_back_end_begins_a_call_by_the_openai_package(served: Served, key: str) -> None:
    """`client.realtime.calls.create` of the unmodified package sends the form."""

    async def main() -> None:
        client = RtcClient()
        try:
            async with AsyncOpenAI(base_url=f"{served.url}/v1", api_key=key) as backend:
                made = await backend.realtime.calls.create(
                    sdp=await client.offer(),
                    session={"type": "realtime", "model": "echo", "instructions": "Be kind."},
                )
                await client.take(made.text)
                created = await client.until("session.created")
                assert created["session"]["instructions"] == "Be kind."
                call_id = made.response.headers["location"].rpartition("/")[2]
                await backend.realtime.calls.hangup(call_id)
            await asyncio.wait_for(client.ended.wait(), 10)
        finally:
            await client.close()

    asyncio.run(main())


def test_a_call_without_a_channel_has_sound_alone(served: Served, key: str) -> None:
    async def main() -> None:
        client = RtcClient(channel=False)
        try:
            async with httpx2.AsyncClient() as http:
                made = await http.post(
                    f"{served.url}/v1/realtime/calls",
                    params={"model": "echo"},
                    content=await client.offer(),
                    headers=bearer(key) | {"Content-Type": "application/sdp"},
                )
                assert made.status_code == 201, made.text
                call_id = made.headers["location"].rpartition("/")[2]
                await client.take(made.text)
                await asyncio.wait_for(client.connected.wait(), 10)
                hung_up = await http.post(
                    f"{served.url}/v1/realtime/calls/{call_id}/hangup", headers=bearer(key)
                )
            assert hung_up.status_code == 200
            await asyncio.wait_for(client.ended.wait(), 10)
        finally:
            await client.close()

    asyncio.run(main())


@pytest.mark.long
def test_a_peer_that_never_connects_leaves_nothing_behind(tmp_path: Path) -> None:
    """One UDP port for all calls: the second call needs what the first one has left."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "VIVAVOCE_WEBRTC__PORT_RANGE": f"{port},{port}",
        "VIVAVOCE_WEBRTC__BIND": "127.0.0.1",
        "VIVAVOCE_WEBRTC__CONNECT_TIMEOUT_S": "1",
    }
    with serve(tmp_path, **TAKES_ALL, **settings) as served:
        key, offer = served.key(), offer_of()

        def ask() -> httpx2.Response:
            return httpx2.post(
                f"{served.url}/v1/realtime/calls",
                params={"model": "echo"},
                content=offer,
                headers=bearer(key) | SDP,
            )

        first, second = ask(), ask()
        assert first.status_code == 201, first.text
        assert f" 127.0.0.1 {port} typ host" in first.text
        assert (second.status_code, second.json()["error"]["code"]) == (503, "server_busy")
        call_id = first.headers["location"].rpartition("/")[2]
        assert asyncio.run(ending_of(served, key, call_id)) == "client_closed_1006"
        assert ask().status_code == 201
        log = served.log.read_text()
        assert "not_connected" in log
        assert "Traceback" not in log


# Attacks


@pytest.mark.parametrize(
    ("size", "fault"),
    [(300_000, "a whole message"), (8_000_000, "a message that is kept in pieces")],
)
def test_a_message_over_the_limit_ends_the_call(
    served: Served, key: str, size: int, fault: str
) -> None:
    async def main() -> str:
        async with calling(served, mint(served, key)) as client:
            await client.until("session.created")
            assert "a=max-message-size:262144" in client.pc.remoteDescription.sdp
            assert client.pc.sctp is not None
            client.pc.sctp._remote_max_message_size = 10**9
            assert client.channel is not None
            client.channel.send("x" * size)
            error = await client.until("error")
            assert error["error"]["code"] == "message_too_large", fault
            await asyncio.wait_for(client.ended.wait(), 10)
            return client.call_id

    assert asyncio.run(ending_of(served, key, asyncio.run(main()))) == "client_closed_1009"


# Refusals


def offer_of(*, audio: bool = True) -> str:
    async def main() -> str:
        client = RtcClient(audio=audio)
        try:
            return await client.offer()
        finally:
            await client.close()

    return asyncio.run(main())


SDP = {"Content-Type": "application/sdp"}


@pytest.mark.parametrize(
    ("body", "headers", "refused"),
    [
        (b"v=0", SDP, (400, "invalid_offer")),
        (b"", SDP, (400, "invalid_offer")),
        (b"\xff\xfe", SDP, (400, "invalid_value")),
        (b"{}", {"Content-Type": "application/json"}, (415, "unsupported_media_type")),
        (b"x" * 70_000, SDP, (400, "invalid_offer")),
        (b"x" * 2**21, SDP, (413, "request_too_large")),
        (b"--x", {"Content-Type": "multipart/form-data; boundary=y"}, (400, "invalid_value")),
        (b"--y--", {"Content-Type": "multipart/form-data; boundary=y"},
         (400, "missing_required_parameter")),
    ],
)  # fmt: skip
def test_a_body_without_an_offer_is_refused(
    served: Served, key: str, body: bytes, headers: dict[str, str], refused: tuple[int, str]
) -> None:
    answer = httpx2.post(
        f"{served.url}/v1/realtime/calls", content=body, headers=bearer(key) | headers
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == refused


def test_an_offer_without_audio_is_refused(served: Served, key: str) -> None:
    answer = httpx2.post(
        f"{served.url}/v1/realtime/calls", content=offer_of(audio=False), headers=bearer(key) | SDP
    )
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], error["param"]) == ("invalid_offer", "sdp")
    assert "no audio" in error["message"]


def test_a_session_beside_a_secret_is_refused(served: Served, key: str) -> None:
    answer = httpx2.post(
        f"{served.url}/v1/realtime/calls",
        files={"sdp": (None, offer_of()), "session": (None, '{"type": "realtime"}')},
        headers=bearer(mint(served, key)),
    )
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "session")


def test_a_page_of_an_unknown_origin_is_refused(served: Served, key: str) -> None:
    answer = httpx2.post(
        f"{served.url}/v1/realtime/calls",
        content=offer_of(),
        headers=bearer(mint(served, key)) | SDP | {"Origin": "https://elsewhere.example"},
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "origin_not_allowed")
