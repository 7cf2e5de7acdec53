"""Knowledge that is searched by words and by vectors of a real HTTP server."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from pydantic import SecretStr

from vivavoce.assistants import Assistant, load
from vivavoce.config import EmbeddingSection, Settings
from vivavoce.engines.builtin.openai import embedding
from vivavoce.engines.checked_embedder import CheckedEmbedder
from vivavoce.errors import EngineError
from vivavoce.knowledge import fusion
from vivavoce.knowledge import live as knowledge_live
from vivavoce.knowledge.base import Passage
from vivavoce.knowledge.chunk_vectors import ChunkVectors
from vivavoce.knowledge.live import LiveKnowledge
from vivavoce.knowledge.vector_cache import VectorCache
from vivavoce.testing.adapters import made

from ..support.embedding_server import EmbeddingServer, embedding_server, free_port
from ..support.folders import KNOWN, write
from ..support.real_time import live

NAME = 'name = "ada"\nknowledge.embedding = "openai"\n'
FERRY = "# Ferries\nThe boat to the island leaves at ten."
LUNCH = "# Lunch\nLunch is served in the foyer at one."
SYNONYMS = {"ship": "boat", "isle": "island"}
OTHER_WORDS = "Which ship sails to the isle?"


@pytest.fixture
def server() -> Iterator[EmbeddingServer]:
    with embedding_server(synonyms=SYNONYMS) as served:
        yield served


def assistant(folder: Path, **files: str) -> Assistant:
    return load(write(folder, NAME, **(files or {"knowledge__a_md": f"{FERRY}\n\n{LUNCH}"})), KNOWN)


def settings(url: str, **chosen: object) -> Settings:
    section = EmbeddingSection.model_validate({"base_url": url, "model": "trigrams", **chosen})
    return Settings(embedding=section)


@asynccontextmanager
async def knowing(
    ada: Assistant, server: EmbeddingServer | str, cache: Path | None = None
) -> AsyncIterator[tuple[LiveKnowledge, ChunkVectors]]:
    """Read the knowledge, as a server does when it starts. Nothing is embedded yet."""
    url = server if isinstance(server, str) else server.url
    async with made(embedding, ada, settings=settings(url)) as embedder:
        knowledge = LiveKnowledge(ada, cache, embedder=CheckedEmbedder(embedder))
        await knowledge.refresh()
        assert knowledge.vectors is not None
        yield knowledge, knowledge.vectors


async def best(knowledge: LiveKnowledge, query: str, language: str = "en") -> str:
    """Return the title of the best passage, or "" if there is none."""
    passages = await knowledge.search(query, language, 1, within_s=5)
    return passages[0].title if passages else ""


@pytest.fixture(params=["memory", "full text"])
def _index(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "full text":
        monkeypatch.setattr(knowledge_live, "IN_MEMORY", 0)


@pytest.mark.usefixtures("_index")
def test_a_question_in_other_words_is_answered_by_its_vector(
    tmp_path: Path, server: EmbeddingServer
) -> None:
    async def story() -> None:
        async with knowing(assistant(tmp_path), server) as (knowledge, vectors):
            assert await best(knowledge, OTHER_WORDS) == "", "no vector yet, and no such word"
            await vectors.embed()
            assert await best(knowledge, OTHER_WORDS) == "Ferries"
            assert await best(knowledge, OTHER_WORDS, "de") == "Ferries"
            assert await best(knowledge, "lunch") == "Lunch"
            assert await best(knowledge, "") == ""

    live(story())


def test_only_the_changed_piece_of_a_document_is_embedded(
    tmp_path: Path, server: EmbeddingServer
) -> None:
    ada = assistant(tmp_path)
    file = ada.folder / "knowledge/a.md"

    async def story() -> None:
        async with knowing(ada, server) as (knowledge, vectors):
            await vectors.embed()
            assert len(server.texts()) == 2
            file.write_text(f"{FERRY}\n\n{LUNCH.replace('one', 'two')}")
            await knowledge.refresh()
            assert await best(knowledge, OTHER_WORDS) == "Ferries", "its vector is still there"
            assert vectors.waiting == 1
            server.requests.clear()
            await vectors.embed()
            assert server.texts() == ["Lunch\nLunch is served in the foyer at two."]
            file.write_text(FERRY)
            await knowledge.refresh()
            assert vectors.waiting == 0
            assert await best(knowledge, "lunch in the foyer") != "Lunch"

    live(story())


def test_nothing_is_embedded_again_after_a_restart(tmp_path: Path, server: EmbeddingServer) -> None:
    ada, cache = assistant(tmp_path), tmp_path / "cache"

    async def story() -> None:
        async with knowing(ada, server, cache) as (_, vectors):
            await vectors.embed()
        server.requests.clear()
        async with knowing(ada, server, cache) as (knowledge, vectors):
            assert vectors.waiting == 0
            assert await best(knowledge, OTHER_WORDS) == "Ferries"
        assert server.texts() == [OTHER_WORDS]

    live(story())


def test_another_model_or_prefix_has_vectors_of_its_own(server: EmbeddingServer) -> None:
    async def ids() -> set[str]:
        found = set[str]()
        for chosen in ({}, {"dimensions": 64}, {"model": "b"}, {"passage_prefix": "passage: "}):
            async with made(embedding, settings=settings(server.url, **chosen)) as embedder:
                found.add(embedder.model)
        return found

    assert len(live(ids())) == 4


@pytest.mark.parametrize("fault", ["429", "500", "count", "dimension", "nan", "text"])
def test_a_fault_of_the_server_leaves_the_words(
    tmp_path: Path, server: EmbeddingServer, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with knowing(assistant(tmp_path), server) as (knowledge, vectors):
            await vectors.embed()
            server.fault = fault
            for _ in range(3):
                assert await best(knowledge, "When is lunch?") == "Lunch"
            server.fault = ""
            assert await best(knowledge, OTHER_WORDS) == "", "it is not asked for a second"
            vectors._next_try = 0.0
            assert await best(knowledge, OTHER_WORDS) == "Ferries"

    live(story())
    assert len([each for each in server.texts() if "lunch?" in each]) == 1
    (record,) = [each for each in caplog.records if each.message == "embedding_failed"]
    assert record.assistant == "ada"  # type: ignore[attr-defined]
    assert "lunch" not in caplog.text


@pytest.mark.parametrize("fault", ["429", "500", "count", "nan", "text"])
def test_pieces_that_could_not_be_embedded_wait(
    tmp_path: Path, server: EmbeddingServer, fault: str
) -> None:
    async def story() -> None:
        async with knowing(assistant(tmp_path), server) as (knowledge, vectors):
            server.fault = fault
            with pytest.raises(EngineError):
                await vectors.embed()
            assert vectors.waiting == 2
            server.fault = ""
            await vectors.embed()
            assert await best(knowledge, OTHER_WORDS) == "Ferries"

    live(story())


def test_a_server_that_is_dead_leaves_the_words(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        nowhere = f"http://127.0.0.1:{free_port()}/v1"
        async with knowing(assistant(tmp_path), nowhere) as (knowledge, vectors):
            with pytest.raises(EngineError, match="the embedding model"):
                await vectors.embed()
            assert await best(knowledge, "When is lunch?") == "Lunch"

    live(story())
    assert [each.message for each in caplog.records] == ["embedding_failed"]


def test_a_search_does_not_wait_longer_for_a_slow_server_than_its_caller(
    tmp_path: Path, server: EmbeddingServer, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with knowing(assistant(tmp_path), server) as (knowledge, vectors):
            await vectors.embed()
            server.free.clear()
            async with asyncio.timeout(2):
                passages = await knowledge.search("When is lunch?", "en", 2, within_s=0.05)
            assert [each.title for each in passages] == ["Lunch"]
            server.free.set()
            assert await best(knowledge, OTHER_WORDS) == "Ferries", "it is asked again at once"

    live(story())
    assert [each.message for each in caplog.records] == ["embedding_late"]


def test_a_model_that_changes_its_dimension_has_all_pieces_embedded_again(
    tmp_path: Path, server: EmbeddingServer
) -> None:
    cache = tmp_path / "cache"

    async def story() -> None:
        async with knowing(assistant(tmp_path), server, cache) as (knowledge, vectors):
            await vectors.embed()
            server.fault = "dimension"
            assert await best(knowledge, OTHER_WORDS) == ""
            assert vectors.waiting == 1, "one piece shows whether the model has changed"
            await vectors.embed()
            vectors._next_try = 0.0
            assert await best(knowledge, OTHER_WORDS) == "Ferries"
        server.requests.clear()
        async with knowing(assistant(tmp_path), server, cache) as (_, vectors):
            assert vectors.waiting == 0

    live(story())


def test_a_model_that_changes_at_each_request_is_given_up(
    tmp_path: Path, server: EmbeddingServer
) -> None:
    rooms = "\n\n".join(f"# Room {n}\nThe room {n} has {n} chairs." for n in range(200))
    server.fault = "changes"

    async def story() -> None:
        async with knowing(assistant(tmp_path, knowledge__a_md=rooms), server) as (_, vectors):
            async with asyncio.timeout(10):
                with pytest.raises(EngineError, match="keeps changing"):
                    await vectors.embed()
            assert len(server.requests) == 3

    live(story())


def test_a_damaged_cache_is_made_again(tmp_path: Path, server: EmbeddingServer) -> None:
    ada, cache = assistant(tmp_path), tmp_path / "cache"
    cache.mkdir()
    (cache / "vectors.db").write_bytes(b"no database" * 1000)

    async def story() -> None:
        for waiting in (2, 0):
            async with knowing(ada, server, cache) as (_, vectors):
                assert vectors.waiting == waiting
                await vectors.embed()

    live(story())


@pytest.mark.parametrize(
    "kept", [b"abc", b"", "text", 5, np.full(4, np.nan, "<f4").tobytes(), b"\0\0\x80\x7f" * 4]
)
def test_a_kept_value_that_is_not_a_vector_counts_as_lost(tmp_path: Path, kept: object) -> None:
    path = tmp_path / "vectors.db"
    cache = VectorCache(path)
    half = np.full(4, 0.5, np.float32)
    cache.put("m", {"a": half, "b": half})
    with sqlite3.connect(path) as database:
        database.execute("UPDATE vectors SET vector = ? WHERE digest = 'a'", (kept,))
    database.close()
    assert cache.get("m", ["a", "b"]).keys() == {"b"}
    cache.put("m", {"a": half})
    assert cache.get("m", ["a", "b"]).keys() == {"a", "b"}


def test_a_database_of_another_form_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "vectors.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE vectors (x)")
    database.close()
    cache = VectorCache(path)
    half = np.full(4, 0.5, np.float32)
    assert cache.get("m", ["a"]) == {}
    cache.put("m", {"a": half})
    assert cache.get("m", ["a"]).keys() == {"a"}


def test_the_least_used_vectors_leave_a_full_cache(tmp_path: Path) -> None:
    path = tmp_path / "vectors.db"
    cache = VectorCache(path, most_bytes=3 * 400)
    one = np.full(100, 0.1, np.float32)
    cache.put("m", {"a": one, "b": one})
    with sqlite3.connect(path) as database:
        database.execute("UPDATE vectors SET used = used - 200000 WHERE digest = 'a'")
        database.execute("UPDATE vectors SET used = used - 100000 WHERE digest = 'b'")
    database.close()
    assert cache.get("m", ["a"]).keys() == {"a"}, "it is used now"
    cache.put("m", {"c": one, "d": one})
    assert cache.get("m", ["a", "b", "c", "d"]).keys() == {"a", "c", "d"}


def test_a_lowest_score_has_one_meaning_for_words_and_vectors(
    tmp_path: Path, server: EmbeddingServer
) -> None:
    sections = [f"# Room {n}\nThe room {n} has {n} chairs." for n in range(20)]
    ada = assistant(tmp_path, knowledge__a_md="\n\n".join([FERRY, *sections]))

    async def story() -> None:
        async with knowing(ada, server) as (knowledge, vectors):
            await vectors.embed()
            best, *others = await knowledge.search(OTHER_WORDS, "en", 4)
            assert best.title == "Ferries"
            assert best.score > 0.3
            assert others == [], "what is no nearer than usual is not found"
            scores = [each.score for each in await knowledge.search("room 7 chairs", "en", 4)]
            assert scores == sorted(scores, reverse=True)
            assert await knowledge.search("zebra quiz", "en", 4) == ()

    live(story())


def found(title: str, score: float) -> Passage:
    return Passage(id=title, text=title, title=title, source="a.md", revision="1", score=score)


def test_words_of_another_language_count_less_than_the_meaning() -> None:
    """The Italian "sale" (halls) and the Spanish "sale" (leaves) are English words by chance."""
    by_words = [found("Sale", 0.9), found("Halls", 0.1)]
    near = [found("Halls", 0.5), found("Rooms", 0.4)]
    same = fusion.fuse(by_words, near, 3)
    assert [(each.title, each.score) for each in same][-2:] == [("Sale", 0.9), ("Rooms", 0.4)]
    foreign = fusion.fuse(by_words, near, 3, foreign=True)
    told = [(each.title, each.score) for each in foreign]
    assert told == [("Halls", 0.5), ("Rooms", 0.4), ("Sale", 0.0)]


@pytest.mark.parametrize("fault", ["500", "key"])
def test_a_key_stands_in_no_error(
    server: EmbeddingServer, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    chosen = settings(server.url, api_key=SecretStr("sk-secret"))
    server.fault = fault

    async def story() -> None:
        async with made(embedding, settings=chosen) as embedder:
            with pytest.raises(EngineError) as caught:
                await embedder.embed(["a"], "query")
        assert "sk-secret" not in str(caught.value)

    live(story())
    assert "sk-secret" not in repr([each.__dict__ for each in caplog.records])
