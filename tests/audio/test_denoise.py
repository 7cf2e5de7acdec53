from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vivavoce.audio.denoise import DEEPEST_DB, DELAY_MS, Denoiser, Depth
from vivavoce.audio.pcm import BYTES_PER_MS, level_db, silence

from ..support.rooms import NOISES, at_snr, db
from ..support.sounds import spoken

VOICE = spoken("keynote_rms")
SECOND = 1000 * BYTES_PER_MS
DELAY = DELAY_MS * BYTES_PER_MS
NEAR, FAR = Depth.near(), Depth.far()
STEADY = ["white", "pink", "hum", "fan"]


def clean(pcm: bytes, depth: Depth = NEAR, ms: int = 20) -> bytes:
    """Return the whole of it, as if there were no delay."""
    denoiser = Denoiser(depth)
    size = ms * BYTES_PER_MS
    sound = pcm + bytes(DELAY)
    out = b"".join(denoiser.push(sound[i : i + size]) for i in range(0, len(sound), size))
    return out[DELAY:]


def likeness(a: bytes, b: bytes) -> float:
    return float(np.corrcoef(np.frombuffer(a, "<i2"), np.frombuffer(b, "<i2"))[0, 1])


def scene(kind: str, snr_db: float) -> tuple[bytes, bytes]:
    """Three seconds of room, then a voice in it, then a second of room: clean, and as it is."""
    alone = silence(3000) + VOICE + silence(1000)
    return alone, at_snr(alone, VOICE, NOISES[kind](len(alone) // 2), snr_db)


def gained(kind: str, depth: Depth) -> float:
    """By how much the voice stands out better from the room than before, in dB."""
    _, noisy = scene(kind, 15)
    quiet = clean(noisy, depth)
    room, voice = slice(2 * SECOND, 3 * SECOND), slice(3 * SECOND, 3 * SECOND + len(VOICE))

    def ratio(sound: bytes) -> float:
        return level_db(sound[voice]) - level_db(sound[room])

    return ratio(quiet) - ratio(noisy)


@pytest.mark.parametrize("kind", STEADY)
def test_a_voice_stands_out_better_from_a_steady_noise(kind: str) -> None:
    assert gained(kind, NEAR) >= 6


@pytest.mark.parametrize("kind", STEADY)
def test_the_noise_becomes_less_and_the_voice_stays_itself(kind: str) -> None:
    alone, noisy = scene(kind, 10)
    voice = slice(3 * SECOND, 3 * SECOND + len(VOICE))
    before = likeness(noisy[voice], alone[voice])
    for depth in (NEAR, FAR):
        quiet = clean(noisy, depth)
        assert likeness(quiet[voice], alone[voice]) > before
        assert abs(level_db(quiet[voice]) - level_db(alone[voice])) < 1.5


@pytest.mark.parametrize("kind", STEADY)
def test_far_field_removes_more_noise_than_near_field(kind: str) -> None:
    assert gained(kind, FAR) >= gained(kind, NEAR) + 2


@pytest.mark.parametrize("kind", STEADY)
def test_a_far_room_falls_silent_between_words_without_swallowing_their_ends(kind: str) -> None:
    alone, noisy = scene(kind, 15)
    quiet = clean(noisy, FAR)
    pause = slice(2 * SECOND, 3 * SECOND)
    assert level_db(quiet[pause]) < level_db(noisy[pause]) - 12
    begins, ends = 3 * SECOND, 3 * SECOND + len(VOICE)
    for part in (slice(begins, begins + SECOND // 2), slice(ends - SECOND // 2, ends)):
        assert abs(level_db(quiet[part]) - level_db(alone[part])) < 3


def test_strength_goes_from_nearly_nothing_to_deep() -> None:
    tenth, half, one, two = (gained("white", Depth.near(s)) for s in (0.1, 0.5, 1, 2))
    assert 0.5 < tenth < 1.5
    assert tenth + 2 < half < one - 1
    assert one + 3 < two
    assert Depth.near(100).floor_db == Depth.far(100).floor_db == DEEPEST_DB


@pytest.mark.parametrize("depth", [NEAR, FAR])
def test_a_voice_without_noise_is_left_alone(depth: Depth) -> None:
    for voice in (VOICE, silence(500) + spoken("registration_slt")):
        heard = clean(voice, depth)
        assert likeness(heard, voice) > 0.98
        assert abs(level_db(heard) - level_db(voice)) < 0.6


def test_the_filter_adapts_to_changed_noise() -> None:
    faint = NOISES["white"](48_000 * 2) * db(-60)
    loud = NOISES["white"](24_000 * 4) * db(-35)
    pcm = np.rint(np.concatenate([faint, loud]) * 32768).astype("<i2").tobytes()
    quiet = clean(pcm)
    at_once, later = slice(4 * SECOND, 4 * SECOND + 4800), slice(7 * SECOND, 8 * SECOND)
    assert level_db(quiet[at_once]) > level_db(pcm[at_once]) - 3
    assert level_db(quiet[later]) < level_db(pcm[later]) - 6


@settings(max_examples=40, deadline=None)
@given(
    size=st.integers(0, 6_000),
    cuts=st.lists(st.integers(0, 6_000), max_size=10),
    seed=st.integers(0, 99),
)
def test_as_much_comes_out_as_goes_in_wherever_it_is_cut(
    size: int, cuts: list[int], seed: int
) -> None:
    pcm = np.random.default_rng(seed).integers(-9_000, 9_000, size).astype("<i2").tobytes()
    edges = [0, *sorted(min(2 * cut, len(pcm)) for cut in cuts), len(pcm)]
    denoiser = Denoiser(NEAR)
    pieces = [denoiser.push(pcm[a:b]) for a, b in pairwise(edges)]
    assert [len(piece) for piece in pieces] == [b - a for a, b in pairwise(edges)]
    assert b"".join(pieces) == Denoiser(NEAR).push(pcm)


def test_it_is_late_by_what_it_says() -> None:
    loud = np.frombuffer(VOICE, "<i2").astype(float)
    late = Denoiser(NEAR).push(VOICE)
    spectrum = np.fft.rfft(np.frombuffer(late, "<i2"), 2 * len(loud))
    against = np.fft.irfft(spectrum * np.conj(np.fft.rfft(loud, 2 * len(loud))))
    assert int(np.argmax(against[: len(loud)])) == DELAY // 2


def test_silence_and_the_loudest_of_sounds_do_no_harm() -> None:
    assert clean(silence(500)) == silence(500)
    square = np.tile(np.repeat(np.array([32767, -32768], "<i2"), 40), 300).tobytes()
    assert len(clean(silence(200) + square, FAR)) == len(silence(200) + square)


def test_it_costs_little() -> None:
    """Ten times what it takes on a machine that has time."""
    denoiser, piece = Denoiser(NEAR), VOICE[: 20 * BYTES_PER_MS]
    began = time.process_time()
    for _ in range(100):
        denoiser.push(piece)
    assert (time.process_time() - began) / 100 < 0.002
