"""Run the contract of questions on every store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from vivavoce.errors import StoreError
from vivavoce.store.base import Change, Store
from vivavoce.store.questions import QuestionRow

from .facts import LATER, NOON, Make, call, change, conversation, said, tell
from .test_contract import STORES


@pytest.fixture(params=STORES)
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    return lambda: request.param(tmp_path)


ASKED = QuestionRow(
    id="ques_1",
    at=NOON,
    conversation_id="conv_1",
    call_id="rtc_1",
    item_id="item_1",
    assistant="charlotte",
    subject="ann",
    language="en",
    text="Où est la plage?",
    score=0.25,
    answered=False,
)
KNOWN = replace(ASKED, id="ques_2", at=LATER, item_id="item_2", score=None, answered=True)


async def begun(store: Store) -> None:
    await store.create_conversation(conversation())
    await store.begin_call(call())
    both = change(said("item_1"), said("item_2"))
    await store.commit([replace(both, questions=(ASKED, KNOWN))])


async def names(store: Store, **wanted: object) -> list[str]:
    page = await store.questions.newest(**wanted)  # type: ignore[arg-type]
    return [row.id for row in page.data]


def test_questions_are_listed_by_assistant_user_and_answer_in_pages(make: Make) -> None:
    async def story(store: Store) -> None:
        await begun(store)
        assert (await store.questions.newest()).data == [KNOWN, ASKED]
        assert await names(store, unanswered=True) == ["ques_1"]
        assert await names(store, assistants=["charlotte"], subject="ann") == ["ques_2", "ques_1"]
        assert await names(store, assistants=["ada"]) == []
        assert await names(store, subject="bob") == []
        page = await store.questions.newest(limit=1)
        assert (page.data, page.has_more) == ([KNOWN], True)
        page = await store.questions.newest(limit=1, before="ques_2")
        assert (page.data, page.has_more) == ([ASKED], False)
        assert await names(store, before="ques_2", subject="bob") == []

    tell(make, story)


def test_a_second_answer_to_a_question_replaces_the_first(make: Make) -> None:
    async def story(store: Store) -> None:
        await begun(store)
        await store.commit([Change("conv_1", questions=(replace(ASKED, answered=True),))])
        assert await names(store, unanswered=True) == []

    tell(make, story)


def test_a_question_is_deleted_with_its_item_or_its_conversation(make: Make) -> None:
    async def story(store: Store) -> None:
        await begun(store)
        await store.commit([Change("conv_1", deleted=("item_1",), at=LATER)])
        assert await names(store) == ["ques_2"]
        gone = replace(ASKED, id="ques_3", item_id="item_3")
        asking = replace(change(said("item_3")), questions=(gone,))
        await store.commit([asking, Change("conv_1", deleted=("item_3",), at=LATER)])
        assert await names(store) == ["ques_2"]
        await store.delete_conversation("conv_1")
        assert await names(store) == []

    tell(make, story)


def test_a_question_without_its_item_is_refused(make: Make) -> None:
    async def story(store: Store) -> None:
        await begun(store)
        with pytest.raises(StoreError):
            await store.commit(
                [Change("conv_1", questions=(replace(ASKED, id="ques_4", item_id="item_9"),))]
            )
        assert len((await store.questions.newest()).data) == 2

    tell(make, story)
