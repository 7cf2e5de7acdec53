"""Hold the recogniser to the contract of recognisers."""

import numpy as np
import pytest
import vivavoce_dtmf

from vivavoce.api import SAMPLE_RATE, silence
from vivavoce.testing.adapters import made
from vivavoce.testing.contracts import recogniser
from vivavoce.testing.contracts.recogniser import Utterance

TIME = np.arange(SAMPLE_RATE // 10) / SAMPLE_RATE  # 100 ms


def press(keys: str) -> bytes:
    """Return the tones of these keys, with pauses."""
    pcm = silence(200)
    for key in keys:
        (row,) = [number for number, each in enumerate(vivavoce_dtmf.KEYS) if key in each]
        low = vivavoce_dtmf.LOW_HZ[row]
        high = vivavoce_dtmf.HIGH_HZ[vivavoce_dtmf.KEYS[row].index(key)]
        tone = np.sin(2 * np.pi * low * TIME) + np.sin(2 * np.pi * high * TIME)
        pcm += (tone * 8000).astype("<i2").tobytes() + silence(100)
    return pcm


CASE = recogniser.Case(
    opened=lambda: made(vivavoce_dtmf.dtmf),
    first=Utterance(press("12*34#"), ("12*34#",)),
    second=Utterance(press("0055999abcd".upper()), ("0055999abcd",)),
)


@pytest.mark.parametrize("check", recogniser.CHECKS)
def test_the_recogniser_keeps_the_contract(check: recogniser.Check) -> None:
    check(CASE)
