"""The server embeds changed pieces of the knowledge beside the calls."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from vivavoce.app.adapters import Adapters, known
from vivavoce.app.data_folder import DataFolder
from vivavoce.assistants import Assistant, load
from vivavoce.config import EmbeddingSection, OpenAISection, Settings
from vivavoce.engines import embedding_work
from vivavoce.engines.passages import PassageSearch
from vivavoce.knowledge import chunk_vectors

from ..support.embedding_server import EmbeddingServer, embedding_server
from ..support.folders import write
from ..support.real_time import live

TOML = 'name = "{}"\ncascade.brain = "openai"\nknowledge.embedding = "openai"\n'
# The machine of the tests may be busy.
TOML += "knowledge.budget_ms = 5000\n"
FERRY = "# Ferries\nThe boat to the island leaves at ten."
QUESTION = "Which ship sails to the isle?"


def assistant(folder: Path, name: str = "ada") -> Assistant:
    return load(write(folder, TOML.format(name), name, knowledge__a_md=FERRY), known())


@asynccontextmanager
async def following(
    folder: Path, url: str, *assistants: Assistant, **chosen: object
) -> AsyncIterator[Adapters]:
    """Follow the knowledge, as a server does while it serves."""
    section = EmbeddingSection.model_validate({"base_url": url, **chosen})
    async with Adapters(Settings(embedding=section), DataFolder(folder)) as adapters:
        task = asyncio.create_task(adapters.follow_knowledge(assistants))
        try:
            yield adapters
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def search_of(adapters: Adapters, each: Assistant) -> PassageSearch:
    search = await adapters.passages(each, "en")
    assert search is not None
    return search


async def until(true: Callable[[], bool]) -> None:
    """Wait for a task that has no way to tell us."""
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def embedded(adapters: Adapters, each: Assistant) -> None:
    vectors = (await adapters.live_knowledge(each)).vectors
    assert vectors is not None
    await until(lambda: not vectors.waiting)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding_work, "NEXT_TRY_S", (0.05, 0.1))
    monkeypatch.setattr(embedding_work, "LOOK_S", 0.02)


def test_a_call_is_answered_by_vectors_soon_after_it_began_and_after_an_edit(
    tmp_path: Path,
) -> None:
    ada = assistant(tmp_path)

    async def story(server: EmbeddingServer) -> None:
        async with following(tmp_path, server.url, ada) as adapters:
            search = await search_of(adapters, ada)
            await embedded(adapters, ada)
            (passage,) = (await search.look_up(QUESTION)).passages
            assert passage.title == "Ferries"
            (ada.folder / "knowledge/b.md").write_text("# Planes\nThe plane leaves at six.")
            knowledge = await adapters.live_knowledge(ada)
            await until(lambda: len(knowledge.snapshot.chunks) == 2)
            await embedded(adapters, ada)
            use = await search.look_up("Is there an aeroplane?")
            assert use.passages[0].title == "Planes"

    synonyms = {"ship": "boat", "isle": "island", "aeroplane": "plane"}
    with embedding_server(synonyms=synonyms) as server:
        live(story(server))


def test_after_a_failure_the_rest_is_embedded_later(tmp_path: Path) -> None:
    ada = assistant(tmp_path)

    async def story(server: EmbeddingServer) -> None:
        async with following(tmp_path, server.url, ada) as adapters:
            await search_of(adapters, ada)
            await until(lambda: len(server.requests) >= 2)
            server.fault = ""
            await embedded(adapters, ada)

    with embedding_server(fault="429") as server:
        live(story(server))


def test_a_slow_model_of_one_assistant_does_not_delay_the_calls(tmp_path: Path) -> None:
    ada, bob = assistant(tmp_path), assistant(tmp_path, "bob")
    (bob.folder / "knowledge/a.md").write_text("# Rooms\nThere are two rooms.")

    async def story(server: EmbeddingServer) -> None:
        server.free.clear()
        async with following(tmp_path, server.url, ada, bob) as adapters:
            use = await (await search_of(adapters, ada)).look_up("When does the boat leave?")
            assert [each.title for each in use.passages] == ["Ferries"]
            await search_of(adapters, bob)
            await until(lambda: len(server.requests) == 2)  # both at once
            server.free.set()
            await embedded(adapters, ada)
            await embedded(adapters, bob)

    with embedding_server() as server:
        live(story(server))


def test_a_key_that_no_header_can_carry_leaves_the_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "kéy")
    ada = assistant(tmp_path)

    async def story(server: EmbeddingServer) -> None:
        chosen = Settings(openai=OpenAISection(base_url=server.url))
        async with Adapters(chosen, DataFolder(tmp_path)) as adapters:
            use = await (await search_of(adapters, ada)).look_up("When does the boat leave?")
            assert [each.title for each in use.passages] == ["Ferries"]

    with embedding_server() as server:
        live(story(server))
    assert [each.message for each in caplog.records] == ["embedding_failed"]


def test_a_question_that_is_asked_again_is_searched_again_once_the_model_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunk_vectors, "NEXT_TRY_S", (0.0, 0.0))
    ada = assistant(tmp_path)

    async def story(server: EmbeddingServer) -> None:
        async with following(tmp_path, server.url, ada) as adapters:
            search = await search_of(adapters, ada)

            async def titles() -> list[str]:
                return [each.title for each in (await search.look_up(QUESTION)).passages]

            assert await titles() == [], "there is no vector yet"
            server.free.set()
            await embedded(adapters, ada)
            assert await titles() == ["Ferries"]
            (ada.folder / "knowledge/b.md").write_text("# Planes\nThe plane leaves at six.")
            knowledge = await adapters.live_knowledge(ada)
            await until(lambda: len(knowledge.snapshot.chunks) == 2)
            server.fault = "500"
            assert await titles() == [], "the model fails"
            server.fault = ""
            assert await titles() == ["Ferries"]

    with embedding_server(synonyms={"ship": "boat", "isle": "island"}) as server:
        server.free.clear()
        live(story(server))
