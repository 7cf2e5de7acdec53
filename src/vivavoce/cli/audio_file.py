"""Audio files for the command line: read any 16-bit WAV as PCM16 mono 24 kHz, and write WAV."""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..audio.pcm import BYTES_PER_MS, SAMPLE_RATE
from ..audio.resample import Resampler
from .common import warn

PIECE_MS = 100
LEAST_HZ = 16_000  # recognisers are trained with it: a lower rate loses the sharp consonants


class UnsupportedAudioError(Exception):
    """The input is not audio that this module reads. The message says why."""


def read(data: bytes) -> bytes:
    """Return the audio of a WAV file; data without its header is raw PCM16 mono 24 kHz."""
    return b"".join(pieces(io.BufferedReader(io.BytesIO(data))))


def pieces(file: io.BufferedReader) -> Iterator[bytes]:
    """Yield the same audio in chunks of at most 100 ms. A pipe may still be written to."""
    if file.peek(4)[:4] == b"RIFF":
        yield from _wav(file)
    else:
        yield from _raw(file)


def _raw(file: io.BufferedReader) -> Iterator[bytes]:
    odd = b""
    while data := file.read1(PIECE_MS * BYTES_PER_MS):
        data = odd + data
        whole = len(data) & ~1
        odd = data[whole:]
        if whole:
            yield data[:whole]


def _wav(file: io.BufferedReader) -> Iterator[bytes]:
    try:
        with wave.open(file) as reader:
            channels, width, rate = (
                reader.getnchannels(), reader.getsampwidth(), reader.getframerate()
            )  # fmt: skip
            if width != 2:
                raise UnsupportedAudioError(
                    f"this WAV file has {8 * width} bits per sample; only 16 are supported"
                )
            if rate < LEAST_HZ:
                warn(f"this recording has {rate} samples per second. Recognisers are trained with "
                     f"at least {LEAST_HZ}, so expect wrong words.")  # fmt: skip
            resampler = None if rate == SAMPLE_RATE else Resampler(rate, SAMPLE_RATE)
            while frames := reader.readframes(rate * PIECE_MS // 1000):
                whole = len(frames) - len(frames) % (2 * channels)
                pcm = _mono(frames[:whole], channels)
                yield resampler.push(pcm) if resampler else pcm
    except (wave.Error, EOFError) as error:
        raise UnsupportedAudioError(f"this WAV file cannot be read: {error}") from None
    if resampler:
        yield resampler.push(b"", last=True)


def _mono(frames: bytes, channels: int) -> bytes:
    samples = np.frombuffer(frames, "<i2")
    return (
        frames
        if channels == 1
        else samples.reshape(-1, channels).mean(axis=1).astype("<i2").tobytes()
    )


def write(path: Path, pcm: bytes) -> None:
    """Write PCM16 mono 24 kHz as WAV. Raises `OSError`."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(pcm)
