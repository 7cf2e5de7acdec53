"""Recordings that the program `ffmpeg` decodes, and what it may do."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
from itertools import islice
from pathlib import Path

import numpy as np
import psutil
import pytest

from vivavoce.audio.pcm import SAMPLE_RATE
from vivavoce.cli import audio_file
from vivavoce.cli.wav import UnsupportedAudioError

from .test_audio_file import Pipe

M4A_HEAD = b"\0\0\0\x20ftypM4A \0\0\0\0"
FFMPEG = shutil.which("ffmpeg")
real = [pytest.mark.long, pytest.mark.skipif(not FFMPEG, reason="ffmpeg is not installed")]

CODECS = {
    "voice.m4a": ["-c:a", "aac"],
    "voice.mp4": ["-c:a", "alac", "-movflags", "+faststart"],
    "voice.webm": ["-c:a", "libopus"],
    "voice.mka": ["-c:a", "flac"],
    "voice.wma": ["-c:a", "wmav2"],
}


def recorded(folder: Path, name: str, channels: str = "0.3*sin(2*PI*440*t)") -> bytes:
    """Return two seconds of 440 Hz at 44.1 kHz, as this type of file."""
    path = folder / name
    sound = f"aevalsrc={channels}:d=2:s=44100" + (
        "" if name != "voice.webm" else ",aresample=48000"
    )
    command = [str(FFMPEG), "-v", "error", "-y", "-f", "lavfi", "-i", sound, *CODECS[name]]
    subprocess.run([*command, str(path)], check=True, timeout=60)
    return path.read_bytes()


def loudest_hz(pcm: bytes) -> float:
    """Return the frequency with the most power."""
    heard = np.frombuffer(pcm, "<i2").astype(np.float64)
    return float(np.argmax(np.abs(np.fft.rfft(heard))) * SAMPLE_RATE / len(heard))


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a program named `ffmpeg` of our own on the path. Write its script."""
    folder = tmp_path / "bin"
    folder.mkdir()
    path = folder / "ffmpeg"
    path.touch(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return path


# With the real program


class TestRecordings:
    pytestmark = real

    @pytest.mark.parametrize("name", CODECS)
    def test_a_recording_is_decoded_from_a_file_and_from_a_pipe(
        self, tmp_path: Path, name: str
    ) -> None:
        data = recorded(tmp_path, name)
        for pcm in (audio_file.read(data), b"".join(audio_file.pieces(Pipe(data, 700)))):
            assert len(pcm) / 2 / SAMPLE_RATE == pytest.approx(2, abs=0.2)
            assert loudest_hz(pcm) == pytest.approx(440, abs=2)

    def test_channels_that_cancel_each_other_are_heard(self, tmp_path: Path) -> None:
        opposite = "0.3*sin(2*PI*440*t)|-0.3*sin(2*PI*440*t)"
        pcm = audio_file.read(recorded(tmp_path, "voice.m4a", opposite))
        assert loudest_hz(pcm) == pytest.approx(440, abs=2)
        assert np.abs(np.frombuffer(pcm, "<i2")).max() > 3_000

    @pytest.mark.parametrize("kept", [20, 9_000])
    def test_a_recording_that_is_cut_is_refused_with_a_reason(
        self, tmp_path: Path, kept: int
    ) -> None:
        data = recorded(tmp_path, "voice.m4a")  # its index is at the end
        with pytest.raises(UnsupportedAudioError, match="cannot be read: ") as refused:
            audio_file.read(data[:kept])
        assert str(tmp_path) not in str(refused.value)
        assert "/recording" not in str(refused.value)

    def test_the_length_of_such_a_file_is_not_guessed(self, tmp_path: Path) -> None:
        recorded(tmp_path, "voice.m4a")
        assert audio_file.length_ms(tmp_path / "voice.m4a") is None

    def test_a_playlist_in_a_recording_opens_nothing(self, tmp_path: Path) -> None:
        """A file that begins as MP4 is read as MP4, whatever else it contains."""
        playlist = b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n"
        with pytest.raises(UnsupportedAudioError, match="cannot be read"):
            audio_file.read(M4A_HEAD + playlist)


# With a program of our own


def test_ffmpeg_gets_no_secret_of_this_process(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program.write_text('#!/bin/sh\nenv > "$0.environment"\necho no audio here >&2\nexit 1\n')
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("VIVAVOCE_API_KEY", "vv_secret")
    with pytest.raises(UnsupportedAudioError, match=r"cannot be read: no audio here$"):
        audio_file.read(M4A_HEAD)
    environment = Path(f"{program}.environment").read_text()
    assert "PATH=" in environment
    assert not [key for key in ("sk-secret", "vv_secret", "API_KEY") if key in environment]


def test_ffmpeg_ends_when_the_rest_is_not_wanted(program: Path) -> None:
    header = audio_header()
    (program.parent / "header").write_bytes(header)
    program.write_text(
        f'#!/bin/sh\necho $$ > "$0.pid"\ncat {program.parent}/header\nexec cat /dev/zero\n'
    )
    pieces = audio_file.pieces(io.BufferedReader(io.BytesIO(M4A_HEAD)))
    assert len(list(islice(pieces, 3))) == 3
    pieces.close()
    assert not psutil.pid_exists(int(Path(f"{program}.pid").read_text()))


def audio_header() -> bytes:
    """Return the header of a WAV file without an end, as a pipe gets it."""
    size = b"\xff\xff\xff\xff"
    described = b"\1\0\1\0" + (48_000).to_bytes(4, "little") + (96_000).to_bytes(4, "little")
    return b"RIFF" + size + b"WAVEfmt \x10\0\0\0" + described + b"\2\0\x10\0data" + size


def test_without_ffmpeg_such_a_file_is_refused_by_its_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    for head, name in ((M4A_HEAD, "MP4 or M4A"), (b"\x1aE\xdf\xa3" + bytes(30), "WebM")):
        with pytest.raises(UnsupportedAudioError, match=name) as refused:
            audio_file.read(head)
        assert "Install ffmpeg" in str(refused.value)
