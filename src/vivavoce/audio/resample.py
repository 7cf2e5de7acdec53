"""A stream of PCM16 mono at one rate becomes the same sound at another.

libsamplerate's `sinc_fastest` holds back 1 to 3 ms and no more; resamplers that work in blocks
(soxr, swr) hold back 20 to 76 ms, which a conversation would feel. 30 to 50 µs for 20 ms of sound.
"""

from __future__ import annotations

import numpy as np
import samplerate

from .pcm import to_pcm16

HELD_BACK_S = 0.01  # silence that is sure to push out what the filter still holds


class Resampler:
    """One direction of one stream. n samples in make n * to_hz // from_hz out, by the last push."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._from = from_hz
        self._to = to_hz
        self._ratio = to_hz / from_hz
        self._filter = samplerate.Resampler("sinc_fastest", channels=1)
        self._taken = 0
        self._given = 0

    def push(self, pcm: bytes, last: bool = False) -> bytes:
        """Add samples and return those that are ready. `last`: return everything that is left.

        Whole samples only. Cutting a stream in other places changes nothing in what comes out.
        """
        self._taken += len(pcm) // 2
        sound = np.frombuffer(pcm, "<i2").astype(np.float32)
        if last:
            sound = np.append(sound, np.zeros(int(HELD_BACK_S * self._from), np.float32))
        resampled = self._filter.process(sound, self._ratio) if len(sound) else sound
        if last:
            resampled = resampled[: self._taken * self._to // self._from - self._given]
        self._given += len(resampled)
        return to_pcm16(resampled)
