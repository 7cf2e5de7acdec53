"""The client that `talk` and `transcribe` share, with servers that behave in all sorts of ways."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from vivavoce.cli.main import app
from vivavoce.cli.realtime_client import (
    ConnectionClosedError,
    RealtimeClient,
    ServerEndpoint,
    connected,
)
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
            async with connected(
                ServerEndpoint(url, "key"), lambda event, at: events.append(event)
            ) as opened:
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
        async with connected(ServerEndpoint("ws://localhost:1"), lambda event, at: None):
            pass

    with pytest.raises(UnreachableError):
        asyncio.run(run())


# Servers that speak another language


HEARD = "conversation.item.input_audio_transcription"
FRAMES = [
    {"type": None}, {"type": ["error"]}, {"type": {"x": 1}}, {},
    {"type": "error"}, {"type": "error", "error": None}, {"type": "error", "error": "no"},
    {"type": "error", "error": {"message": 5}}, {"type": "error", "error": {"code": ["x"]}},
    {"type": "response.created", "response": "r"}, {"type": "response.created"},
    {"type": "response.done", "response": None},
    {"type": "response.done", "response": {"status": 1}},
    {"type": "response.done", "response": {"status": "failed", "status_details": "x"}},
    {"type": "response.done", "response": {"status": "completed", "output": {"a": 1}}},
    {"type": "response.done", "response": {"status": "completed", "output": [None]}},
    {"type": "response.done", "response": {"output": [{"type": "function_call", "name": 1}]}},
    {"type": "response.output_text.delta", "delta": 7},
    {"type": "response.output_audio.delta", "delta": "no base64!"},
    {"type": "response.output_audio.delta"},
    {"type": "input_audio_buffer.speech_started", "item_id": "i", "audio_start_ms": "soon"},
    {"type": "input_audio_buffer.speech_started", "item_id": "i", "audio_start_ms": 1e300},
    {"type": "input_audio_buffer.speech_started", "item_id": 5, "audio_start_ms": 1},
    {"type": "input_audio_buffer.speech_started", "item_id": "i", "audio_start_ms": -1},
    {"type": "input_audio_buffer.speech_stopped", "item_id": "i"},
    {"type": f"{HEARD}.completed", "item_id": "i"},
    {"type": f"{HEARD}.completed", "item_id": "i", "transcript": None},
    {"type": f"{HEARD}.segment", "item_id": "i", "text": "x", "start": "0", "end": 1},
    {"type": f"{HEARD}.failed", "item_id": "i", "error": "x"},
]  # fmt: skip
RAW = ['{"type":"error","error":{"message":"\\ud800"}}', '{"type":NaN}', '{"type":"a\x00"}']


@pytest.mark.parametrize("command", ["talk", "transcribe"])
@pytest.mark.parametrize("frame", [*map(json.dumps, FRAMES), *RAW])
def test_X7_an_event_of_another_shape_is_a_sentence_and_no_traceback(
    tmp_path: Path, command: str, frame: str
) -> None:
    async def server(socket: ServerConnection) -> None:
        await socket.send('{"type":"session.created"}')
        await socket.recv()
        await socket.send('{"type":"session.updated"}')
        await socket.send(frame)
        with suppress(ConnectionClosed):
            async for _ in socket:
                pass

    (tmp_path / "silence.pcm").write_bytes(bytes(48))
    words = ["--text", "hi"] if command == "talk" else [str(tmp_path / "silence.pcm")]
    done = ask_beside(server, command, *words)
    assert "Traceback" not in done.stderr
    assert done.exit_code == 1, done.stderr
    assert "error: " in done.stderr
    assert "the server sent" in done.stderr


def test_X7_a_hostile_answer_is_printed_without_commands() -> None:
    evil = "\x1b]52;c;eA==\x07\x9b2J\u202e\nerror: forged"

    async def server(socket: ServerConnection) -> None:
        await socket.send('{"type":"session.created"}')
        await socket.recv()
        call = {"type": "function_call", "name": evil, "arguments": evil}
        for event in (
            {"type": "session.updated"},
            {"type": f"x{evil}"},
            {"type": "response.output_text.delta", "delta": evil},
            {"type": f"{HEARD}.completed", "transcript": evil},
            {"type": "response.done", "response": {
                "status": evil, "output": [call], "status_details": {"error": {"message": evil}}}},
        ):  # fmt: skip
            await socket.send(json.dumps(event))
        with suppress(ConnectionClosed):
            async for _ in socket:
                pass

    done = ask_beside(server, "talk", "--text", "hi")
    told = done.stdout + done.stderr
    assert "forged" in told
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(told)
    assert not any(line.startswith("error: forged") for line in told.splitlines())


def ask_beside(
    server: Callable[[ServerConnection], Awaitable[None]], command: str, *words: str
) -> Any:  # noqa: ANN401
    """Run a command in this thread, which gets signals, and the server in another."""
    port: Future[int] = Future()
    stopped = threading.Event()

    async def run() -> None:
        async with serve(server, "localhost", 0, select_subprotocol=lambda *_: None) as served:
            port.set_result(next(iter(served.sockets)).getsockname()[1])
            await asyncio.to_thread(stopped.wait)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        url = f"ws://localhost:{port.result(10)}"
        return CliRunner().invoke(app, [command, *words, "--url", url])
    finally:
        stopped.set()
        thread.join()
