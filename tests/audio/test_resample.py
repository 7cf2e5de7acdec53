from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vivavoce.audio.resample import Resampler

RATES = [(24_000, 16_000), (24_000, 8_000), (8_000, 24_000), (22_050, 24_000), (16_000, 24_000)]
rates = pytest.mark.parametrize(("from_hz", "to_hz"), RATES)


def tone(hz: float, rate: int, seconds: float, amplitude: float = 16_000) -> bytes:
    at = np.arange(int(seconds * rate)) / rate
    return np.rint(amplitude * np.sin(2 * np.pi * hz * at)).astype("<i2").tobytes()


def numbers(pcm: bytes) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.frombuffer(pcm, "<i2").astype(np.float64)


@rates
def test_a_tone_stays_that_tone_at_its_time(from_hz: int, to_hz: int) -> None:
    out = Resampler(from_hz, to_hz).push(tone(1000, from_hz, 0.5), last=True)
    expected = numbers(tone(1000, to_hz, 0.5))
    assert np.abs(numbers(out) - expected)[200:-200].max() <= 1


def test_downsampling_does_not_alias() -> None:
    out = Resampler(24_000, 16_000).push(tone(10_000, 24_000, 0.5), last=True)
    assert np.abs(numbers(out))[200:-200].max() <= 1


@rates
@settings(max_examples=50)
@given(seed=st.integers(0, 2**32), cuts=st.lists(st.integers(0, 3000), max_size=8))
def test_nothing_is_lost_or_invented_wherever_the_stream_is_cut(
    from_hz: int, to_hz: int, seed: int, cuts: list[int]
) -> None:
    total = 3000
    pcm = np.random.default_rng(seed).integers(-20_000, 20_000, total).astype("<i2").tobytes()
    whole = Resampler(from_hz, to_hz).push(pcm, last=True)
    assert len(whole) == total * to_hz // from_hz * 2

    resampler = Resampler(from_hz, to_hz)
    edges = [0, *sorted(cuts), total]
    pieces = [resampler.push(pcm[2 * a : 2 * b]) for a, b in pairwise(edges)]
    ready = len(b"".join(pieces)) // 2
    assert 0 <= total * to_hz / from_hz - ready <= 0.003 * to_hz  # held back
    assert b"".join([*pieces, resampler.push(b"", last=True)]) == whole


def test_one_sample_at_a_time_will_do() -> None:
    pcm = tone(440, 24_000, 0.05)
    resampler = Resampler(24_000, 16_000)
    pieces = [resampler.push(pcm[i : i + 2]) for i in range(0, len(pcm), 2)]
    whole = Resampler(24_000, 16_000).push(pcm, last=True)
    assert b"".join([*pieces, resampler.push(b"", last=True)]) == whole


def test_the_loudest_sound_does_not_wrap_around() -> None:
    square = np.where(np.arange(2400) // 12 % 2, 32767, -32768).astype("<i2").tobytes()
    out = numbers(Resampler(24_000, 16_000).push(square, last=True))
    assert (np.abs(np.diff(out)) < 65_535).all()
    assert out.max() == 32767
