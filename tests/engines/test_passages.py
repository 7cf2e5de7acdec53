"""The search of one call: while the user speaks, within its budget, above a score."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from vivavoce.core.effects import Listen
from vivavoce.core.types import Transcript
from vivavoce.engines.base import OnTranscript
from vivavoce.engines.cascade import Cascade
from vivavoce.engines.passages import DEFAULTS, PassageSearch, SearchOptions
from vivavoce.errors import EngineError
from vivavoce.knowledge.base import Passage

from ..support.fakes import FakeTts
from ..support.virtual_time import live
from .test_cascade import Thinker


def passage(text: str, score: float = 1.0) -> Passage:
    return Passage(text=text, source="a.md", revision="1", score=score)


class Shelf:
    """A retriever that takes its time, and finds the query itself."""

    def __init__(self, seconds: float = 0.0, score: float = 1.0) -> None:
        self.asked: list[str] = []
        self._seconds = seconds
        self._score = score

    async def search(
        self, query: str, language: str, k: int, *, within_s: float | None = None
    ) -> tuple[Passage, ...]:
        self.asked.append(query)
        await asyncio.sleep(self._seconds)
        return (passage(query, self._score),)


def searching(
    shelf: Shelf,
    language: str,
    options: SearchOptions = DEFAULTS,
    revision: Callable[[], int] = lambda: 1,
) -> PassageSearch:
    return PassageSearch(shelf, language, options, revision=revision)


def texts(found: tuple[Passage, ...]) -> list[str]:
    return [each.text for each in found]


def test_passages_below_the_lowest_score_are_left_out() -> None:
    async def story() -> None:
        for lowest, found in ((0.5, ["lunch"]), (0.6, [])):
            search = searching(Shelf(score=0.5), "en", SearchOptions(min_score=lowest))
            assert texts(await search.passages("lunch")) == found

    live(story())


def test_an_answer_waits_for_a_search_no_longer_than_its_budget(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story() -> None:
        clock = asyncio.get_running_loop().time
        search = searching(Shelf(1.0), "en", SearchOptions(budget_s=0.12))
        began = clock()
        assert await search.passages("lunch") == ()
        assert clock() - began == pytest.approx(0.12)

    live(story())
    assert [each.message for each in caplog.records] == ["knowledge_late"]


def test_a_search_that_ran_while_the_user_spoke_adds_no_delay() -> None:
    async def story() -> None:
        clock = asyncio.get_running_loop().time
        shelf = Shelf(1.0)
        search = searching(shelf, "en")
        await search.prepare("when is lunch")
        began = clock()
        assert texts(await search.passages("When is  lunch")) == ["when is lunch"]
        assert clock() == began
        assert shelf.asked == ["when is lunch"]

    live(story())


def test_a_search_for_other_words_than_the_last_ones_changes_no_answer() -> None:
    async def story() -> None:
        search = searching(Shelf(), "en")
        await search.prepare("when is")
        assert texts(await search.passages("when is lunch")) == ["when is lunch"]

    live(story())


def test_a_prepared_search_is_dropped_when_the_knowledge_changes() -> None:
    async def story() -> None:
        shelf, revision = Shelf(), 1
        search = searching(shelf, "en", revision=lambda: revision)
        await search.prepare("lunch")
        revision = 2
        await search.passages("lunch")
        assert shelf.asked == ["lunch", "lunch"]

    live(story())


class Words:
    """A recogniser that hears one word after the other, by default each for half a second."""

    def __init__(self, *words: str, seconds: float = 0.5) -> None:
        self._words = words
        self._seconds = seconds

    async def listen(
        self,
        sound: AsyncIterator[bytes],
        stable: OnTranscript,
        *,
        language: str | None = None,
        logprobs: bool = False,
    ) -> Transcript:
        heard = ""
        for word in self._words:
            heard = f"{heard} {word}".strip()
            await asyncio.sleep(self._seconds)
            await stable(heard)
        await asyncio.sleep(0.5)
        return Transcript(heard)


@pytest.mark.parametrize(
    ("while_speaking", "seconds", "asked"),
    [
        (True, 0.1, ["when", "when is", "when is lunch"]),
        (True, 0.8, ["when", "when is"]),  # one search at a time
        (False, 0.1, []),
    ],
)
def test_the_search_begins_with_the_words_that_are_known(
    while_speaking: bool, seconds: float, asked: list[str]
) -> None:
    async def story() -> None:
        shelf = Shelf(seconds)
        search = searching(shelf, "en", SearchOptions(while_speaking=while_speaking))
        cascade = Cascade(Words("when", "is", "lunch"), Thinker([]), FakeTts(), knowledge=search)
        said = await cascade.listen(Listen("item_1", b""), nothing(), ignore)
        assert said.text == "when is lunch"
        assert shelf.asked == asked
        assert len(asyncio.all_tasks()) == 1

    live(story())


def test_the_last_words_are_searched_also_if_they_came_during_a_search() -> None:
    async def story() -> None:
        shelf = Shelf(0.2)
        words = Words("when", "is", "lunch", seconds=0.05)
        cascade = Cascade(words, Thinker([]), FakeTts(), knowledge=searching(shelf, "en"))
        await cascade.listen(Listen("item_1", b""), nothing(), ignore)
        assert shelf.asked == ["when", "when is lunch"]

    live(story())


async def nothing() -> AsyncIterator[bytes]:
    pieces: tuple[bytes, ...] = ()
    for pcm in pieces:
        yield pcm


async def ignore(text: str, guess: str = "", logprobs: object = (), /) -> None: ...


def test_a_failing_search_while_the_user_speaks_does_not_fail_the_transcript() -> None:
    class Broken(Shelf):
        async def search(
            self, query: str, language: str, k: int, *, within_s: float | None = None
        ) -> tuple[Passage, ...]:
            raise EngineError("the database is away")

    async def story() -> None:
        cascade = Cascade(
            Words("lunch"), Thinker([]), FakeTts(), knowledge=searching(Broken(), "en")
        )
        assert (await cascade.listen(Listen("item_1", b""), nothing(), ignore)).text == "lunch"

    live(story())


def test_a_search_below_the_lowest_score_is_a_miss_and_a_late_one_is_neither() -> None:
    async def story() -> None:
        cases = ((0.5, 0.0, True), (0.6, 0.0, False), (0.5, 1.0, None))
        for lowest, seconds, answered in cases:
            options = SearchOptions(min_score=lowest, budget_s=0.12)
            use = await searching(Shelf(seconds, 0.5), "en", options).look_up("lunch")
            score = None if answered is None else 0.5
            assert (use.answered, use.score, use.question) == (answered, score, "lunch")

    live(story())
