"""A television in the background starts no turns."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vivavoce.core.level_gate import SHORTEST_FRAMES, TURNS, LevelGate

TALKER, TELEVISION = -20.0, -42.0


def after(*turns: float, gate_db: float = 15) -> LevelGate:
    gate = LevelGate(gate_db)
    for level in turns:
        for _ in range(SHORTEST_FRAMES):
            gate.measure(level)
        gate.adapt()
    return gate


def test_it_is_open_until_the_first_turn() -> None:
    assert LevelGate(15).passes(-90)


def test_a_much_softer_voice_is_ignored() -> None:
    gate = after(TALKER)
    assert gate.passes(TALKER - 14)
    assert not gate.passes(TALKER - 16)
    assert not gate.passes(TELEVISION)


def test_zero_is_off() -> None:
    assert after(TALKER, gate_db=0).passes(-90)


def test_only_the_last_three_turns_count() -> None:
    assert TURNS == 3
    assert not after(-10, -30, -30).passes(-40)
    assert after(-10, -30, -30, -30).passes(-40)


def test_pauses_and_coughs_do_not_count() -> None:
    gate = after(TALKER)
    for _ in range(SHORTEST_FRAMES - 1):
        gate.measure(0.0)
    gate.adapt()
    assert gate.passes(TALKER - 14)


def test_a_turn_that_was_thrown_away_teaches_nothing() -> None:
    gate = LevelGate(15)
    for _ in range(SHORTEST_FRAMES):
        gate.measure(0.0)
    gate.forget()
    gate.adapt()
    assert gate.passes(-90)


def test_the_loud_parts_make_the_level() -> None:
    """Half the frames 20 dB down, as between syllables: the level falls by 3 dB, not by 10."""
    gate = LevelGate(15)
    for _ in range(SHORTEST_FRAMES):
        gate.measure(TALKER)
        gate.measure(TALKER - 20)
    gate.adapt()
    assert not gate.passes(TALKER - 18.1)
    assert gate.passes(TALKER - 17.5)


@given(st.lists(st.floats(-96, 0), min_size=1), st.floats(1, 40))
def test_the_talker_always_passes_a_gate_wider_than_their_own_variation(
    levels: list[float], gate_db: float
) -> None:
    gate = after(*levels, gate_db=gate_db)
    assert gate.passes(max(levels))
