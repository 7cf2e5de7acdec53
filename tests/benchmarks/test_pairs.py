"""Two versions compared, on numbers that were not measured."""

from __future__ import annotations

from benchmarks.pairs import compared


def test_what_a_pair_has_in_common_falls_out() -> None:
    """The machine was three times as slow for the third pair, and for both of it."""
    befores = [{"first audio, ms": 20.0}, {"first audio, ms": 22.0}, {"first audio, ms": 60.0}]
    nows = [{"first audio, ms": 22.0}, {"first audio, ms": 24.2}, {"first audio, ms": 54.0}]
    row = compared(befores, nows).splitlines()[-1]
    assert row == "| first audio, ms | 22 | 24 | 1.10 | 0.90 to 1.10 |"


def test_nothing_is_not_divided_by() -> None:
    row = compared([{"stt": 0.0}], [{"stt": 3.0}]).splitlines()[-1]
    assert row == "| stt | 0.0 | 3.0 | – | – |"
