"""Run the contract of feedback on every store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from vivavoce.store.base import Store
from vivavoce.store.feedback import FeedbackRow

from .facts import LATER, NOON, Make, call, conversation, tell
from .test_contract import STORES


@pytest.fixture(params=STORES)
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    return lambda: request.param(tmp_path)


GOOD = FeedbackRow("rtc_1", "up", "Kind and quick.", NOON)
BAD = FeedbackRow("rtc_2", "down", None, LATER)


async def rated(store: Store) -> None:
    await store.create_conversation(conversation())
    for name in ("rtc_1", "rtc_2", "rtc_3"):
        await store.begin_call(replace(call(), id=name))
    assert await store.feedback.put(GOOD)
    assert await store.feedback.put(BAD)


async def calls(store: Store, **wanted: object) -> list[str]:
    return [row.id for row in await store.calls(**wanted)]  # type: ignore[arg-type]


def test_calls_are_found_by_their_feedback(make: Make) -> None:
    async def story(store: Store) -> None:
        await rated(store)
        found = await store.feedback.of_calls(["rtc_1", "rtc_2", "rtc_3", "rtc_9"])
        assert found == {"rtc_1": GOOD, "rtc_2": BAD}
        assert await store.feedback.of_calls([]) == {}
        assert await calls(store) == ["rtc_3", "rtc_2", "rtc_1"]
        assert await calls(store, score="up") == ["rtc_1"]
        assert await calls(store, score="down", before="rtc_2") == []
        assert await calls(store, score="up", subject="nobody") == []

    tell(make, story)


def test_a_later_feedback_replaces_the_first(make: Make) -> None:
    async def story(store: Store) -> None:
        await rated(store)
        later = FeedbackRow("rtc_1", "down", None, LATER)
        assert await store.feedback.put(later)
        assert await store.feedback.of_calls(["rtc_1"]) == {"rtc_1": later}

    tell(make, story)


def test_feedback_needs_its_call_and_is_deleted_with_the_conversation(make: Make) -> None:
    async def story(store: Store) -> None:
        await rated(store)
        assert not await store.feedback.put(replace(GOOD, call_id="rtc_9"))
        await store.delete_conversation("conv_1")
        assert await store.feedback.of_calls(["rtc_1", "rtc_2"]) == {}
        assert not await store.feedback.put(GOOD)

    tell(make, story)
