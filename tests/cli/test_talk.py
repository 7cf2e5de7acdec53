"""`vivavoce talk`: a whole turn with a server, and how it ends where there is none."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import wave
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner
from websockets.asyncio.server import ServerConnection, serve

from vivavoce.cli import talk_client as turns
from vivavoce.cli.main import app

from ..support.served import ASSISTANTS, TAKES_ALL, Served
from ..support.served import serve as serve_here

FAILED, UNREACHABLE, REFUSED = 1, 3, 4


def talk(*arguments: str) -> tuple[int, dict[str, Any], str]:
    done = CliRunner().invoke(app, ["talk", *arguments, "--json"])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    told = json.loads(done.stdout) if done.stdout.strip() else {}
    return done.exit_code, told, done.stderr


def test_a_typed_turn(served: Served, key: str) -> None:
    status, told, _ = talk("--text", "Hello there.", "--url", served.url, "--key", key,
                           "--assistant", "echo")  # fmt: skip
    assert status == 0
    assert (told["status"], told["error"]) == ("completed", None)
    assert told["answer"]
    assert told["events"][0]["type"] == "session.created"


def test_key_in_the_environment_is_used_for_the_local_server(
    served: Served, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIVAVOCE_API_KEY", key)
    status, told, _ = talk("--text", "Hello.", "--assistant", "nobody",
                           "--data-dir", str(served.data))  # fmt: skip
    assert status == REFUSED
    assert told["error"]["code"] == "assistant_not_found"


def test_unknown_assistant_error_lists_the_known_ones(served: Served) -> None:
    asked = ["talk", "--text", "Hello.", "--assistant", "nobody", "--data-dir", str(served.data)]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == REFUSED
    assert "error: No answer: There is no assistant named 'nobody'. Known here are: " in done.stderr
    assert ASSISTANTS in done.stderr


def told_of(served: Served, name: str, engine: str) -> str:
    """Return the error for an assistant whose folder was added after the server started."""
    folder = served.data / "assistants" / name
    folder.mkdir()
    (folder / "assistant.toml").write_text(f'name = "{name}"\nengine = "{engine}"\n')
    asked = ["talk", "--text", "Hello.", "--assistant", name, "--data-dir", str(served.data)]
    told = CliRunner().invoke(app, asked).stderr
    shutil.rmtree(folder)
    return told


def test_assistant_added_after_the_start_needs_a_restart(served: Served) -> None:
    assert "when the server is restarted" in told_of(served, "late", "scripted")


def test_assistant_with_mistakes_is_reported_with_their_number(served: Served) -> None:
    told = told_of(served, "flawed", "steam")
    assert "There is no assistant named 'flawed'. It has 1 mistake: " in told
    folder = served.data / "assistants/flawed"
    assert f"assistants check {folder} --data-dir {served.data}" in told


def test_default_assistant_added_after_the_start_needs_a_restart(tmp_path: Path) -> None:
    with serve_here(tmp_path, VIVAVOCE_CALLS__DEFAULT_ASSISTANT="late", **TAKES_ALL):
        folder = tmp_path / "assistants/late"
        folder.mkdir()
        (folder / "assistant.toml").write_text('name = "late"\nengine = "scripted"\n')
        asked = ["talk", "--text", "Hello.", "--data-dir", str(tmp_path)]
        told = CliRunner().invoke(app, asked).stderr
    assert "There is no assistant named 'late'. It is in the folder" in told
    assert "when the server is restarted" in told
    assert "charlotte" not in told


def test_greeting_is_not_taken_for_the_answer(served: Served, tmp_path: Path) -> None:
    """Charlotte greets callers with a client secret, and this command has one."""
    file = tmp_path / "answer.wav"
    status, told, _ = talk("--text", "When does the keynote start?", "--assistant", "charlotte",
                           "--data-dir", str(served.data), "--out", str(file))  # fmt: skip
    assert status == 0
    assert "9:30" in told["answer"]
    assert "Welcome" not in told["answer"]
    if told["audio_ms"]:
        with wave.open(str(file)) as sound:
            assert sound.getnframes() * 1000 // sound.getframerate() == told["audio_ms"]


def test_refused_client_exits_with_4(served: Served) -> None:
    status, told, _ = talk("--text", "hi", "--url", served.url, "--key", "vv_wrong")
    assert status == REFUSED
    assert told["error"]["code"] == "invalid_api_key"


@pytest.mark.parametrize("url", ["http://localhost:1", "ws://localhost:1/v1"])
def test_unreachable_server_exits_with_3(url: str) -> None:
    status, _, complaint = talk("--text", "hi", "--url", url)
    assert status == UNREACHABLE
    assert "cannot be reached" in complaint


def test_data_folder_without_a_server_exits_with_3(tmp_path: Path) -> None:
    status, _, complaint = talk("--text", "hi", "--data-dir", str(tmp_path))
    assert status == UNREACHABLE
    assert "vivavoce serve" in complaint


@pytest.mark.parametrize("url", ["localhost:8080", "http://", "ftp://x"])
def test_invalid_url_is_a_usage_error(url: str) -> None:
    assert talk("--text", "hi", "--url", url)[0] == 2


def test_file_without_audio_is_a_usage_error(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("When does the keynote start?")
    status, _, complaint = talk(str(text), "--url", "http://localhost:1")
    assert status == 2
    assert "no recording that can be read" in complaint


def test_call_uses_the_requested_language(served: Served) -> None:
    status, told, _ = talk("--text", "Quando comincia la keynote?", "--assistant", "charlotte",
                           "--language", "it", "--data-dir", str(served.data))  # fmt: skip
    assert status == 0
    assert "9:30" in told["answer"]
    assert "The keynote" not in told["answer"]


def test_text_is_answered_in_text_unless_out_is_given(
    served: Served, key: str, tmp_path: Path
) -> None:
    typed = ["--text", "When does the keynote start?", "--url", served.url, "--key", key]
    _, told, _ = talk(*typed)
    assert "9:30" in told["answer"]
    assert told["audio_ms"] == 0
    assert "response.output_text.delta" in {event["type"] for event in told["events"]}
    _, told, _ = talk(*typed, "--out", str(tmp_path / "answer.wav"))
    assert told["audio_ms"] > 1_000
    assert "9:30" in told["answer"]


def test_terminal_shows_one_line_for_each_run_of_deltas(served: Served) -> None:
    done = CliRunner().invoke(
        app, ["talk", "--text", "When does the keynote start?", "--data-dir", str(served.data)]
    )
    assert done.exit_code == 0, done.stderr
    assert "answer: The keynote starts on Wednesday" in done.stdout
    lines = [line.split()[-1] for line in done.stderr.splitlines()]
    deltas = [line for line in lines if line.endswith(".delta")]
    assert 0 < len(deltas) <= 6


def test_missing_file_is_a_usage_error() -> None:
    assert talk("[/nowhere].wav", "--url", "http://localhost:1")[0] == 2


Story = Callable[[ServerConnection], Awaitable[None]]


async def talk_with(story: Story, *arguments: str) -> tuple[int, dict[str, Any]]:
    """With a server that behaves as the story says."""
    async with serve(story, "localhost", 0, select_subprotocol=lambda *_: None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "vivavoce", "talk", *arguments, "--json",
            "--url", f"http://localhost:{port}", env=dict(os.environ),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        printed, complaint = await process.communicate()
        assert b"Traceback" not in complaint, complaint.decode()
        return process.returncode or 0, json.loads(printed)


def test_early_close_is_a_failure() -> None:
    async def story(socket: ServerConnection) -> None:
        await socket.send('{"type":"session.created","session":{}}')
        await socket.close(1011, "oh")

    status, told = asyncio.run(talk_with(story, "--text", "hi"))
    assert status == FAILED
    assert told["close"] == [1011, "oh"]


def test_refused_session_is_reported_at_once_with_its_reason() -> None:
    async def story(socket: ServerConnection) -> None:
        await socket.send('{"type":"session.created","session":{}}')
        await socket.recv()
        await socket.send('{"type":"error","error":{"message":"Not that [way]."}}')
        await socket.wait_closed()

    status, told = asyncio.run(talk_with(story, "--text", "hi"))
    assert status == FAILED
    assert told["error"]["message"] == "Not that [way]."


def test_empty_response_is_a_failure() -> None:
    async def story(socket: ServerConnection) -> None:
        await socket.send('{"type":"session.created","session":{}}')
        await socket.recv()
        await socket.send('{"type":"session.updated","session":{}}')
        await socket.recv()
        await socket.send('{"type":"response.done","response":{"id":"r","status":"completed"}}')
        await socket.wait_closed()

    assert asyncio.run(talk_with(story, "--text", "hi"))[0] == FAILED


async def call_a_tool(socket: ServerConnection) -> None:
    await socket.send('{"type":"session.created","session":{}}')
    await socket.recv()
    await socket.send('{"type":"session.updated","session":{}}')
    await socket.recv()
    await socket.send('{"type":"response.created","response":{"id":"one"}}')
    call = '{"type":"function_call","name":"roll_dice","arguments":"{}"}'
    done = f'{{"id":"one","status":"completed","output":[{call}]}}'
    await socket.send(f'{{"type":"response.done","response":{done}}}')


def test_answer_is_the_response_after_the_output_of_a_server_tool() -> None:
    async def story(socket: ServerConnection) -> None:
        await call_a_tool(socket)
        await socket.send('{"type":"response.created","response":{"id":"two"}}')
        text = '{"type":"response.output_text.delta","response_id":"two","delta":"A five."}'
        await socket.send(text)
        await socket.send('{"type":"response.done","response":{"id":"two","status":"completed"}}')
        await socket.wait_closed()

    status, told = asyncio.run(talk_with(story, "--text", "roll"))
    assert (status, told["answer"], told["status"]) == (0, "A five.", "completed")
    assert told["calls"] == [{"name": "roll_dice", "arguments": "{}"}]


def test_turn_ends_when_no_output_of_a_tool_comes() -> None:
    async def story(socket: ServerConnection) -> None:
        await call_a_tool(socket)
        await socket.wait_closed()

    status, told = asyncio.run(talk_with(story, "--text", "roll", "--tool-wait", "0.1"))
    assert (status, told["answer"], told["error"]) == (0, "", None)
    assert [call["name"] for call in told["calls"]] == ["roll_dice"]


def test_F4_recording_without_speech_is_named_at_its_end(
    monkeypatch: pytest.MonkeyPatch, served: Served, key: str, tmp_path: Path
) -> None:
    monkeypatch.setattr(turns, "HEARD_WITHIN_S", 0.3)
    silence = tmp_path / "silence.wav"
    with wave.open(str(silence), "wb") as sound:
        sound.setparams((1, 2, 24_000, 0, "NONE", ""))
        sound.writeframes(bytes(48_000))
    status, told, _ = talk(str(silence), "--url", served.url, "--key", key, "--assistant", "echo")
    assert status == FAILED
    assert told["error"] == {
        "code": "no_speech",
        "message": "Nobody spoke in this recording: the server detected no speech.",
    }


def test_F4_empty_recording_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "empty.raw").write_bytes(b"")
    status, _, complaint = talk(str(tmp_path / "empty.raw"), "--url", "http://localhost:1")
    assert status == 2
    assert "empty.raw: this recording is empty." in complaint


@pytest.mark.long
def test_silent_server_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "ANSWER_TIMEOUT_S", 0.3)

    async def story(socket: ServerConnection) -> None:
        await socket.wait_closed()

    status, told = asyncio.run(talk_with(story, "--text", "hi"))
    assert status == FAILED
    assert told["error"]["code"] == "timeout"
