"""Sound for tests: people (see tests/sounds/README.md), rooms without people, and its pieces."""

from __future__ import annotations

import wave
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np

from vivavoce.audio import pcm as audio
from vivavoce.audio.g711 import PCM16
from vivavoce.audio.resample import Resampler

SOUNDS = Path(__file__).parents[1] / "sounds"


def spoken(name: str, rate: int = audio.SAMPLE_RATE) -> bytes:
    """One of the recordings as PCM16 at this rate."""
    with wave.open(str(SOUNDS / f"{name}.wav")) as file:
        pcm: bytes = file.readframes(file.getnframes())
        if file.getframerate() == rate:
            return pcm
        return Resampler(file.getframerate(), rate).push(pcm, last=True)


def noise(ms: int, level_db: float, rate: int = audio.SAMPLE_RATE) -> bytes:
    """White noise that is always the same."""
    samples = np.random.default_rng(7).standard_normal(ms * rate // 1000)
    loud = np.rint(samples * 32768 * 10 ** (level_db / 20)).clip(-32768, 32767)
    return loud.astype(PCM16).tobytes()


async def pieces(pcm: bytes, ms: int = 96) -> AsyncIterator[bytes]:
    for start in range(0, len(pcm), ms * audio.BYTES_PER_MS):
        yield pcm[start : start + ms * audio.BYTES_PER_MS]
