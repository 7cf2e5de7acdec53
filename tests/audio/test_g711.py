"""Values from ITU-T G.711, tables 1a to 2b, in 16 bits; a decoder output of 0 has two codes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.audio.g711 import Law, decode, encode

both = pytest.mark.parametrize("law", ["ulaw", "alaw"])

ALL_CODES = bytes(range(256))
ALL_SAMPLES = np.arange(-32768, 32768).astype("<i2")


def samples(pcm: bytes) -> list[int]:
    return [int(sample) for sample in np.frombuffer(pcm, "<i2")]


def pcm(*values: int) -> bytes:
    return np.array(values, "<i2").tobytes()


def test_the_decision_values_of_mu_law() -> None:
    published = {0x00: -32124, 0x0F: -16764, 0x10: -15996, 0x3F: -1980, 0x6F: -132, 0x70: -120}
    published |= {0x7E: -8, 0x80: 32124, 0x8F: 16764, 0xBF: 1980, 0xEF: 132, 0xFE: 8, 0xFF: 0}
    assert samples(decode(bytes(published), "ulaw")) == list(published.values())
    assert encode(pcm(*published.values()), "ulaw") == bytes(published)


def test_the_decision_values_of_a_law() -> None:
    published = {0x2A: -32256, 0x25: -16896, 0x3A: -16128, 0x55: -8, 0x54: -24, 0x5A: -248}
    published |= {0xAA: 32256, 0xA5: 16896, 0xBA: 16128, 0xD5: 8, 0xD4: 24, 0xDA: 248, 0xC5: 264}
    assert samples(decode(bytes(published), "alaw")) == list(published.values())
    assert encode(pcm(*published.values()), "alaw") == bytes(published)


@both
def test_a_second_conversion_changes_nothing(law: Law) -> None:
    once = decode(encode(ALL_SAMPLES.tobytes(), law), law)
    assert decode(encode(once, law), law) == once


@both
def test_louder_stays_louder_and_nothing_is_far_off(law: Law) -> None:
    back = np.frombuffer(decode(encode(ALL_SAMPLES.tobytes(), law), law), "<i2").astype(int)
    assert (np.diff(back) >= 0).all()
    original = np.clip(ALL_SAMPLES.astype(int), -32635, 32635)
    assert (np.abs(back - original) <= np.abs(original) // 16 + 16).all()


def test_every_code_survives_but_the_second_zero_of_mu_law() -> None:
    assert encode(decode(ALL_CODES, "alaw"), "alaw") == ALL_CODES
    changed = encode(decode(ALL_CODES, "ulaw"), "ulaw")
    assert changed == ALL_CODES.replace(b"\x7f", b"\xff")


@both
@given(sound=st.binary(max_size=200))
def test_a_sample_is_coded_for_itself(law: Law, sound: bytes) -> None:
    sound = sound[: len(sound) & ~1]
    coded = encode(sound, law)
    assert len(coded) * 2 == len(sound)
    assert decode(coded, law) == b"".join(decode(coded[i : i + 1], law) for i in range(len(coded)))
