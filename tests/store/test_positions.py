from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from vivavoce.store.positions import REACH, STEP, between, make_room


class Order:
    """Hold a conversation's order and its stored positions."""

    def __init__(self, count: int = 0) -> None:
        self.ids = [f"item_{number}" for number in range(count)]
        self.known = {item_id: STEP * (i + 1) for i, item_id in enumerate(self.ids)}

    def insert(self, where: int) -> int:
        """Insert an item. Return the number of rows that must be written."""
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


def test_an_item_between_two_others_gets_the_middle() -> None:
    assert between(1.0, 2.0) == 1.5


def test_an_item_at_an_end_needs_no_room() -> None:
    assert between(None, STEP) == 0.0
    assert between(None, None) == STEP
    assert between(STEP, None) == 2 * STEP


def test_neighbours_without_a_number_between_them_have_no_room() -> None:
    assert between(1.0, math.nextafter(1.0, 2.0)) is None


def test_fifty_insertions_at_one_spot_write_one_row_each() -> None:
    order = Order(2)
    assert [order.insert(1) for _ in range(50)] == [1] * 50
    assert order.kept


def test_two_neighbours_without_room_get_new_numbers() -> None:
    near = math.nextafter(STEP, 2 * STEP)
    placed = make_room(["a", "new", "b"], {"a": STEP, "b": near}, "new")
    assert placed == {"a": STEP, "new": 2 * STEP, "b": 3 * STEP}


def test_only_items_around_a_spot_without_room_get_new_numbers() -> None:
    """New numbers for all 10,000 items would occupy the event loop for two seconds."""
    order = Order(10_000)
    order.known["item_5000"] = math.nextafter(order.known["item_4999"], math.inf)
    assert order.insert(5_000) == 2 * REACH + 1
    assert order.kept


def test_repeated_insertions_at_one_spot_write_few_rows_each() -> None:
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
def test_positions_follow_the_order_when_each_item_follows_the_last_inserted(
    start: int, step: int
) -> None:
    order, where = Order(20), start
    for _ in range(300):
        order.insert(where)
        where = min(max(where + step, 0), len(order.ids))
    assert order.kept
