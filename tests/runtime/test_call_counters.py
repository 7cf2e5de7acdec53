"""The contract of `CallCounters`, for every implementation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from vivavoce.runtime.call_counters import InProcessCallCounters
from vivavoce.runtime.cluster import CallCounters, CallSlot, SlotLimits

from ..support.shared_counters import SharedCallCounters, SharedStore
from ..support.virtual_time import live

COUNTERS = [InProcessCallCounters, SharedCallCounters]  # an implementation joins here
every_implementation = pytest.mark.parametrize("make", COUNTERS)
Make = Callable[[], CallCounters]

ROOM = SlotLimits(calls=100, per_assistant=100, per_key=100)


def slot(number: int, assistant: str = "echo", key_id: str | None = "key_1") -> CallSlot:
    return CallSlot(f"rtc_{number}", f"conv_{number}", assistant, key_id)


@every_implementation
@pytest.mark.parametrize(
    ("limits", "reached"),
    [
        (SlotLimits(calls=2, per_assistant=9, per_key=9), "calls"),
        (SlotLimits(calls=9, per_assistant=2, per_key=9), "assistant"),
        (SlotLimits(calls=9, per_assistant=9, per_key=2), "key"),
        (SlotLimits(calls=9, per_assistant=9, per_key=None), None),
    ],
)
def test_acquire_names_the_limit_that_is_reached(
    make: Make, limits: SlotLimits, reached: str | None
) -> None:
    async def story() -> None:
        counters = make()
        assert await counters.acquire(slot(1), limits) is None
        assert await counters.acquire(slot(2), limits) is None
        assert await counters.acquire(slot(3), limits) == reached

    live(story())


@every_implementation
def test_a_limit_counts_only_calls_that_share_what_it_limits(make: Make) -> None:
    async def story() -> None:
        counters, one_each = make(), SlotLimits(calls=9, per_assistant=1, per_key=1)
        assert await counters.acquire(slot(1, "echo", "key_1"), one_each) is None
        assert await counters.acquire(slot(2, "other", "key_2"), one_each) is None
        assert await counters.acquire(slot(3, "third", None), one_each) is None
        assert await counters.acquire(slot(4, "fourth", None), one_each) is None

    live(story())


@every_implementation
def test_X6_one_user_and_one_secret_leave_places_to_others(make: Make) -> None:
    async def story() -> None:
        counters = make()
        limits = SlotLimits(calls=99, per_assistant=20, per_key=99, per_user=2, per_secret=3)

        async def call(number: int, user: str | None, secret: str | None) -> str | None:
            named = CallSlot(f"rtc_{number}", f"conv_{number}", "echo", "key_1", user, secret)
            return await counters.acquire(named, limits)

        assert [await call(n, "eve", f"cs_{n}") for n in range(4)] == [None, None, "user", "user"]
        assert [await call(n, None, "cs_a") for n in range(10, 15)] == [None] * 3 + ["secret"] * 2
        assert await call(20, "ada", "cs_b") is None
        assert await call(21, None, None) is None
        await counters.release("rtc_0")
        assert await call(22, "eve", "cs_c") is None

    live(story())


@every_implementation
def test_a_call_that_continues_a_conversation_takes_the_place_of_the_old_one(make: Make) -> None:
    async def story() -> None:
        counters, one = make(), SlotLimits(calls=1, per_assistant=1, per_key=1)
        assert await counters.acquire(CallSlot("rtc_1", "conv_1", "echo", "key_1"), one) is None
        assert await counters.acquire(CallSlot("rtc_2", "conv_1", "echo", "key_1"), one) is None
        await counters.release("rtc_1")
        assert await counters.acquire(slot(3), one) == "calls"

    live(story())


@every_implementation
def test_release_gives_the_place_back_and_ignores_a_call_that_is_not_counted(make: Make) -> None:
    async def story() -> None:
        counters, one = make(), SlotLimits(calls=1, per_assistant=1)
        assert await counters.acquire(slot(1), one) is None
        await counters.release("rtc_9")
        assert await counters.acquire(slot(2), one) == "calls"
        await counters.release("rtc_1")
        await counters.release("rtc_1")
        assert await counters.acquire(slot(2), one) is None

    live(story())


@every_implementation
def test_a_call_that_was_refused_is_not_counted(make: Make) -> None:
    async def story() -> None:
        counters = make()
        full = SlotLimits(calls=9, per_assistant=9, per_key=0)
        assert await counters.acquire(slot(1), full) == "key"
        assert await counters.acquire(slot(2), SlotLimits(calls=1, per_assistant=1)) is None

    live(story())


@every_implementation
def test_calls_that_begin_at_the_same_time_get_no_more_places_than_there_are(make: Make) -> None:
    async def story() -> None:
        counters, three = make(), SlotLimits(calls=3, per_assistant=9)
        results = await asyncio.gather(*(counters.acquire(slot(n), three) for n in range(10)))
        assert results.count(None) == 3

    live(story())


def test_two_processes_share_one_limit() -> None:
    async def story() -> None:
        store, two = SharedStore(), SlotLimits(calls=2, per_assistant=9)
        here, there = SharedCallCounters(store), SharedCallCounters(store)
        results = await asyncio.gather(
            *(each.acquire(slot(n), two) for n, each in enumerate((here, there, here, there)))
        )
        assert results.count(None) == 2

    live(story())
