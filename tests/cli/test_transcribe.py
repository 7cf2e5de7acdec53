"""`vivavoce transcribe`: recordings and live audio, with a real server and with difficult ones."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import struct
import subprocess
import sys
import time
import wave
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner
from websockets.asyncio.server import ServerConnection, serve

from vivavoce.cli import transcription_client
from vivavoce.cli.main import app

from ..support.served import ASSISTANTS, Served
from ..support.sounds import noise, spoken

FAILED, USAGE, UNREACHABLE, REFUSED = 1, 2, 3, 4

SENTENCES = ("keynote_rms", "registration_slt", "thanks_rms")
PAUSE = noise(900, -60)


def transcribe(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["transcribe", *arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


def write_wav(path: Path, pcm: bytes, rate: int = 24_000, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, rate, 0, "NONE", ""))
        file.writeframes(pcm)
    return path


def here(served: Served) -> list[str]:
    return ["--data-dir", str(served.data), "--assistant", "charlotte"]


# A real server


@pytest.mark.parametrize("sentences", [13, pytest.param(38, marks=pytest.mark.long)])
def test_a_meeting_takes_less_time_than_it_plays(
    served: Served, tmp_path: Path, sentences: int
) -> None:
    said = [SENTENCES[i % 3] for i in range(sentences)]
    pcm = b"".join(PAUSE * (3 if i % 5 == 0 else 1) + spoken(n) for i, n in enumerate(said))
    plays_s = len(pcm) / 48_000
    assert plays_s > sentences * 3
    file, out = write_wav(tmp_path / "meeting.wav", pcm), tmp_path / "meeting.srt"
    began = time.monotonic()
    status, _, told = transcribe(str(file), "--format", "srt", "--out", str(out), *here(served))
    assert status == 0, told
    assert time.monotonic() - began < plays_s * 0.8
    cues = [cue.splitlines() for cue in out.read_text().strip().split("\n\n")]
    assert [int(number) for number, _, _ in cues] == list(range(1, sentences + 1))
    for word, name in (("keynote", "keynote_rms"), ("registration", "registration_slt")):
        assert sum(word in text for _, _, text in cues) >= said.count(name) - 1
    times = [
        [sum(int(part) * size for part, size in zip(re.split("[:,]", edge), SIZES, strict=True))
         for edge in line.split(" --> ")] for _, line, _ in cues
    ]  # fmt: skip
    assert all(start < end for start, end in times)
    assert all(one[1] <= other[0] for one, other in pairwise(times))
    assert abs(times[-1][1] - len(pcm) // 48) < 1_000


SIZES = (3_600_000, 60_000, 1_000, 1)


def test_a_stereo_recording_of_any_rate_as_json(served: Served, tmp_path: Path) -> None:
    left = spoken("keynote_rms", 44_100)
    both = b"".join(left[i : i + 2] * 2 for i in range(0, len(left), 2))
    file = write_wav(tmp_path / "stereo.wav", both, 44_100, 2)
    status, printed, _ = transcribe(str(file), "--json", *here(served))
    assert status == 0
    told = json.loads(printed)
    assert "keynote" in told["text"]
    (segment,) = told["segments"]
    assert 0 <= segment["start"] < 0.5 < segment["end"] <= told["duration"]
    assert abs(told["duration"] - len(left) / 88_200) < 0.05


@pytest.mark.parametrize(("rate", "warnings"), [(8_000, 1), (16_000, 0)])
def test_a_recording_of_few_samples_is_warned_of_once(
    served: Served, tmp_path: Path, rate: int, warnings: int
) -> None:
    file = write_wav(tmp_path / "telephone.wav", bytes(2 * rate), rate)
    status, printed, told = transcribe(str(file), *here(served))
    assert (status, printed) == (0, "")
    assert told.count(f"warning: this recording has {rate} samples per second") == warnings


def test_a_model_that_tells_voices_apart_names_them(served: Served, tmp_path: Path) -> None:
    file = tmp_path / "one.raw"
    file.write_bytes(PAUSE + spoken("keynote_rms"))
    options = ["--format", "vtt", "--model", "any-diarize", *here(served)]
    status, printed, _ = transcribe(str(file), *options)
    assert status == 0
    assert printed.startswith("WEBVTT\n\n")
    assert "<v A>when does the keynote start" in printed


def listen_live(served: Served, *more: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "vivavoce", "transcribe", "-", *here(served), *more],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=served.environ,
    )  # fmt: skip


@pytest.mark.parametrize(("format", "subtype"), [("MP3", "MPEG_LAYER_III"), ("OGG", "OPUS")])
def test_F2_compressed_recording_is_transcribed_by_file_and_by_pipe(
    served: Served, tmp_path: Path, format: str, subtype: str
) -> None:
    file = tmp_path / "recording.bin"
    samples = np.frombuffer(PAUSE + spoken("keynote_rms") + PAUSE, "<i2")
    soundfile.write(str(file), samples, 24_000, format=format, subtype=subtype)
    status, printed, told = transcribe(str(file), *here(served))
    assert status == 0, told
    assert "keynote" in printed
    with listen_live(served) as process:
        printed_live, _ = process.communicate(file.read_bytes(), timeout=60)
    assert process.returncode == 0
    assert b"keynote" in printed_live


def test_F1_live_wav_without_a_size_is_written_down_line_by_line(served: Served) -> None:
    header = b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 24_000, 48_000, 2, 16)
    with listen_live(served) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(header + b"data\0\0\0\0" + PAUSE + spoken("keynote_rms") + PAUSE)
        process.stdin.flush()
        assert b"keynote" in process.stdout.readline()
        process.stdin.close()
        assert process.wait(30) == 0


def test_a_live_microphone_is_written_down_line_by_line(served: Served) -> None:
    """The first line is there while the microphone is still open."""
    with listen_live(served) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(PAUSE + spoken("keynote_rms") + PAUSE)
        process.stdin.flush()
        assert b"keynote" in process.stdout.readline()
        process.stdin.write(spoken("registration_slt"))
        process.stdin.close()
        assert b"registration" in process.stdout.readline()
        assert process.wait(30) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl+C is another thing there")
def test_ctrl_c_ends_the_sound_and_not_the_words(served: Served) -> None:
    with listen_live(served) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(PAUSE + spoken("keynote_rms") + PAUSE + spoken("registration_slt"))
        process.stdin.flush()
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(30) == 0
        assert b"keynote" in first
        assert b"Traceback" not in (process.stderr.read() if process.stderr else b"")
        assert b"where" in rest


def test_closed_output_pipe_does_not_fail_the_command(served: Served) -> None:
    with listen_live(served) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(PAUSE + spoken("keynote_rms") + PAUSE)
        process.stdin.flush()
        process.stdout.readline()
        process.stdout.close()
        process.stdin.write(spoken("registration_slt") + PAUSE)
        process.stdin.close()
        assert process.wait(30) == 0
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()


def test_silence_gives_an_empty_transcript(served: Served, tmp_path: Path) -> None:
    file = write_wav(tmp_path / "silence.wav", bytes(48_000))
    status, printed, told = transcribe(str(file), *here(served))
    assert (status, printed) == (0, "")
    assert "1.0 s of audio, 0 words" in told


def test_failed_utterance_is_reported_with_its_time(served: Served, tmp_path: Path) -> None:
    """The embedded recogniser understands English only."""
    file = write_wav(tmp_path / "it.wav", PAUSE + spoken("keynote_rms") + PAUSE)
    status, printed, told = transcribe(str(file), "--language", "it", *here(served))
    assert (status, printed) == (FAILED, "")
    assert "English only" in told
    assert re.search(r"at 0\.\d s:", told)


def test_empty_pipe_is_an_error(served: Served) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "vivavoce", "transcribe", "-", "--data-dir", str(served.data)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert process.returncode == FAILED
    assert "Standard input was empty." in process.stderr


# Where it cannot be


def test_refused_client_exits_with_4(served: Served, tmp_path: Path) -> None:
    file = write_wav(tmp_path / "a.wav", bytes(4_800))
    status, _, told = transcribe(str(file), "--url", served.url, "--key", "vv_wrong")
    assert status == REFUSED
    assert "Incorrect API key" in told


def test_unknown_assistant_error_lists_the_known_ones(served: Served, tmp_path: Path) -> None:
    file = write_wav(tmp_path / "a.wav", bytes(4_800))
    asked = [str(file), "--assistant", "nobody", "--data-dir", str(served.data)]
    status, _, told = transcribe(*asked)
    assert status == REFUSED
    assert f"There is no assistant named 'nobody'. Known here are: {ASSISTANTS}" in told


def test_unreachable_server_exits_with_3(tmp_path: Path) -> None:
    file = write_wav(tmp_path / "a.wav", bytes(4_800))
    assert transcribe(str(file), "--url", "http://localhost:1")[0] == UNREACHABLE
    assert transcribe(str(file), "--data-dir", str(tmp_path))[0] == UNREACHABLE


@pytest.mark.parametrize(
    ("name", "data", "complaint"),
    [
        ("notes.txt", b"When does it start?", "no recording that can be read"),
        ("song.m4a", b"\0\0\0\x20ftypM4A ", "ffmpeg"),
    ],
)
def test_file_without_audio_is_a_usage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, data: bytes, complaint: str
) -> None:
    monkeypatch.setenv("PATH", "")  # without ffmpeg
    (tmp_path / name).write_bytes(data)
    status, _, told = transcribe(str(tmp_path / name), "--url", "http://localhost:1")
    assert status == USAGE
    assert complaint in told


def test_unknown_format_error_lists_the_known_ones(tmp_path: Path) -> None:
    status, _, told = transcribe("a.wav", "--format", "doc", "--url", "http://localhost:1")
    assert status == USAGE
    assert "'doc' is not one of text, srt, vtt, json." in told
    assert "Value error" not in told


def test_missing_input_file_and_missing_output_folder_are_usage_errors(tmp_path: Path) -> None:
    assert transcribe("[/nowhere].wav", "--url", "http://localhost:1")[0] == USAGE
    file = write_wav(tmp_path / "a.wav", bytes(4_800))
    out = str(tmp_path / "no" / "notes.txt")
    assert transcribe(str(file), "--out", out, "--url", "http://localhost:1")[0] == USAGE


def test_a_broken_recording_is_a_mistake_of_usage(served: Served, tmp_path: Path) -> None:
    file = tmp_path / "broken.wav"
    file.write_bytes(b"RIFF\x00\x00\x00\x00WAVEnonsense")
    status, _, told = transcribe(str(file), *here(served))
    assert status == USAGE
    assert "broken.wav: this WAV file ends within its header." in told


# Difficult servers

Story = Callable[[ServerConnection], Awaitable[None]]
_HEARD = "conversation.item.input_audio_transcription"


async def follow(story: Story, file: Path, *arguments: str) -> tuple[int, str, str]:
    async with serve(story, "localhost", 0, select_subprotocol=lambda *_: None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "vivavoce", "transcribe", str(file), *arguments,
            "--url", f"http://localhost:{port}", env=dict(os.environ),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        printed, complaint = await process.communicate()
        assert b"Traceback" not in complaint, complaint.decode()
        return process.returncode or 0, printed.decode(), complaint.decode()


async def say(socket: ServerConnection, kind: str, **fields: object) -> None:
    await socket.send(json.dumps({"type": kind, **fields}))


async def welcome(socket: ServerConnection) -> dict[str, object]:
    """Open the session, and return the client's first event."""
    await say(socket, "session.created", session={})
    asked: dict[str, object] = json.loads(await socket.recv())
    await say(socket, "session.updated", session={})
    return asked


async def utter(socket: ServerConnection, item: str, at_ms: int, text: str | None) -> None:
    """Send the events of half a second of speech. `text` None: without a transcript."""
    await say(socket, "input_audio_buffer.speech_started", item_id=item, audio_start_ms=at_ms)
    await say(socket, "input_audio_buffer.speech_stopped", item_id=item, audio_end_ms=at_ms + 500)
    await say(socket, "input_audio_buffer.committed", item_id=item, previous_item_id=None)
    if text is not None:
        await say(socket, f"{_HEARD}.completed", item_id=item, content_index=0, transcript=text)


def test_any_realtime_server_is_asked_as_the_protocol_says(tmp_path: Path) -> None:
    file = write_wav(tmp_path / "a.wav", bytes(48_000))
    asked: list[object] = []

    async def story(socket: ServerConnection) -> None:
        assert socket.request is not None
        asked.append(socket.request.path)
        asked.append(await welcome(socket))
        await utter(socket, "a", 0, "ciao")
        async for data in socket:
            if json.loads(data)["type"] == "session.update":
                await say(socket, "session.updated", session={})

    status, printed, _ = asyncio.run(follow(story, file, "--language", "it", "--model", "m"))
    assert (status, printed) == (0, "ciao\n")
    assert asked == [
        "/v1/realtime?intent=transcription&language=it",
        {"type": "session.update", "session": {
            "type": "transcription",
            "audio": {"input": {"transcription": {"model": "m", "language": "it"},
                                "turn_detection": {"type": "server_vad"}}}}},
    ]  # fmt: skip


def test_early_close_keeps_the_transcript_until_then(tmp_path: Path) -> None:
    file, out = write_wav(tmp_path / "a.wav", bytes(480_000)), tmp_path / "notes.txt"

    async def story(socket: ServerConnection) -> None:
        await welcome(socket)
        await utter(socket, "a", 0, "so far so good")
        await socket.close(1011, "oh")

    status, _, told = asyncio.run(follow(story, file, "--out", str(out)))
    assert status == FAILED
    assert "closed the connection" in told
    assert out.read_text() == "so far so good\n"


def test_refused_session_is_reported_with_its_reason(tmp_path: Path) -> None:
    file = write_wav(tmp_path / "a.wav", bytes(4_800))

    async def story(socket: ServerConnection) -> None:
        await say(socket, "session.created", session={})
        await socket.recv()
        await say(socket, "error", error={"message": "No such [model]."})
        await socket.wait_closed()

    status, _, told = asyncio.run(follow(story, file))
    assert status == FAILED
    assert "No such [model]." in told


def test_unfinished_speech_at_the_end_is_committed(tmp_path: Path) -> None:
    file = write_wav(tmp_path / "a.wav", bytes(96_000))

    async def story(socket: ServerConnection) -> None:
        await welcome(socket)
        await say(socket, "input_audio_buffer.speech_started", item_id="a", audio_start_ms=100)
        async for data in socket:
            match json.loads(data)["type"]:
                case "session.update":
                    await say(socket, "session.updated", session={})
                case "input_audio_buffer.commit":
                    await say(socket, "input_audio_buffer.committed", item_id="a")
                    await say(socket, f"{_HEARD}.completed", item_id="a", transcript="the end")

    status, printed, _ = asyncio.run(follow(story, file, "--format", "srt"))
    assert status == 0
    assert printed == "1\n00:00:00,100 --> 00:00:02,000\nthe end\n\n"


def test_client_sends_no_audio_while_eight_transcripts_are_missing(tmp_path: Path) -> None:
    """The client waits for transcripts, even if the server reads all audio at once."""
    file = write_wav(tmp_path / "a.wav", bytes(48_000 * 60))
    sounds: list[int] = []

    async def story(socket: ServerConnection) -> None:
        await welcome(socket)
        came = 0
        for n in range(transcription_client.AWAITED):
            await utter(socket, f"item_{n}", n * 1_000, None)
        try:
            while True:
                async with asyncio.timeout(1.0):
                    came += json.loads(await socket.recv())["type"].endswith("append")
        except TimeoutError:
            sounds.append(came)
        for n in range(transcription_client.AWAITED):
            await say(socket, f"{_HEARD}.completed", item_id=f"item_{n}", transcript="x")
        async for data in socket:
            came += json.loads(data)["type"].endswith("append")
            if json.loads(data)["type"] == "session.update":
                await say(socket, "session.updated", session={})
        sounds.append(came)

    status, printed, _ = asyncio.run(follow(story, file))
    assert (status, printed) == (0, "x\n" * transcription_client.AWAITED)
    held, whole = sounds
    assert held < whole == 615  # a minute and the silence after it


def test_silent_server_times_out(
    monkeypatch: pytest.MonkeyPatch, served: Served, tmp_path: Path
) -> None:
    monkeypatch.setattr(transcription_client, "ANSWER_TIMEOUT_S", 0.0)
    file = write_wav(tmp_path / "a.wav", bytes(48_000))
    status, _, told = transcribe(str(file), *here(served))
    assert status == FAILED
    assert "does not answer" in told
