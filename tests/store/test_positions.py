from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from vivavoce.store.positions import STEP, between, place


def test_an_item_at_the_end_only_writes_itself() -> None:
    assert place(["a"], {}) == {"a": STEP}
    assert place(["a", "b"], {"a": STEP}) == {"b": 2 * STEP}


def test_an_item_between_two_takes_the_middle() -> None:
    assert place(["a", "new", "b"], {"a": 1.0, "b": 2.0}) == {"new": 1.5}
    assert between(1.0, 2.0) == 1.5


def test_several_share_the_room_they_find() -> None:
    assert place(["a", "x", "y", "z", "b"], {"a": 0.0, "b": 4.0}) == {"x": 1, "y": 2, "z": 3}


def test_an_item_before_all_others_needs_no_room() -> None:
    assert place(["new", "a"], {"a": STEP}) == {"new": 0.0}
    assert place(["x", "y", "a"], {"a": 0.0}) == {"x": -2 * STEP, "y": -STEP}
    assert between(None, STEP) == 0.0
    assert between(None, None) == STEP
    assert between(STEP, None) == 2 * STEP


def test_without_room_all_are_numbered_anew() -> None:
    near = 1.0 + 2**-52
    assert between(1.0, near) is None
    placed = place(["a", "new", "b"], {"a": 1.0, "b": near})
    assert placed == {"a": STEP, "new": 2 * STEP, "b": 3 * STEP}


def test_an_order_that_contradicts_the_stored_one_wins() -> None:
    assert place(["b", "a"], {"a": 1.0, "b": 2.0}) == {"b": STEP, "a": 2 * STEP}


def test_nothing_new_writes_nothing() -> None:
    assert place([], {}) == {}
    assert place(["a", "b"], {"a": 1.0, "b": 2.0, "deleted": 1.5}) == {}


def test_fifty_insertions_at_one_spot_write_one_row_each() -> None:
    order, known = ["first", "last"], {"first": STEP, "last": 2 * STEP}
    for number in range(50):
        order.insert(1, f"item_{number}")
        placed = place(order, known)
        assert list(placed) == [f"item_{number}"]
        known |= placed
    for number in range(50, 60):
        order.insert(1, f"item_{number}")
        if len(placed := place(order, known)) > 1:
            assert list(placed) == order
            return
        known |= placed
    raise AssertionError("there cannot be so much room")


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 200), st.integers(1, 3)), max_size=120))
def test_positions_always_follow_the_order(insertions: list[tuple[int, int]]) -> None:
    order: list[str] = []
    known: dict[str, float] = {}
    for number, (where, count) in enumerate(insertions):
        where = min(where, len(order))
        order[where:where] = [f"item_{number}_{i}" for i in range(count)]
        known |= place(order, known)
        assert sorted(order, key=known.__getitem__) == order
        assert len(set(known.values())) == len(order)
