from __future__ import annotations

import hashlib
import math
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.audio import g711
from vivavoce.audio.g711 import Law

EVERY_SAMPLE = array("h", range(-32_768, 32_768)).tobytes()
EVERY_CODE = bytes(range(256))

laws = pytest.mark.parametrize("law", ["ulaw", "alaw"])


@pytest.mark.parametrize(
    ("law", "encoded", "decoded"),
    [("ulaw", "81d633c9e6972a18", "3dab54339e520bb2"),
     ("alaw", "38488f6fd710f468", "e04788d110e58ff8")],
)  # fmt: skip
def test_every_sample_and_every_code_as_the_reference_has_them(
    law: Law, encoded: str, decoded: str
) -> None:
    """Digests of what CPython's `audioop` made of all samples and all codes."""
    assert hashlib.sha256(g711.encode(EVERY_SAMPLE, law)).hexdigest().startswith(encoded)
    assert hashlib.sha256(g711.decode(EVERY_CODE, law)).hexdigest().startswith(decoded)


@pytest.mark.parametrize(
    ("law", "code", "sample"),
    [("ulaw", 0x00, -32124), ("ulaw", 0x80, 32124), ("ulaw", 0xFF, 0), ("ulaw", 0xF0, 120),
     ("alaw", 0x55, -8), ("alaw", 0xD5, 8), ("alaw", 0x2A, -32256), ("alaw", 0xAA, 32256)],
)  # fmt: skip
def test_known_codes(law: Law, code: int, sample: int) -> None:
    assert array("h", g711.decode(bytes([code]), law)).tolist() == [sample]
    assert g711.encode(array("h", [sample]).tobytes(), law) == bytes([code])


@laws
@given(sample=st.integers(-32_768, 32_767))
def test_a_sample_comes_back_within_its_step(law: Law, sample: int) -> None:
    (back,) = array("h", g711.decode(g711.encode(array("h", [sample]).tobytes(), law), law))
    assert abs(back - sample) <= max(16, abs(sample) // 16 + 4)


@laws
def test_a_tone_survives(law: Law) -> None:
    tone = array("h", [round(8_000 * math.sin(i / 5)) for i in range(8_000)])
    back = array("h", g711.decode(g711.encode(tone.tobytes(), law), law))
    noise = sum((a - b) ** 2 for a, b in zip(tone, back, strict=True))
    assert 10 * math.log10(sum(a * a for a in tone) / noise) > 35


@laws
def test_nothing_is_nothing(law: Law) -> None:
    assert g711.encode(b"", law) == g711.decode(b"", law) == b""
