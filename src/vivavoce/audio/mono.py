"""Mix the channels of a recording into one."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

Mono: TypeAlias = np.ndarray[tuple[int], np.dtype[np.float32]]
Frames: TypeAlias = np.ndarray[tuple[int, int], np.dtype[np.float32]]

CANCELLED = 0.01  # of the loudest channel's power, 20 dB: uncorrelated channels lose 3 dB at most


def mono(frames: Frames) -> Mono:
    """Return the mean of the channels, or the loudest channel where the others cancel it.

    A balanced line that is recorded as two channels has right = -left: its mean is silence.
    """
    channels = frames.shape[1]
    if channels == 1:
        return frames[:, 0]
    mixed: Mono = frames.mean(axis=1, dtype=np.float32)
    powers = np.einsum("nc,nc->c", frames, frames)
    loudest = int(powers.argmax())
    # One channel of many that are silent is quiet in the mean, and is not cancelled.
    expected = powers.sum() / channels**2
    if np.dot(mixed, mixed) < CANCELLED * expected:
        return frames[:, loudest]
    return mixed
