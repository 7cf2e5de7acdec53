"""Search knowledge in SQLite's full-text index (FTS5). The second implementation of `Retriever`.

The index holds stems, which `normalize.terms` makes of texts and of queries. SQLite ranks by BM25.
A change of one file costs the chunks of that file. So this index serves knowledge that cannot be
indexed again within a second.
"""

from __future__ import annotations

import asyncio
import math
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path

from .base import Passage
from .chunks import Chunk
from .memory import QUERY_CHARACTERS, passage, revisions_of
from .normalize import terms
from .search import ALSO_WEIGHT, QUERY_TERMS, TITLE_WEIGHT
from .vocabulary import Vocabulary

CANDIDATES = 8  # ranked by SQLite, for each passage that is asked for
_SCHEMA = (
    "CREATE VIRTUAL TABLE passages USING fts5(title, also, body, language UNINDEXED, "
    "tokenize = \"unicode61 remove_diacritics 0 tokenchars '#'\")"
)
_SEARCH = (
    "SELECT rowid, title || ' ' || also || ' ' || body FROM passages "
    "WHERE passages MATCH ? AND language = ? "
    f"ORDER BY bm25(passages, {TITLE_WEIGHT}, {ALSO_WEIGHT}, 1.0) LIMIT ?"
)


class FullTextIndex:
    """The stems of all chunks in an SQLite database. `update` makes it true again.

    `path`: a file that is replaced; None: in memory.
    """

    def __init__(self, path: Path | None = None) -> None:
        if path is not None:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            for suffix in ("", "-journal", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
        self._database = sqlite3.connect(path or ":memory:", check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute(_SCHEMA)
        self._turn = threading.Lock()
        self._rows: dict[int, Chunk] = {}
        self._numbers: dict[Chunk, int] = {}
        self._revisions: dict[str, str] = {}
        self._counts: dict[str, dict[str, int]] = {}  # chunks with a stem, by language
        self._words: dict[str, Vocabulary] = {}  # the stems with a count, by language
        self._next = 1

    def update(self, chunks: Sequence[Chunk]) -> None:
        """Hold these chunks. Only the difference to those of the last time is indexed."""
        wanted = dict.fromkeys(chunks)
        with self._turn:
            for chunk in [each for each in self._numbers if each not in wanted]:
                self._remove(chunk)
            for chunk in wanted:
                if chunk not in self._numbers:
                    self._add(chunk)
            self._revisions = revisions_of(chunks)

    def _add(self, chunk: Chunk) -> None:
        number, self._next = self._next, self._next + 1
        who = chunk.event.speaker if chunk.event else ""
        columns = (f"{chunk.title} {who}", " ".join(chunk.also), chunk.text)
        stems = [terms(each, chunk.language) for each in columns]
        self._database.execute(
            "INSERT INTO passages (rowid, title, also, body, language) VALUES (?, ?, ?, ?, ?)",
            (number, *(_plain(each) for each in stems), chunk.language),
        )
        self._count(chunk, {stem for each in stems for stem in each}, 1)
        self._rows[number] = chunk
        self._numbers[chunk] = number

    def _remove(self, chunk: Chunk) -> None:
        number = self._numbers.pop(chunk)
        found = self._database.execute(
            "SELECT title || ' ' || also || ' ' || body FROM passages WHERE rowid = ?", (number,)
        ).fetchone()
        self._count(chunk, set(found[0].split()), -1)
        self._database.execute("DELETE FROM passages WHERE rowid = ?", (number,))
        del self._rows[number]

    def _count(self, chunk: Chunk, stems: set[str], by: int) -> None:
        counts = self._counts.setdefault(chunk.language, {})
        words = self._words.setdefault(chunk.language, Vocabulary(chunk.language))
        for stem in stems:
            before = counts.get(stem, 0)
            counts[stem] = before + by
            if not before:
                words.add(stem)
            elif not counts[stem]:
                words.remove(stem)
        counts[""] = counts.get("", 0) + by  # of all chunks

    def find(self, query: str, language: str, k: int) -> tuple[Passage, ...]:
        """Return the best passages. It takes milliseconds; run it in a thread."""
        with self._turn:
            language = language if language in self._counts else language.partition("-")[0]
            counts = self._counts.get(language, {})
            asked = list(dict.fromkeys(terms(query[:QUERY_CHARACTERS], language)))[:QUERY_TERMS]
            if not asked or k < 1 or language not in self._words:
                return ()
            readings = [self._words[language].readings(stem) for stem in asked]
            known = dict.fromkeys(stem for each in readings for stem, _ in each)
            if not known:
                return ()
            match = " OR ".join(f'"{stem}"' for stem in known)
            rows = self._database.execute(_SEARCH, (match, language, k * CANDIDATES)).fetchall()
            worth = [_idf(counts[each[0][0]] if each else 0, counts[""]) for each in readings]
            scored = [
                (_covered(readings, worth, frozenset(stems.split())), rank, n)
                for rank, (n, stems) in enumerate(rows)
            ]
            best = sorted(scored, key=lambda each: (-each[0], each[1]))[:k]
            return tuple(passage(self._rows[n], min(1.0, s), self._revisions) for s, _, n in best)

    async def search(
        self, query: str, language: str, k: int, *, within_s: float | None = None
    ) -> tuple[Passage, ...]:
        return await asyncio.to_thread(self.find, query, language, k)

    def close(self) -> None:
        with self._turn:
            self._database.close()


def _covered(
    readings: Sequence[Sequence[tuple[str, float]]], worth: Sequence[float], stems: frozenset[str]
) -> float:
    """Return the share of a question's meaning that a chunk with these stems covers."""
    likely = [max((by for stem, by in each if stem in stems), default=0.0) for each in readings]
    return sum(by * each for by, each in zip(likely, worth, strict=True)) / sum(worth)


def _plain(stems: Sequence[str]) -> str:
    return " ".join(stems).encode("utf-8", "replace").decode()


def _idf(count: int, chunks: int) -> float:
    """Return the weight of a stem. An unknown one has a little more than the average."""
    if not count:
        return 0.65 * math.log(2 + chunks)
    return math.log(1 + (chunks - count + 0.5) / (count + 0.5))
