"""Run the contract of the sources of answers on every store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from vivavoce.protocol.own_events import Source
from vivavoce.store.base import Change, Store

from .facts import NOON, SPOKEN, Make, change, conversation, said, tell
from .test_contract import STORES

SOURCES = (
    Source(id="a.md#lunch", source="a.md", place="page 3", title="Lunch", score=0.5, revision="1"),
    Source(id="è.csv", source="è.csv", score=0, revision="2"),
)
ANSWER = replace(SPOKEN, sources=SOURCES)
NAME = ANSWER.item.id


@pytest.fixture(params=STORES)
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    return lambda: request.param(tmp_path)


def test_the_sources_of_an_answer_are_found_by_its_id_and_with_its_item(make: Make) -> None:
    async def story(store: Store) -> None:
        await store.create_conversation(conversation())
        await store.commit([change(said("item_1"), ANSWER)])
        assert await store.sources(NAME) == [(await store.conversation("conv_1"), SOURCES)]
        assert await store.sources("item_1") == []
        assert await store.sources("nobody") == []
        rows = {row.item.id: row.sources for row in await store.items("conv_1")}
        assert rows == {"item_1": (), NAME: SOURCES}

    tell(make, story)


def test_two_conversations_may_have_an_answer_with_one_id(make: Make) -> None:
    async def story(store: Store) -> None:
        for name in ("conv_1", "conv_2"):
            await store.create_conversation(conversation(name))
            await store.commit([Change(name, (ANSWER,), at=NOON)])
        found = [row.id for row, _ in await store.sources(NAME)]
        assert found == ["conv_1", "conv_2"]

    tell(make, story)


def test_sources_are_deleted_with_their_item_and_with_their_conversation(make: Make) -> None:
    async def story(store: Store) -> None:
        for name in ("conv_1", "conv_2"):
            await store.create_conversation(conversation(name))
            await store.commit([Change(name, (ANSWER,), at=NOON)])
        await store.commit([Change("conv_1", deleted=(NAME,), at=NOON)])
        assert [row.id for row, _ in await store.sources(NAME)] == ["conv_2"]
        await store.delete_conversation("conv_2")
        assert await store.sources(NAME) == []

    tell(make, story)
