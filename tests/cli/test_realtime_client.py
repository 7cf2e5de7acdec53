"""The client that `talk` and `transcribe` share, with servers that behave in all sorts of ways."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from vivavoce.cli.realtime_client import ConnectionClosedError, RealtimeClient, connected
from vivavoce.net.dial import UnreachableError
from vivavoce.protocol.client import AudioAppend, SessionUpdate

Events = list[dict[str, Any]]


def play(
    server: Callable[[ServerConnection], Awaitable[None]],
    client: Callable[[RealtimeClient, Events], Awaitable[None]],
) -> tuple[RealtimeClient, Events]:
    """Connect the client to the server, and return it when its connection is closed."""

    async def run() -> tuple[RealtimeClient, Events]:
        events: Events = []
        serving = serve(server, "localhost", 0, select_subprotocol=lambda *_: None)
        async with asyncio.timeout(10), serving as served:
            port = next(iter(served.sockets)).getsockname()[1]
            url = f"ws://localhost:{port}/v1/realtime"
            async with connected(url, "key", lambda event, at: events.append(event)) as opened:
                await client(opened, events)
        return opened, events

    return asyncio.run(run())


def test_client_sends_protocol_events_and_its_credential() -> None:
    frames: list[str | bytes] = []

    async def server(socket: ServerConnection) -> None:
        assert socket.request is not None
        frames.append(socket.request.headers["Authorization"])
        frames.extend([await socket.recv() for _ in range(2)])
        await socket.send('{"type":"done"}')
        await socket.wait_closed()

    async def client(opened: RealtimeClient, events: Events) -> None:
        opened.send(SessionUpdate(session={"type": "realtime"}))
        opened.send(AudioAppend(audio=b"\0\1"))
        await opened.until(lambda: bool(events))

    opened, events = play(server, client)
    assert frames == [
        "Bearer key",
        '{"type":"session.update","session":{"type":"realtime"}}',
        '{"type":"input_audio_buffer.append","audio":"AAE="}',
    ]
    assert events == [{"type": "done"}]
    assert opened.closed == (1000, "")


def test_until_raises_connection_closed_after_the_last_event() -> None:
    async def server(socket: ServerConnection) -> None:
        await socket.send('{"type":"error"}')
        await socket.close(4000, "no such key")

    async def client(opened: RealtimeClient, events: Events) -> None:
        with pytest.raises(ConnectionClosedError):
            await opened.until(lambda: False)
        await opened.until(lambda: bool(events))  # it is true, so the connection closes after it

    opened, events = play(server, client)
    assert (opened.closed, events) == ((4000, "no such key"), [{"type": "error"}])
    assert not opened.can_write


def test_until_raises_timeout_error_if_nothing_arrives() -> None:
    async def client(opened: RealtimeClient, events: Events) -> None:
        with pytest.raises(TimeoutError):
            await opened.until(lambda: False, 0)

    play(lambda socket: socket.wait_closed(), client)


@pytest.mark.parametrize("frame", ["not JSON", "[1]", "null", '"text"', "9" * 5000, "[" * 100_000])
def test_client_closes_the_connection_at_a_frame_that_is_not_a_json_object(frame: str) -> None:
    async def server(socket: ServerConnection) -> None:
        await socket.send(frame)
        await socket.wait_closed()
        codes.append(socket.close_code)

    async def client(opened: RealtimeClient, events: Events) -> None:
        with pytest.raises(ConnectionClosedError):
            await opened.until(lambda: False)

    codes: list[int | None] = []
    opened, events = play(server, client)
    assert (events, codes) == ([], [1007])
    assert opened.closed is not None


def test_connected_raises_unreachable_if_no_server_listens() -> None:
    async def run() -> None:
        async with connected("ws://localhost:1", None, lambda event, at: None):
            pass

    with pytest.raises(UnreachableError):
        asyncio.run(run())
