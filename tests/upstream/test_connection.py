"""Connect to an upstream: its address, our key, and the client's error if it does not answer."""

from __future__ import annotations

import asyncio
import logging
import socket
from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest
from websockets.asyncio.server import ServerConnection, serve

from vivavoce.upstream.connection import NotConnected, address, connect

if TYPE_CHECKING:
    from websockets.http11 import Request, Response

KEY = "sk-not-to-be-seen"
LARGEST = 1024 * 1024


@pytest.mark.parametrize(
    ("base_url", "expected"),
    [
        ("https://api.openai.com/v1", "wss://api.openai.com/v1/realtime?model=gpt+9"),
        ("http://10.0.0.1:8080/v1", "ws://10.0.0.1:8080/v1/realtime?model=gpt+9"),
        ("ws://127.0.0.1:9001/v1/realtime", "ws://127.0.0.1:9001/v1/realtime?model=gpt+9"),
        ("wss://voice.example", "wss://voice.example/realtime?model=gpt+9"),
    ],
)
def test_an_address_is_made_of_the_base_url(base_url: str, expected: str) -> None:
    assert address(base_url, "gpt 9") == expected


async def _refusal(status: HTTPStatus) -> NotConnected:
    def no(connection: ServerConnection, request: Request) -> Response:
        assert request.headers["Authorization"] == f"Bearer {KEY}"
        assert KEY not in request.path
        answer = connection.respond(status, f"Incorrect API key provided: {KEY}")
        answer.headers["Location"] = "ws://127.0.0.1:1/elsewhere"
        return answer

    async def never(connection: ServerConnection) -> None: ...

    async with serve(never, "127.0.0.1", 0, process_request=no) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(NotConnected) as caught:
            await connect(f"ws://127.0.0.1:{port}/v1", "m", KEY, largest=LARGEST)
    return caught.value


@pytest.mark.parametrize(
    ("status", "code", "retry"),
    [
        (HTTPStatus.UNAUTHORIZED, "upstream_refused", False),
        (HTTPStatus.FORBIDDEN, "upstream_refused", False),
        (HTTPStatus.NOT_FOUND, "upstream_refused", False),
        (HTTPStatus.FOUND, "upstream_refused", False),
        (HTTPStatus.TOO_MANY_REQUESTS, "upstream_busy", True),
        (HTTPStatus.INTERNAL_SERVER_ERROR, "upstream_unavailable", True),
        (HTTPStatus.SERVICE_UNAVAILABLE, "upstream_unavailable", True),
    ],
)
def test_a_refused_handshake_says_whether_to_try_again(
    status: HTTPStatus, code: str, retry: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    error = asyncio.run(_refusal(status))
    assert (error.code, error.retry) == (code, retry)
    ours = [r for r in caplog.records if not r.name.startswith("websockets")]  # the other side
    assert any(r.name == "vivavoce.upstream.connection" for r in ours)
    assert KEY not in f"{error} {[vars(r) for r in ours]}"


async def _attempt(url: str, key: str | None = KEY) -> NotConnected:
    with pytest.raises(NotConnected) as caught:
        await connect(url, "m", key, largest=LARGEST, within_s=0.3)
    return caught.value


def test_a_refused_connection_is_worth_another_try() -> None:
    error = asyncio.run(_attempt("ws://127.0.0.1:1/v1"))
    assert (error.code, error.retry) == ("upstream_unavailable", True)


def test_a_name_that_leads_nowhere_is_worth_another_try() -> None:
    error = asyncio.run(_attempt("wss://nobody.invalid/v1"))
    assert (error.code, error.retry) == ("upstream_unavailable", True)


def test_a_provider_that_never_answers_is_dropped_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        error = asyncio.run(_attempt(f"ws://127.0.0.1:{silent.getsockname()[1]}/v1"))
    assert (error.code, error.retry) == ("upstream_unavailable", True)


def test_a_server_without_tls_is_refused() -> None:
    async def story() -> NotConnected:
        async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            writer.close()

        async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            return await _attempt(f"wss://127.0.0.1:{port}/v1")

    error = asyncio.run(story())
    assert (error.code, error.retry) == ("upstream_unavailable", True)


@pytest.mark.parametrize("key", [None, "", "sk\r\nX-Evil: 1", "ключ"])
def test_without_a_usable_key_the_server_does_not_connect(key: str | None) -> None:
    error = asyncio.run(_attempt("ws://127.0.0.1:1/v1", key))
    assert (error.code, error.retry) == ("upstream_not_configured", False)


def test_P13_a_frame_above_the_limit_is_the_reason_for_the_end() -> None:
    """Both ways to send one: whole, and in fragments."""

    async def story(parts: list[str]) -> tuple[int, str]:
        async def talk(connection: ServerConnection) -> None:
            await connection.send(parts[0] if len(parts) == 1 else parts)
            await connection.wait_closed()

        async with serve(talk, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            socket = await connect(f"http://127.0.0.1:{port}/v1", "m", KEY, largest=10_000)
            ended: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()
            socket.join(Ends(ended))
            return await asyncio.wait_for(ended, 10)

    for parts in (["x" * 20_000], ["x" * 6_000] * 4):
        code, reason = asyncio.run(story(parts))
        assert code == 1009
        assert "size" in reason or "too big" in reason


class Ends:
    """Receives until the connection has ended."""

    def __init__(self, ended: asyncio.Future[tuple[int, str]]) -> None:
        self._ended = ended

    def frame(self, data: object) -> None: ...

    def writable(self) -> None: ...

    def lost(self, code: int, reason: str) -> None:
        self._ended.set_result((code, reason))


@pytest.mark.parametrize(
    ("given", "sent"),
    [("user-1", "user-1"), (None, None), ("a b", None), ("a\r\nX: y", None), ("x" * 257, None)],
)
def test_the_providers_handshake_has_the_clients_safety_identifier(
    given: str | None, sent: str | None
) -> None:
    async def story() -> str | None:
        seen: list[str | None] = []

        async def talk(connection: ServerConnection) -> None:
            assert connection.request is not None
            seen.append(connection.request.headers.get("OpenAI-Safety-Identifier"))

        async with serve(talk, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            base_url = f"http://127.0.0.1:{port}/v1"
            socket = await connect(base_url, "m", KEY, largest=10_000, safety_identifier=given)
            ended: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()
            socket.join(Ends(ended))
            await asyncio.wait_for(ended, 10)
        return seen[0]

    assert asyncio.run(story()) == sent
