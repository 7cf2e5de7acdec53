"""Search knowledge that is held in memory. The first implementation of `Retriever`."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence

from . import schedule
from .base import Passage
from .chunks import Chunk
from .search import KnowledgeIndex

QUERY_CHARACTERS = 2000  # a longer query is cut: no more than its first words decide


class MemoryRetriever:
    """Index the chunks of all languages once, and search them in a thread."""

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        languages = dict.fromkeys(chunk.language for chunk in chunks)
        self._indexes = {each: KnowledgeIndex(chunks, each) for each in languages}
        self._revisions = revisions_of(chunks)

    async def search(
        self, query: str, language: str, k: int, *, within_s: float | None = None
    ) -> tuple[Passage, ...]:
        index = self._indexes.get(language) or self._indexes.get(language.partition("-")[0])
        if index is None or k < 1:
            return ()
        hits = await asyncio.to_thread(index.search, query[:QUERY_CHARACTERS], limit=k)
        found = (passage(hit.chunk, hit.confidence, self._revisions) for hit in hits)
        return tuple(sorted(found, key=lambda each: -each.score))


def passage(chunk: Chunk, score: float, revisions: Mapping[str, str]) -> Passage:
    """Return a chunk as a passage. `revisions`: those of all sources."""
    return Passage(
        id=chunk.id,
        text=schedule.dated(chunk),
        title=chunk.title,
        source=chunk.source,
        place=chunk.place,
        revision=revisions[chunk.source],
        score=score,
    )


def revisions_of(chunks: Sequence[Chunk]) -> dict[str, str]:
    """Return a digest of all that was read from each source."""
    digests: dict[str, hashlib._Hash] = {}
    for chunk in chunks:
        digest = digests.setdefault(chunk.source, hashlib.sha256())
        for part in (chunk.language, chunk.title, chunk.text, *chunk.also):
            digest.update(part.encode("utf-8", "replace") + b"\0")
    return {source: digest.hexdigest()[:16] for source, digest in digests.items()}
