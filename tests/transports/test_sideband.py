"""Sidebands over real sockets: which callers may attach one, when, and how long it lives."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from ..support.served import Served, serve
from .test_websocket import end_of, hear, say, welcomed, with_key


def call_id_of(socket: ClientConnection) -> str:
    assert socket.response is not None
    return socket.response.headers["Vivavoce-Call-Id"]


def control(served: Served, key: str, call_id: str) -> connect:
    return connect(f"{served.ws}?call_id={call_id}&model=whatever", **with_key(key))


async def clear(socket: ClientConnection) -> None:
    await say(socket, type="input_audio_buffer.clear")


def mint(served: Served, key: str) -> str:
    body = {"vivavoce": {"assistant": "echo"}}
    headers = {"Authorization": f"Bearer {key}"}
    url = f"{served.url}/v1/realtime/client_secrets"
    value: str = httpx2.post(url, json=body, headers=headers).json()["value"]
    return value


async def refused(served: Served, key: str, call_id: str) -> tuple[int, dict[str, Any]]:
    with pytest.raises(InvalidStatus) as error:
        async with control(served, key, call_id):
            pass
    response = error.value.response
    return response.status_code, json.loads(response.body or b"{}")["error"]


def test_a_call_is_known_by_its_header_and_in_the_list_of_calls(served: Served, key: str) -> None:
    async def main() -> None:
        async with connect(served.ws + "?model=echo", **with_key(key)) as socket:
            await welcomed(socket)
            url = f"{served.url}/api/calls/{call_id_of(socket)}"
            found = httpx2.get(url, headers={"Authorization": f"Bearer {key}"}).json()
            assert found["live"]
            assert socket.response is not None
            conversation = socket.response.headers["Vivavoce-Conversation-Id"]
            assert found["conversation_id"] == conversation

    asyncio.run(main())


def test_several_may_control_one_call_and_the_calls_end_closes_them(
    served: Served, key: str
) -> None:
    async def main() -> None:
        secret = mint(served, key)
        async with connect(served.ws + "?model=echo", **with_key(secret)) as person:
            await welcomed(person)
            call_id = call_id_of(person)
            async with control(served, key, call_id) as one, control(served, key, call_id) as two:
                await clear(one)
                for socket in (one, two, person):  # the first thing that either of them hears
                    assert (await hear(socket))["type"] == "input_audio_buffer.cleared"
                await one.close()
                await clear(person)
                assert (await hear(two))["type"] == "input_audio_buffer.cleared"
                assert (await hear(person))["type"] == "input_audio_buffer.cleared"
                await person.close()
                assert await end_of(two) == (1000, "hung_up")

    asyncio.run(main())


def test_an_error_goes_to_the_client_that_caused_it(served: Served, key: str) -> None:
    async def main() -> None:
        async with connect(served.ws + "?model=echo", **with_key(key)) as person:
            await welcomed(person)
            async with control(served, key, call_id_of(person)) as one:
                await say(one, type="response.cancel", event_id="mine")
                error = (await hear(one))["error"]
                assert (error["code"], error["event_id"]) == ("response_cancel_not_active", "mine")
                await say(one, type="input_audio_buffer.append", audio="AAAA")
                assert (await hear(one))["error"]["param"] == "type"
                await say(person, type="response.cancel")
                assert (await hear(person))["error"]["code"] == "response_cancel_not_active"
                await clear(person)
                assert (await hear(one))["type"] == "input_audio_buffer.cleared"
                assert (await hear(person))["type"] == "input_audio_buffer.cleared"

    asyncio.run(main())


def test_a_transcription_session_is_controlled_like_a_call(served: Served, key: str) -> None:
    async def main() -> None:
        query = "?assistant=echo&intent=transcription"
        async with connect(served.ws + query, **with_key(key)) as person:
            await hear(person, "session.created")
            async with control(served, key, call_id_of(person)) as one:
                hearing = {"input": {"turn_detection": None}}
                session = {"type": "transcription", "audio": hearing}
                await say(one, type="session.update", session=session)
                for socket in (one, person):
                    told = await hear(socket)
                    assert told["type"] == "session.updated"
                    assert told["session"]["audio"]["input"]["turn_detection"] is None

    asyncio.run(main())


def test_a_call_may_be_controlled_before_it_begins(served: Served, key: str) -> None:
    """Its id is in the handshake's answer; what is set up after that is waited for."""

    async def main() -> None:
        async with connect(served.ws + "?model=echo", **with_key(key)) as person:
            async with control(served, key, call_id_of(person)) as one:
                await clear(one)
                assert (await hear(one))["type"] == "input_audio_buffer.cleared"
            await welcomed(person)

    asyncio.run(main())


def test_an_unknown_call_is_waited_for_five_and_a_half_seconds(served: Served, key: str) -> None:
    async def main() -> None:
        began = time.monotonic()
        status, error = await refused(served, key, "rtc_nobody")
        assert 5.4 < time.monotonic() - began < 8
        assert status == 404
        assert error == {
            "message": "No session found for the provided call_id",
            "type": "invalid_request_error",
            "code": "call_id_not_found",
            "param": "",
        }

    asyncio.run(main())


@pytest.mark.parametrize("credential", ["", "vv_wrong", "ek_wrong"])
def test_an_unauthorised_sideband_does_not_wait(served: Served, credential: str) -> None:
    async def main() -> None:
        began = time.monotonic()
        async with control(served, credential, "rtc_nobody") as socket:
            assert (await hear(socket))["error"]["code"] == "invalid_api_key"
            assert await end_of(socket) == (3000, "invalid_request_error.invalid_api_key")
        assert time.monotonic() - began < 4

    asyncio.run(main())


def test_the_secret_that_began_a_call_does_not_control_it(served: Served, key: str) -> None:
    async def main() -> None:
        secret = mint(served, key)
        async with connect(served.ws, **with_key(secret)) as person:
            await welcomed(person)
            async with control(served, secret, call_id_of(person)) as socket:
                error = (await hear(socket))["error"]
                assert error["code"] == "forbidden"
                assert "API key" in error["message"]
                assert await end_of(socket) == (3000, "invalid_request_error.forbidden")

    asyncio.run(main())


def test_X14_a_key_for_another_assistant_gets_the_answer_of_an_unknown_call_as_late(
    served: Served, key: str
) -> None:
    bound = served.key("--assistant", "charlotte")

    async def main() -> None:
        async with connect(served.ws + "?model=echo", **with_key(key)) as person:
            await welcomed(person)
            began = time.monotonic()
            answers = await asyncio.gather(
                refused(served, bound, call_id_of(person)), refused(served, bound, "rtc_nobody")
            )
            assert 5.4 < time.monotonic() - began < 8
            assert answers[0] == answers[1]
            status, error = answers[0]
            assert (status, error["code"]) == (404, "call_id_not_found")

    asyncio.run(main())


def test_a_call_takes_eight_controllers(served: Served, key: str) -> None:
    async def main() -> None:
        async with connect(served.ws + "?model=echo", **with_key(key)) as person:
            await welcomed(person)
            call_id = call_id_of(person)
            eight = [await control(served, key, call_id) for _ in range(8)]
            async with control(served, key, call_id) as ninth:
                assert (await hear(ninth))["error"]["code"] == "rate_limit_exceeded"
                assert (await end_of(ninth))[0] == 1013
            for socket in eight:
                await socket.close()
            async with control(served, key, call_id) as again:
                await clear(again)
                await hear(again, "input_audio_buffer.cleared")

    asyncio.run(main())


def test_a_sideband_that_vanishes_while_it_waits_leaves_nothing(served: Served, key: str) -> None:
    async def main() -> None:
        wait = asyncio.create_task(refused(served, key, "rtc_later"))
        await asyncio.sleep(0.3)
        wait.cancel()
        await asyncio.wait([wait])
        async with connect(served.ws + "?model=echo", **with_key(key)) as person:
            await welcomed(person)

    asyncio.run(main())
    assert "Traceback" not in served.log.read_text()


def test_a_restart_closes_all_clients_with_1012_and_stores_the_ending(tmp_path: Any) -> None:  # noqa: ANN401
    async def main(server: Served) -> str:
        key = server.key()
        async with connect(server.ws + "?model=echo", **with_key(key)) as person:
            await welcomed(person)
            call_id = call_id_of(person)
            async with control(server, key, call_id) as one:
                waiting = asyncio.create_task(refused(server, key, "rtc_never"))
                await asyncio.sleep(0.3)
                began = time.monotonic()
                server.process.terminate()
                assert await end_of(person) == (1012, "service restart")
                assert await end_of(one) == (1012, "service restart")
                assert (await waiting)[0] == 404
                assert time.monotonic() - began < 4
        return call_id

    with serve(tmp_path) as server:
        call_id = asyncio.run(main(server))
        assert server.process.wait(15) == 0
        assert "Traceback" not in server.log.read_text()
    with serve(tmp_path) as again:
        headers = {"Authorization": f"Bearer {again.key()}"}
        kept = httpx2.get(f"{again.url}/api/calls/{call_id}", headers=headers).json()
        assert kept["ending"] == "service_restart"
