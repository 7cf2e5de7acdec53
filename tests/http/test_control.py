"""End a call over HTTP: the callers that may, and the events that the client in the call reads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import httpx2
import pytest
from openai import AsyncOpenAI, NotFoundError
from websockets.asyncio.client import ClientConnection, connect

from ..support.served import Served
from ..transports.test_websocket import end_of, hear, say, welcomed, with_key
from .test_routes import bearer

Story = Callable[[ClientConnection, str], Coroutine[Any, Any, None]]


def in_a_call(served: Served, key: str, story: Story) -> None:
    """Run a story during a call, with the call's id."""

    async def main() -> None:
        async with connect(served.ws + "?model=echo", **with_key(key)) as socket:
            await welcomed(socket)
            assert socket.response is not None
            await story(socket, socket.response.headers["Vivavoce-Call-Id"])

    asyncio.run(main())


async def post(served: Served, key: str, path: str, **more: Any) -> httpx2.Response:  # noqa: ANN401
    async with httpx2.AsyncClient(base_url=served.url, headers=bearer(key)) as http:
        return await http.post(f"/v1/realtime/calls/{path}", **more)


def test_a_call_ended_by_the_official_client_is_stored_as_hung_up(served: Served, key: str) -> None:
    async def story(socket: ClientConnection, call_id: str) -> None:
        text = {"type": "input_text", "text": "one two three four five six seven " * 20}
        item = {"type": "message", "role": "user", "content": [text]}
        await say(socket, type="conversation.item.create", item=item)
        await say(socket, type="response.create")
        await hear(socket, "response.output_audio.delta")
        async with AsyncOpenAI(base_url=f"{served.url}/v1", api_key=key) as client:
            answer = await client.realtime.calls.with_raw_response.hangup(call_id)
            assert answer.http_response.status_code == 200
            assert answer.headers["content-length"] == "0"
            done = await hear(socket, "response.done")
            assert done["response"]["status"] == "cancelled"
            assert await end_of(socket) == (1000, "hung_up")
            with pytest.raises(NotFoundError) as again:
                await client.realtime.calls.hangup(call_id)
            assert again.value.code == "call_id_not_found"
        async with httpx2.AsyncClient(base_url=served.url, headers=bearer(key)) as http:
            for _ in range(100):  # the ending is being stored
                kept = (await http.get(f"/api/calls/{call_id}")).json()
                if kept["ending"]:
                    break
                await asyncio.sleep(0.05)
        assert (kept["ending"], kept["live"]) == ("hung_up", False)

    in_a_call(served, key, story)


def test_a_key_for_another_assistant_finds_no_call_to_end(served: Served, key: str) -> None:
    bound = served.key("--assistant", "charlotte")

    async def story(socket: ClientConnection, call_id: str) -> None:
        theirs = await post(served, bound, f"{call_id}/hangup")
        unknown = await post(served, bound, "rtc_nobody/hangup")
        assert theirs.status_code == unknown.status_code == 404
        assert theirs.json() == unknown.json()
        assert theirs.json()["error"] == {
            "message": "No session found for the provided call_id",
            "type": "invalid_request_error",
            "code": "call_id_not_found",
            "param": "",
        }
        await say(socket, type="input_audio_buffer.clear")
        await hear(socket, "input_audio_buffer.cleared")

    in_a_call(served, key, story)


def test_a_client_secret_cannot_end_its_call_over_http(served: Served, key: str) -> None:
    minted = httpx2.post(
        f"{served.url}/v1/realtime/client_secrets", json={}, headers=bearer(key)
    ).json()["value"]

    async def story(socket: ClientConnection, call_id: str) -> None:
        answer = await post(served, minted, f"{call_id}/hangup")
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")

    in_a_call(served, key, story)


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("accept", {"type": "realtime", "model": "echo"}),
        ("reject", {"status_code": 486}),
        ("refer", {"target_uri": "tel:+14155550123"}),
    ],
)
def test_telephone_commands_are_refused_for_a_websocket_call(
    served: Served, key: str, verb: str, body: dict[str, object]
) -> None:
    async def story(socket: ClientConnection, call_id: str) -> None:
        answer = await post(served, key, f"{call_id}/{verb}", json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "not_a_sip_call")
        assert "websocket" in answer.json()["error"]["message"]
        unknown = await post(served, key, f"rtc_nobody/{verb}", json=body)
        assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "call_id_not_found")

    in_a_call(served, key, story)


@pytest.mark.parametrize("path", ["client_secrets", "calls"])
def test_translation_sessions_are_refused_with_their_own_code(
    served: Served, key: str, path: str
) -> None:
    url = f"{served.url}/v1/realtime/translations/{path}"
    answer = httpx2.post(url, json={"session": {}}, headers=bearer(key))
    assert answer.status_code == 501
    assert answer.json()["error"]["code"] == "translation_not_supported"


@pytest.mark.parametrize("path", ["models", "realtime/client_secrets"])
def test_azures_paths_lead_to_the_same_routes(served: Served, key: str, path: str) -> None:
    method = "GET" if path == "models" else "POST"
    url = f"{served.url}/openai/v1/{path}"
    assert httpx2.request(method, url).status_code == 401
    assert httpx2.request(method, url, headers={"api-key": key}).status_code == 200
