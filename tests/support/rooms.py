"""Recordings of noisy rooms, made from fixed random numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from vivavoce.audio.pcm import SAMPLE_RATE

Floats = NDArray[np.float64]


def db(level: float) -> float:
    return float(10 ** (level / 20))


def white(samples: int) -> Floats:
    return np.random.default_rng(3).standard_normal(samples)


def _coloured(samples: int, weight: Callable[[Floats], Floats]) -> Floats:
    spectrum = np.fft.rfft(white(samples))
    hertz = np.maximum(np.fft.rfftfreq(samples, 1 / SAMPLE_RATE), 20)
    noise = np.fft.irfft(spectrum * weight(hertz), samples)
    return np.asarray(noise / np.sqrt(np.mean(noise**2)))


def pink(samples: int) -> Floats:
    return _coloured(samples, lambda hertz: 1 / np.sqrt(hertz))


def fan(samples: int) -> Floats:
    return _coloured(samples, lambda hertz: 1 / (1 + (hertz / 400) ** 2))


def hum(samples: int) -> Floats:
    """Of the mains, and some hiss."""
    seconds = np.arange(samples) / SAMPLE_RATE
    tones = [np.sin(2 * np.pi * 50 * k * seconds + k) / k for k in range(1, 9)]
    noise = sum(tones, 0.05 * white(samples))
    return np.asarray(noise / np.sqrt(np.mean(noise**2)))


NOISES = {"white": white, "pink": pink, "fan": fan, "hum": hum}


def at_snr(sound: bytes, voice: bytes, noise: Floats, snr_db: float) -> bytes:
    """`sound` in `noise` so loud that `voice` is `snr_db` above it."""
    level = np.sqrt(np.mean(np.frombuffer(voice, "<i2").astype(float) ** 2)) * db(-snr_db)
    mixed = np.frombuffer(sound, "<i2") + noise * level
    return bytes(np.rint(mixed.clip(-32768, 32767)).astype("<i2").tobytes())
