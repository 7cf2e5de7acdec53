"""Sound files for `vivavoce talk`: any PCM WAV in, PCM16 mono 24 kHz out."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import numpy as np

from ..audio.pcm import SAMPLE_RATE
from ..audio.resample import Resampler


class NoSound(Exception):
    """What was given is no sound that we can read; says why."""


def read(data: bytes) -> bytes:
    """A WAV file's sound; anything that does not begin like one is raw PCM16 mono 24 kHz."""
    if data[:4] != b"RIFF":
        return data[: len(data) & ~1]
    try:
        with wave.open(io.BytesIO(data)) as file:
            channels, width, rate = file.getnchannels(), file.getsampwidth(), file.getframerate()
            frames = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise NoSound(f"this WAV file cannot be read: {error}") from None
    if width != 2:
        raise NoSound(f"this WAV file has {8 * width} bits a sample; 16 are read")
    samples = np.frombuffer(frames, "<i2").reshape(-1, channels).mean(axis=1)
    pcm = samples.astype("<i2").tobytes()
    return pcm if rate == SAMPLE_RATE else Resampler(rate, SAMPLE_RATE).push(pcm, last=True)


def write(path: Path, pcm: bytes) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(pcm)
