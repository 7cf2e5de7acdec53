from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from vivavoce.store.positions import REACH, STEP, between, make_room


class Order:
    """A conversation's order, and the positions that are stored for it."""

    def __init__(self, count: int = 0) -> None:
        self.ids = [f"item_{number}" for number in range(count)]
        self.known = {item_id: STEP * (i + 1) for i, item_id in enumerate(self.ids)}

    def insert(self, where: int) -> int:
        """One more item. How many rows must be written for it?"""
        newcomer = f"new_{len(self.ids)}"
        before = self.known[self.ids[where - 1]] if where else None
        after = self.known[self.ids[where]] if where < len(self.ids) else None
        self.ids.insert(where, newcomer)
        position = between(before, after)
        placed = {newcomer: position} if position is not None else {}
        placed = placed or make_room(self.ids, self.known, newcomer)
        self.known |= placed
        return len(placed)

    @property
    def kept(self) -> bool:
        return sorted(self.ids, key=self.known.__getitem__) == self.ids and len(
            set(self.known.values())
        ) == len(self.ids)


def test_an_item_between_two_takes_the_middle() -> None:
    assert between(1.0, 2.0) == 1.5


def test_an_item_at_an_end_needs_no_room() -> None:
    assert between(None, STEP) == 0.0
    assert between(None, None) == STEP
    assert between(STEP, None) == 2 * STEP


def test_where_there_is_no_number_between_the_neighbours_there_is_no_room() -> None:
    assert between(1.0, math.nextafter(1.0, 2.0)) is None


def test_fifty_insertions_at_one_spot_write_one_row_each() -> None:
    order = Order(2)
    assert [order.insert(1) for _ in range(50)] == [1] * 50
    assert order.kept


def test_two_neighbours_without_room_are_numbered_anew_with_the_newcomer() -> None:
    near = math.nextafter(STEP, 2 * STEP)
    placed = make_room(["a", "new", "b"], {"a": STEP, "b": near}, "new")
    assert placed == {"a": STEP, "new": 2 * STEP, "b": 3 * STEP}


def test_only_those_around_a_spot_without_room_are_written_anew() -> None:
    """All ten thousand of them were: everybody on the server waited two seconds."""
    order = Order(10_000)
    order.known["item_5000"] = math.nextafter(order.known["item_4999"], math.inf)
    assert order.insert(5_000) == 2 * REACH + 1
    assert order.kept


def test_insertions_at_one_spot_write_few_rows_each_for_ever() -> None:
    order = Order(3_000)
    written = [order.insert(1_000) for _ in range(3_000)]
    assert order.kept
    assert sum(written) < 8 * len(written)
    assert max(written) < 500


@settings(deadline=None)
@given(st.lists(st.integers(0, 200), max_size=150), st.integers(0, 4))
def test_positions_always_follow_the_order(insertions: list[int], count: int) -> None:
    order = Order(count)
    for where in insertions:
        order.insert(min(where, len(order.ids)))
        assert order.kept


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 20), st.sampled_from([0, 1, -1]))
def test_they_do_where_each_comes_beside_the_one_before(start: int, step: int) -> None:
    order, where = Order(20), start
    for _ in range(300):
        order.insert(where)
        where = min(max(where + step, 0), len(order.ids))
    assert order.kept
