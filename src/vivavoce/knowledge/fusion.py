"""One ranking from two searches: by words, and by vectors.

Reciprocal rank fusion (Cormack, Clarke and Büttcher 2009): a passage gets 1 / (60 + rank) from each
search that found it. The scores of the two have different scales, and ranks have none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from .base import Passage, Retriever
from .chunk_vectors import ChunkVectors

K = 60  # of the paper
CANDIDATES = 3  # of each search, for each passage that is asked for
FOREIGN_WORDS = 0.5  # the weight of a rank by words, of passages in another language
SHARE = 0.8  # of the time that the caller waits; the search by words needs the rest

_Key = tuple[str, str, str]


async def search(
    by_words: Retriever,
    vectors: ChunkVectors,
    query: str,
    language: str,
    k: int,
    *,
    all_languages: bool = False,
    within_s: float | None = None,
) -> tuple[Passage, ...]:
    """Search by words and by vectors. Without vectors in time, return what was found by words.

    `all_languages`: the chunks of `by_words` are those of all languages.
    """
    share_s = None if within_s is None else within_s * SHARE
    most = k * CANDIDATES
    of = "" if all_languages else language
    finding = asyncio.create_task(vectors.find(query, of, most, within_s=share_s))
    try:
        found = await by_words.search(query, language, most)
        near = await finding
    finally:
        if not finding.done():
            finding.cancel()
            await asyncio.wait([finding])
    if near:
        return fuse(found, near, k, foreign=all_languages)
    return await by_words.search(query, language, k)


def fuse(
    by_words: Sequence[Passage], near: Sequence[Passage], k: int, *, foreign: bool = False
) -> tuple[Passage, ...]:
    """Return the best `k` of two rankings.

    The score of a passage is the better one of its two. A passage also has at least the scores of
    those that rank behind it, so that a lowest score cuts the ranking in one place.

    `foreign`: the passages are in another language than the question. Then they share names and
    numbers with it, and other words by chance, so the score by words is worth nothing.
    """
    if foreign:
        by_words = [msgspec.structs.replace(each, score=0.0) for each in by_words]
    worth: dict[_Key, float] = {}
    best: dict[_Key, Passage] = {}
    for ranking, weight in ((by_words, FOREIGN_WORDS if foreign else 1.0), (near, 1.0)):
        for rank, passage in enumerate(ranking, 1):
            key = (passage.source, passage.id, passage.text)
            worth[key] = worth.get(key, 0.0) + weight / (K + rank)
            if key not in best or passage.score > best[key].score:
                best[key] = passage
    ordered = [best[key] for key in sorted(worth, key=lambda key: -worth[key])[:k]]
    fused: list[Passage] = []
    least = 0.0
    for passage in reversed(ordered):
        least = max(least, passage.score)
        fused.append(msgspec.structs.replace(passage, score=least))
    return tuple(reversed(fused))
