"""Sound files for the command line: any PCM WAV in, PCM16 mono 24 kHz out."""

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
LEAST_HZ = (
    16_000  # what recognisers were made for: the sharp consonants are above what fewer can hold
)


class UnsupportedAudio(Exception):
    """What was given is no sound that we can read; says why."""


def read(data: bytes) -> bytes:
    """A WAV file's sound; anything that does not begin like one is raw PCM16 mono 24 kHz."""
    return b"".join(pieces(io.BufferedReader(io.BytesIO(data))))


def pieces(file: io.BufferedReader) -> Iterator[bytes]:
    """The same from a file that is still being written: in pieces of 100 ms, or of what there is.

    Each waits until there is one.
    """
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
                raise UnsupportedAudio(f"this WAV file has {8 * width} bits a sample; 16 are read")
            if rate < LEAST_HZ:
                warn(f"this recording has {rate} samples a second. Recognisers were made for "
                     f"{LEAST_HZ} and more, so expect wrong words.")  # fmt: skip
            resampler = None if rate == SAMPLE_RATE else Resampler(rate, SAMPLE_RATE)
            while frames := reader.readframes(rate * PIECE_MS // 1000):
                whole = len(frames) - len(frames) % (2 * channels)
                pcm = _mono(frames[:whole], channels)
                yield resampler.push(pcm) if resampler else pcm
    except (wave.Error, EOFError) as error:
        raise UnsupportedAudio(f"this WAV file cannot be read: {error}") from None
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
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(pcm)
