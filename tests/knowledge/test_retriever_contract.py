"""Hold every retriever to its contract. A new one joins by one line in `RETRIEVERS`."""

from __future__ import annotations

import asyncio
import hashlib
import re
import sqlite3
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec
import pytest

from vivavoce.knowledge import fusion
from vivavoce.knowledge.base import Passage, Retriever, TextKind
from vivavoce.knowledge.chunk_vectors import ChunkVectors
from vivavoce.knowledge.chunks import Chunk
from vivavoce.knowledge.full_text import FullTextIndex
from vivavoce.knowledge.memory import MemoryRetriever
from vivavoce.testing import trigrams

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KNOWN = (
    Chunk(id="1", title="Keynote", text="The keynote starts at nine.", language="en",
          source="programme.md"),
    Chunk(id="2", title="Parking", text="The car park is under the square.", language="en",
          source="places.md"),
    Chunk(id="3", title="Restrooms", text="Restrooms are next to the stairs.", language="en",
          source="places.md"),
    Chunk(id="4", title="Parcheggio", text="Il parcheggio è sotto la piazza.", language="it",
          source="luoghi.md"),
)  # fmt: skip


class DatabaseRetriever:
    """Passages in a database: full-text search, a revision for each source, a score to convert."""

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        self._database = sqlite3.connect(":memory:", check_same_thread=False)
        self._turn = asyncio.Lock()
        self._database.execute(
            "CREATE VIRTUAL TABLE passages USING fts5"
            "(title, text, language UNINDEXED, source UNINDEXED, revision UNINDEXED)"
        )
        for chunk in chunks:
            written = "".join(each.text for each in chunks if each.source == chunk.source)
            revision = hashlib.sha256(written.encode()).hexdigest()
            row = (chunk.title, chunk.text, chunk.language, chunk.source, revision)
            self._database.execute("INSERT INTO passages VALUES (?, ?, ?, ?, ?)", row)

    async def search(
        self, query: str, language: str, k: int, *, within_s: float | None = None
    ) -> tuple[Passage, ...]:
        async with self._turn:
            return await asyncio.to_thread(self._search, query, language.partition("-")[0], k)

    def _search(self, query: str, language: str, k: int) -> tuple[Passage, ...]:
        words = re.findall(r"[a-zà-ÿ]{4,}", query.lower())[:40]
        if not words or k < 1:
            return ()
        found = self._database.execute(
            "SELECT text, title, source, revision, bm25(passages) FROM passages "
            "WHERE passages MATCH ? AND language = ? ORDER BY bm25(passages) LIMIT ?",
            (" OR ".join(f'"{word}"' for word in words), language, k),
        )
        return tuple(
            Passage(text=text, title=title, source=source, revision=revision,
                    score=1 - 1 / (1 - min(0.0, rank)))
            for text, title, source, revision, rank in found
        )  # fmt: skip


def full_text(chunks: Sequence[Chunk]) -> Retriever:
    index = FullTextIndex()
    index.update(chunks)
    return index


class Trigrams:
    """An embedder that needs no model."""

    model = "trigrams"
    dimension = trigrams.DIMENSION

    async def embed(self, texts: Sequence[str], kind: TextKind) -> NDArray[np.float32]:
        return trigrams.vectors(texts)


class FusedRetriever:
    """Words and vectors, as `LiveKnowledge` searches them."""

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        self._by_words = MemoryRetriever(chunks)
        self._vectors = ChunkVectors("ada", Trigrams(), None)
        self._vectors.update(chunks)

    async def search(
        self, query: str, language: str, k: int, *, within_s: float | None = None
    ) -> tuple[Passage, ...]:
        await self._vectors.embed()
        return await fusion.search(self._by_words, self._vectors, query, language, k)


Build = Callable[[Sequence[Chunk]], Retriever]
RETRIEVERS: list[Build] = [MemoryRetriever, full_text, FusedRetriever, DatabaseRetriever]

every_retriever = pytest.mark.parametrize("build", RETRIEVERS, ids=lambda build: build.__name__)


def search(
    build: Build, query: str, language: str = "en", k: int = 3, known: Sequence[Chunk] = KNOWN
) -> tuple[Passage, ...]:
    async def story() -> tuple[Passage, ...]:
        return await build(known).search(query, language, k)

    return asyncio.run(story())


@every_retriever
def test_the_best_passage_is_first_with_its_source(build: Build) -> None:
    best, *others = search(build, "When does the keynote start?")
    assert (best.title, best.source) == ("Keynote", "programme.md")
    assert best.text == "The keynote starts at nine."
    assert all(other.score <= best.score for other in others)
    assert 0 < best.score <= 1


@every_retriever
@pytest.mark.parametrize("k", [0, 1, 2, 100])
def test_at_most_k_passages_are_returned(build: Build, k: int) -> None:
    found = search(build, "keynote, parking in the square, restrooms, stairs", k=k)
    assert len(found) == min(k, 3)
    assert [each.score for each in found] == sorted((e.score for e in found), reverse=True)


@every_retriever
def test_only_passages_in_the_language_are_returned(build: Build) -> None:
    (found,) = search(build, "Dov'è il parcheggio?", "it")
    assert found.source == "luoghi.md"
    assert [each.source for each in search(build, "parcheggio", "it-IT")] == ["luoghi.md"]
    assert search(build, "keynote", "it") == ()
    assert search(build, "keynote", "de") == ()


@every_retriever
def test_a_query_about_something_else_finds_nothing(build: Build) -> None:
    assert search(build, "zebras") == ()
    assert search(build, "keynote", known=()) == ()


@every_retriever
@pytest.mark.parametrize(
    "query",
    ["", " \n", '"', "keynote AND (", "NEAR(\"x\" 'y')", "a\0b", "\ud800", "🎉", "x" * 100_000,
     "keynote " * 20_000],
)  # fmt: skip
def test_any_text_is_a_valid_query(build: Build, query: str) -> None:
    assert len(search(build, query)) <= 3


@every_retriever
def test_the_revision_changes_with_the_source_and_only_with_it(build: Build) -> None:
    changed = [
        msgspec.structs.replace(chunk, text="The keynote starts at ten.")
        if chunk.title == "Keynote"
        else chunk
        for chunk in KNOWN
    ]
    query = "keynote parking"
    before = {each.source: each.revision for each in search(build, query)}
    after = {each.source: each.revision for each in search(build, query, known=changed)}
    assert before["programme.md"] != after["programme.md"]
    assert before["places.md"] == after["places.md"]


@every_retriever
def test_many_searches_at_once_do_not_mix(build: Build) -> None:
    async def story() -> None:
        retriever = build(KNOWN)
        async with asyncio.TaskGroup() as tasks:
            asked = [
                (word, tasks.create_task(retriever.search(word, "en", 1)))
                for word in ("keynote", "parking", "restrooms") * 10
            ]
        for word, task in asked:
            (found,) = task.result()
            assert found.title.lower() == word

    asyncio.run(story())
