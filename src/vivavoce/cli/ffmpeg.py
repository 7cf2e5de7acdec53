"""Decode recordings that libsndfile does not know, by the program `ffmpeg` if it is installed.

It runs as a process of its own and gives WAV. Nothing of FFmpeg is loaded into this program
(docs/decisions/ffmpeg.md). It may read the file and nothing else, and gets no variable of this
process but those that it needs to start.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ..child_environment import kept_variables
from .wav import UnsupportedAudioError

RATE = 48_000  # samples per second of what it gives: no codec of these files has more speech
LONGEST_REASON = 200  # characters of its last line


def find() -> str | None:
    """Return the program's path. None: it is not installed."""
    return shutil.which("ffmpeg")


@contextmanager
def decoded(program: str, source: IO[bytes], demuxer: str) -> Generator[IO[bytes]]:
    """Run it on the file, and yield the WAV that it writes. It is ended with the context.

    `demuxer` is the only format that it tries. Raises `UnsupportedAudioError` at the end of the
    audio if it could not read the file.
    """
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as errors:
        path = Path(folder, "recording")  # a pipe would not do: it must seek in MP4
        with path.open("wb") as copy:
            shutil.copyfileobj(source, copy)
        with subprocess.Popen(
            _command(program, path, demuxer),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=kept_variables(),
        ) as process:
            assert process.stdout is not None
            try:
                yield process.stdout
                failed = process.wait() != 0
            finally:
                process.kill()
        if failed:
            raise UnsupportedAudioError(f"this recording cannot be read: {_reason(errors, path)}")


def _command(program: str, path: Path, demuxer: str) -> list[str]:
    # The first audio track, with all its channels: the reader mixes them.
    return [
        program, "-nostdin", "-hide_banner", "-loglevel", "error",
        "-protocol_whitelist", "file,pipe", "-f", demuxer, "-i", str(path),
        "-map", "0:a:0", "-map_metadata", "-1", "-fflags", "+bitexact",
        "-ar", str(RATE), "-c:a", "pcm_s16le", "-f", "wav", "pipe:1",
    ]  # fmt: skip


def _reason(errors: IO[bytes], path: Path) -> str:
    """Return the last line that it wrote, without the name of the copy."""
    errors.seek(0)
    lines = errors.read().decode("utf-8", "replace").splitlines() or ["ffmpeg failed"]
    return lines[-1].replace(f"{path}: ", "")[:LONGEST_REASON]
