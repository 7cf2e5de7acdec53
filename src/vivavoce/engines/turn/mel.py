"""Compute the log-mel spectrogram that a Whisper-like network reads: 80 bands, 100 times a second.

After the published definition (Radford et al. 2022, §2.2, and its reference code): windows of 25 ms
every 10 ms, bands of Slaney's mel scale, logarithm of their power with 8 decades below the loudest
kept. The networks of this kind were trained on sound brought to mean 0 and variance 1 first.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from ...audio.pcm import Floats

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATE = 16_000
WINDOW = 400
HOP = 160
BANDS = 80
FAINTEST = 1e-10  # the lowest power that is distinguished
DECADES = 8.0
LEAST_VARIANCE = 1e-7

_HZ_PER_MEL = 200 / 3  # up to 1 kHz
_CORNER_HZ = 1_000.0
_STEPS = 27 / np.log(6.4)  # mels in a factor of e, above it


def log_mel(sound: Floats) -> Floats:
    """Sound at 16 kHz, n samples → 80 bands by n // 160."""
    normalised = sound - sound.mean()
    normalised /= np.sqrt(sound.var() + np.float32(LEAST_VARIANCE))
    padded = np.pad(normalised.astype(np.float64), WINDOW // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP][: len(sound) // HOP]
    spectra = np.fft.rfft(frames * _window())
    power = spectra.real**2 + spectra.imag**2
    bands = np.log10(np.maximum(_bands() @ power.T, FAINTEST))
    # The reference code scales so: a power of 1 gives 1, and a power of 1e-4 gives 0.
    mel: Floats = ((np.maximum(bands, bands.max() - DECADES) + 4) / 4).astype(np.float32)
    return mel


@cache
def _window() -> NDArray[np.float64]:
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)


@cache
def _bands() -> NDArray[np.float64]:
    """Return the weights of frequencies in bands: triangles of equal area, overlapping by half."""
    hertz = np.fft.rfftfreq(WINDOW, 1 / RATE)
    edges = _hertz(np.linspace(0, _mel(RATE / 2), BANDS + 2))
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (hertz - low) / (middle - low), (high - hertz) / (high - middle)
    bands: NDArray[np.float64] = np.maximum(0, np.minimum(rising, falling)) * 2 / (high - low)
    return bands


def _mel(hertz: float) -> float:
    assert hertz >= _CORNER_HZ
    return float(_CORNER_HZ / _HZ_PER_MEL + np.log(hertz / _CORNER_HZ) * _STEPS)


def _hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    corner = _CORNER_HZ / _HZ_PER_MEL
    above = _CORNER_HZ * np.exp((mel - corner) / _STEPS)
    return np.where(mel < corner, mel * _HZ_PER_MEL, above)
