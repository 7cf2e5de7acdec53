from __future__ import annotations

import numpy as np
import pytest

from vivavoce.audio import pcm


@pytest.mark.parametrize(
    ("sample", "expected"), [(-32768, 0.0), (16384, -6.02), (3277, -20.0), (1, -90.3)]
)
def test_a_level_is_counted_down_from_the_loudest(sample: int, expected: float) -> None:
    sound = np.full(768, sample, "<i2").tobytes()
    assert pcm.level_db(sound) == pytest.approx(expected, abs=0.01)


def test_silence_has_a_level_too() -> None:
    assert pcm.level_db(pcm.silence(32)) == pcm.SILENT_DB
    assert pcm.level_db(b"") == pcm.SILENT_DB
