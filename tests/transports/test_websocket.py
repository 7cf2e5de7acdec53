"""WebSocket handshakes, calls and refusals."""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
import subprocess
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from ..support.official import accept
from ..support.served import TAKES_ALL, Served, serve

ANSWER_TIMEOUT_S = 20.0


async def hear(socket: ClientConnection, kind: str | None = None) -> dict[str, Any]:
    """Return the next event, or the next one of a type."""
    async with asyncio.timeout(ANSWER_TIMEOUT_S):
        while True:
            data = await socket.recv(decode=False)
            accept(data)
            event: dict[str, Any] = json.loads(data)
            if kind in (None, event["type"]):
                return event


async def say(socket: ClientConnection, **event: object) -> None:
    await socket.send(json.dumps(event))


async def end_of(socket: ClientConnection) -> tuple[int, str]:
    async with asyncio.timeout(ANSWER_TIMEOUT_S):
        try:
            while True:
                await socket.recv()
        except ConnectionClosed:
            return socket.close_code or 0, socket.close_reason or ""


def visit(
    served: Served,
    story: Callable[[ClientConnection], Coroutine[Any, Any, None]],
    query: str = "?model=echo",
    **how: Any,  # noqa: ANN401
) -> None:
    async def main() -> None:
        async with connect(served.ws + query, **how) as socket:
            await story(socket)

    asyncio.run(main())


def with_key(key: str) -> dict[str, Any]:
    return {"additional_headers": {"Authorization": f"Bearer {key}"}}


async def welcomed(socket: ClientConnection) -> None:
    created = await hear(socket)
    assert created["type"] == "session.created"
    assert created["session"]["model"] == "echo"


@pytest.mark.parametrize(
    ("query", "offered"),
    [
        ("", ["show_map"]),
        ("&client_tools=", []),
        ("&client_tools=something_else", []),
        ("&client_tools=show_map", ["show_map"]),
        ("&client_tools=open_door,show_map", ["show_map"]),
        ("&client_tools=*", ["show_map"]),
    ],
)
def test_N1_a_tool_is_offered_only_to_a_client_that_runs_it(
    served: Served, key: str, query: str, offered: list[str]
) -> None:
    async def story(socket: ClientConnection) -> None:
        created = await hear(socket)
        of_the_server = {"check_in", "announcements"}
        tools = [tool["name"] for tool in created["session"]["tools"]]
        assert [name for name in tools if name not in of_the_server] == offered
        assert of_the_server <= set(tools)

    visit(served, story, f"?model=charlotte{query}", **with_key(key))


# Credentials


def test_a_key_in_the_header(served: Served, key: str) -> None:
    visit(served, welcomed, **with_key(key))


def test_a_key_as_azure_sends_it(served: Served, key: str) -> None:
    visit(served, welcomed, additional_headers={"api-key": key})


def test_a_browser_brings_its_secret_as_a_subprotocol(served: Served, key: str) -> None:
    body = {"vivavoce": {"assistant": "echo"}}
    minted = httpx2.post(
        f"{served.url}/v1/realtime/client_secrets",
        json=body,
        headers={"Authorization": f"Bearer {key}"},
    ).json()

    async def story(socket: ClientConnection) -> None:
        assert socket.subprotocol == "realtime"
        assert (await hear(socket))["type"] == "session.created"

    offered = [
        Subprotocol("realtime"),
        Subprotocol(f"openai-insecure-api-key.{minted['value']}"),
        Subprotocol("openai-agents-sdk.0.20.0"),
    ]
    visit(served, story, "?model=whatever", subprotocols=offered, origin=served.url)


@pytest.mark.parametrize("credential", [None, "vv_wrong", "ek_wrong", "x" * 5000])
def test_a_client_without_a_valid_credential_gets_an_error_and_3000(
    served: Served, credential: str | None
) -> None:
    async def story(socket: ClientConnection) -> None:
        event = await hear(socket)
        assert event["type"] == "error"
        assert event["error"]["code"] == "invalid_api_key"
        assert event["event_id"]
        assert await end_of(socket) == (3000, "invalid_request_error.invalid_api_key")

    visit(served, story, **(with_key(credential) if credential else {}))


def test_a_revoked_key_is_refused_at_once(served: Served) -> None:
    made = json.loads(served.cli("keys", "create", "--json"))
    visit(served, welcomed, **with_key(made["key"]))
    served.cli("keys", "revoke", made["id"])

    async def story(socket: ClientConnection) -> None:
        assert (await hear(socket))["error"]["code"] == "invalid_api_key"

    visit(served, story, **with_key(made["key"]))


def test_a_key_is_not_taken_from_the_url(served: Served, key: str) -> None:
    async def story(socket: ClientConnection) -> None:
        assert (await hear(socket))["error"]["code"] == "invalid_api_key"

    visit(served, story, f"?model=echo&api_key={key}&key={key}")


# Where and what


@pytest.mark.parametrize(
    "how",
    [
        {"subprotocols": [Subprotocol("realtime"), Subprotocol("openai-beta.realtime-v1")]},
        {"additional_headers": {"OpenAI-Beta": "assistants=v2, realtime=v1"}},
        {"query": "?call_id=rtc_any", "additional_headers": {"OpenAI-Beta": "realtime=v1"}},
    ],
)
def test_a_beta_client_gets_an_error_in_the_first_frame(
    served: Served, key: str, how: dict[str, Any]
) -> None:
    async def story(socket: ClientConnection) -> None:
        error = (await hear(socket))["error"]
        assert error["code"] == "beta_api_shape_disabled"
        assert error["message"].startswith("The Realtime Beta API is no longer supported.")
        assert await end_of(socket) == (4000, "invalid_request_error.beta_api_shape_disabled")

    headers = {"Authorization": f"Bearer {key}"} | how.pop("additional_headers", {})
    visit(served, story, **how, additional_headers=headers)


def test_a_beta_opt_in_for_another_feature_is_ignored(served: Served, key: str) -> None:
    headers = {"Authorization": f"Bearer {key}", "OpenAI-Beta": "assistants=v2"}
    visit(served, welcomed, additional_headers=headers)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v1/realtime/translations", "translation_not_supported"),
        ("/openai/realtime", "beta_api_shape_disabled"),
    ],
)
def test_an_unsupported_dialect_is_refused_with_its_own_code(
    served: Served, key: str, path: str, code: str
) -> None:
    async def main() -> None:
        url = f"{served.ws.removesuffix('/v1/realtime')}{path}?model=gpt-realtime-translate"
        async with connect(url, **with_key(key)) as socket:
            assert (await hear(socket))["error"]["code"] == code
            assert await end_of(socket) == (4000, f"invalid_request_error.{code}")
        async with connect(url, **with_key("vv_wrong")) as socket:
            assert (await hear(socket))["error"]["code"] == "invalid_api_key"

    asyncio.run(main())


def test_a_page_of_an_unknown_origin_gets_http_403(served: Served, key: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        visit(served, welcomed, origin="https://evil.example", **with_key(key))
    assert refused.value.response.status_code == 403


def test_W4_an_unknown_origin_is_named_with_the_setting(served: Served, key: str) -> None:
    """A TLS proxy in front of a server without `server.public_url` is the usual cause."""
    for origin in ("https://voice.example.org", "https://voice.example.org:8443"):
        with pytest.raises(InvalidStatus) as refused:
            visit(served, welcomed, origin=Origin(origin), **with_key(key))
        error = json.loads(refused.value.response.body or b"")["error"]
        assert error["code"] == "origin_not_allowed"
        assert f'server.public_url = "{origin}"' in error["message"]
        assert f'"origin": "{origin}", "setting": "server.public_url"' in served.log.read_text()


@pytest.mark.parametrize(
    "path",
    [
        "/v1/realtime",
        "/v1/realtime?model=echo",
        "/openai/v1/realtime",
        "/openai/realtime",
        "/v1/realtime/translations",
        "/openai/v1/realtime/translations",
    ],
)
def test_W4_a_request_without_upgrade_gets_http_426_and_a_sentence(
    served: Served, path: str
) -> None:
    answer = httpx2.get(served.url + path)
    assert answer.status_code == 426
    assert answer.headers["upgrade"] == "websocket"
    error = answer.json()["error"]
    assert error["code"] == "upgrade_required"
    assert "proxy" in error["message"]
    assert "upgrade_missing" in served.log.read_text()


@pytest.mark.parametrize(
    ("query", "code", "close"),
    [
        ("?model=echo&intent=dance", "invalid_intent", 4000),
        ("?assistant=nobody", "assistant_not_found", 4000),
        ("?model=echo&conversation_id=conv_nobody", "conversation_not_found", 4000),
        ("?model=echo&role=king", "invalid_value", 4000),
        ("?model=echo&var.colour=red", "unknown_parameter", 4000),
    ],
)
def test_what_cannot_be_had(served: Served, key: str, query: str, code: str, close: int) -> None:
    async def story(socket: ClientConnection) -> None:
        event = await hear(socket)
        assert event["error"]["code"] == code
        assert await end_of(socket) == (close, f"invalid_request_error.{code}")

    visit(served, story, query, **with_key(key))


def test_an_unknown_call_is_refused_with_http(served: Served, key: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        visit(served, welcomed, "?call_id=rtc_u0_nobody", **with_key(key))
    assert refused.value.response.status_code == 404
    body = json.loads(refused.value.response.body or b"{}")
    assert body["error"]["code"] == "call_id_not_found"


def test_an_address_that_cannot_be_read_is_the_clients_fault(served: Served, key: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        visit(served, welcomed, "?" + "&".join(f"a{n}=1" for n in range(200)), **with_key(key))
    assert refused.value.response.status_code == 400


def test_unknown_parameters_and_models_are_ignored(served: Served, key: str) -> None:
    async def story(socket: ClientConnection) -> None:
        created = await hear(socket)
        assert created["session"]["model"] == "gpt-realtime-2.1"
        assert socket.response is not None
        assert socket.response.headers["Vivavoce-Conversation-Id"].startswith("conv_")

    visit(served, story, "?model=gpt-realtime-2.1&colour=blue", **with_key(key))


# Frames


def test_fragments_and_binary_frames_are_messages(served: Served, key: str) -> None:
    async def story(socket: ClientConnection) -> None:
        await welcomed(socket)
        update = json.dumps({"type": "session.update", "session": {"type": "realtime"}})
        await socket.send([update[:10], update[10:30], update[30:]])
        await hear(socket, "session.updated")
        await socket.send(update.encode())
        await hear(socket, "session.updated")

    visit(served, story, **with_key(key))


def test_a_client_may_name_its_events(served: Served, key: str) -> None:
    async def story(socket: ClientConnection) -> None:
        await welcomed(socket)
        await say(socket, type="input_audio_buffer.append", event_id="good", audio="AAAA")
        await say(socket, type="input_audio_buffer.append", event_id="bad", audio="*")
        assert (await hear(socket))["error"]["event_id"] == "bad"

    visit(served, story, **with_key(key))


def test_compression_is_declined(served: Served, key: str) -> None:
    async def story(socket: ClientConnection) -> None:
        await welcomed(socket)
        assert not socket.protocol.extensions

    visit(served, story, compression="deflate", **with_key(key))


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("{", "invalid_event"),
        ("[]", "invalid_event"),
        (b"\xff\xfe", "invalid_event"),
        ("[" * 50_000, "invalid_event"),
        ('{"type":"scooby.dooby.doo"}', "invalid_value"),
        ('{"type":"response.create","colour":1}', "unknown_parameter"),
        ('{"type":"session.update","session":{}}', "missing_required_parameter"),
        ('{"type":"input_audio_buffer.append","audio":"*"}', "invalid_value"),
        ('{"type":"input_audio_buffer.append","audio":1}', "invalid_type"),
    ],
)
def test_nonsense_gets_an_exact_error_and_the_call_goes_on(
    served: Served, key: str, frame: str | bytes, code: str
) -> None:
    async def story(socket: ClientConnection) -> None:
        await welcomed(socket)
        await socket.send(frame)
        assert (await hear(socket))["error"]["code"] == code
        await socket.send('{"type":"input_audio_buffer.clear"}')
        assert (await hear(socket))["type"] == "input_audio_buffer.cleared"

    visit(served, story, **with_key(key))


def test_a_frame_of_15_mib_is_heard_and_a_larger_one_is_too_big(served: Served, key: str) -> None:
    async def story(socket: ClientConnection) -> None:
        await welcomed(socket)
        await say(socket, type="input_audio_buffer.append", audio="A" * 15 * 2**20)
        await socket.send('{"type":"input_audio_buffer.clear"}')
        await hear(socket, "input_audio_buffer.cleared")
        with suppress(ConnectionClosed):  # it may say so before it has heard all of it
            await socket.send("x" * (17 * 2**20))
        assert (await end_of(socket))[0] == 1009

    visit(served, story, **with_key(key))


def test_a_client_that_vanishes_leaves_nothing_behind(served: Served, key: str) -> None:
    async def main() -> None:
        socket = await connect(served.ws + "?model=echo", **with_key(key))
        await welcomed(socket)
        socket.transport.abort()
        await socket.wait_closed()
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx2.AsyncClient(base_url=served.url, headers=headers) as http:
            for _ in range(100):
                (newest, *_) = (await http.get("/api/calls")).json()["data"]
                if newest["ended_at"]:
                    break
                await asyncio.sleep(0.05)
        assert newest["ending"] == "client_closed_1006"
        assert not newest["live"]

    asyncio.run(main())


# The server itself


def test_every_receipt_survives_kill_9(tmp_path: Path) -> None:
    """The first promise: an item that a client read as done survives the worst."""
    told: list[str] = []

    async def talk_until_it_dies(server: Served) -> None:
        async with connect(server.ws + "?model=echo", **with_key(server.key())) as socket:
            await welcomed(socket)
            part = {"type": "input_text", "text": "remember this"}
            item = {"type": "message", "role": "user", "content": [part]}
            try:
                for count in range(10_000):
                    named = {"id": f"item_{count}", **item}
                    await say(socket, type="conversation.item.create", item=named)
                    while (event := await hear(socket))["type"] != "conversation.item.done":
                        assert event["type"] == "conversation.item.added"
                    told.append(event["item"]["id"])
                    if count == 40:
                        server.process.send_signal(signal.SIGKILL)
            except ConnectionClosed:
                return

    with serve(tmp_path) as first:
        asyncio.run(talk_until_it_dies(first))
        assert first.process.wait(10) == -signal.SIGKILL
    assert len(told) > 40
    with serve(tmp_path) as second:
        (conversation,) = json.loads(second.cli("conversations", "list", "--json"))
        kept = json.loads(second.cli("conversations", "show", conversation["id"], "--json"))
        stored = [row["item"]["id"] for row in kept["items"]]
        assert stored[: len(told)] == told


def test_leaving_says_goodbye_and_stores(tmp_path: Path) -> None:
    async def story(server: Served) -> None:
        async with connect(server.ws + "?model=echo", **with_key(server.key())) as socket:
            await welcomed(socket)
            server.process.terminate()
            assert await end_of(socket) == (1012, "service restart")

    with serve(tmp_path) as server:
        asyncio.run(story(server))
        assert server.process.wait(15) == 0
        assert not (tmp_path / "server.url").exists()
        assert "Traceback" not in server.log.read_text()


def test_tls(tmp_path: Path) -> None:
    cert, key_file = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key_file),
         "-out", str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.create_default_context(cafile=str(cert))
    arguments = ("--tls-cert", str(cert), "--tls-key", str(key_file))
    with serve(tmp_path / "data", *arguments) as server:
        assert server.url.startswith("https://localhost")
        made = server.key()

        async def main() -> None:
            async with connect(server.ws + "?model=echo", ssl=context, **with_key(made)) as socket:
                await welcomed(socket)
                assert socket.response is not None
                query = f"?call_id={socket.response.headers['Vivavoce-Call-Id']}"
                async with connect(server.ws + query, ssl=context, **with_key(made)) as control:
                    await say(control, type="input_audio_buffer.clear")
                    await hear(socket, "input_audio_buffer.cleared")

        asyncio.run(main())


def test_a_call_above_the_limit_gets_an_error_and_1013(tmp_path: Path) -> None:
    async def story(server: Served) -> None:
        how = with_key(server.key())
        async with connect(server.ws + "?model=echo", **how) as only:
            await welcomed(only)
            async with connect(server.ws + "?model=echo", **how) as another:
                assert (await hear(another))["error"]["code"] == "rate_limit_exceeded"
                assert (await end_of(another))[0] == 1013

    with serve(tmp_path, VIVAVOCE_CALLS__MAX_CALLS="1", **TAKES_ALL) as server:
        asyncio.run(story(server))
