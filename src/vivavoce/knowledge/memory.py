"""Search knowledge that is held in memory. The first implementation of `Retriever`."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence

from . import schedule
from .base import Passage
from .chunks import Chunk
from .search import Hit, KnowledgeIndex

QUERY_CHARACTERS = 2000  # a longer query is cut: no more than its first words decide


class MemoryRetriever:
    """Index the chunks of all languages once, and search them in a thread."""

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        languages = dict.fromkeys(chunk.language for chunk in chunks)
        self._indexes = {each: KnowledgeIndex(chunks, each) for each in languages}
        self._revisions = _revisions(chunks)

    async def search(self, query: str, language: str, k: int) -> tuple[Passage, ...]:
        index = self._indexes.get(language) or self._indexes.get(language.partition("-")[0])
        if index is None or k < 1:
            return ()
        hits = await asyncio.to_thread(index.search, query[:QUERY_CHARACTERS], limit=k)
        return tuple(sorted(map(self._passage, hits), key=lambda each: -each.score))

    def _passage(self, hit: Hit) -> Passage:
        chunk = hit.chunk
        return Passage(
            text=schedule.dated(chunk),
            title=chunk.title,
            source=chunk.source,
            revision=self._revisions[chunk.source],
            score=hit.confidence,
        )


def _revisions(chunks: Sequence[Chunk]) -> dict[str, str]:
    """Return a digest of all that was read from each source."""
    digests: dict[str, hashlib._Hash] = {}
    for chunk in chunks:
        digest = digests.setdefault(chunk.source, hashlib.sha256())
        for part in (chunk.language, chunk.title, chunk.text, *chunk.also):
            digest.update(part.encode("utf-8", "replace") + b"\0")
    return {source: digest.hexdigest()[:16] for source, digest in digests.items()}
