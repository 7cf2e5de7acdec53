from __future__ import annotations

import math
from array import array

import pytest

from vivavoce.audio import pcm


def test_levels_are_decibels_below_full_scale() -> None:
    square = array("h", [-32_768, 32_767] * 400).tobytes()
    sine = array("h", [round(32_767 * math.sin(i / 10)) for i in range(6_283)]).tobytes()
    quiet = array("h", [328, -328] * 400).tobytes()
    assert pcm.level_db(square) == pytest.approx(0, abs=0.01)
    assert pcm.level_db(sine) == pytest.approx(-3.01, abs=0.02)
    assert pcm.level_db(quiet) == pytest.approx(-40, abs=0.05)


@pytest.mark.parametrize("nothing", [b"", pcm.silence(32)])
def test_silence_has_a_level_too(nothing: bytes) -> None:
    assert pcm.level_db(nothing) == pcm.SILENT_DB


def test_durations() -> None:
    assert pcm.duration_ms(pcm.silence(1234)) == 1234
