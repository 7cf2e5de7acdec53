"""The vectors of one assistant's chunks, and the search for the nearest ones.

    chunks ─► digests ─► held or in the cache? ─► VectorIndex
                           └─ no: waiting ─► `embed`, in the background ─► cache, VectorIndex

A chunk without a vector is found by its words only. A question whose vector cannot be had in time
is answered by words only. Neither stops a call.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import threading
from collections.abc import Mapping, Sequence

from ..errors import EngineError
from . import schedule
from .base import Embedder, Passage
from .chunks import Chunk
from .vector_cache import VectorCache
from .vectors import Vector, VectorIndex

log = logging.getLogger("vivavoce.knowledge")

BATCH = 64  # chunks that are embedded, and kept, together
QUERY_CHARACTERS = 2000  # a longer query is cut: no more than its first words decide
NEXT_TRY_S = (1.0, 30.0)  # after a failure: at first, and at most
NEXT_WARNING_S = 600.0  # an embedder that fails now and then is in the log once in this time


class ChunkVectors:
    """`update` takes the chunks, `embed` makes the vectors that they lack, `find` searches."""

    def __init__(self, assistant: str, embedder: Embedder, cache: VectorCache | None) -> None:
        """`assistant`: its name, for the log."""
        self._assistant = assistant
        self._embedder = embedder
        self._cache = cache
        self._turn = threading.Lock()  # `update` and `embed` change the rest, in threads
        self._chunks: list[tuple[str, Chunk]] = []
        self._held: dict[str, Vector] = {}
        self._waiting: dict[str, str] = {}  # texts without a vector, by digest
        self._index = VectorIndex()
        self._built = 0
        self._failures = 0  # of questions, in sequence
        self._next_try = self._next_warning = 0.0  # on the loop's clock
        self.problem = ""

    @property
    def waiting(self) -> int:
        """The number of texts that have no vector yet."""
        return len(self._waiting)

    @property
    def revision(self) -> int | None:
        """Return a number that changes with the vectors. None: questions have none now."""
        return None if self.problem else self._built

    def update(self, chunks: Sequence[Chunk]) -> None:
        """Hold these chunks. It reads the cache; run it in a thread."""
        texts = [text_of(chunk) for chunk in chunks]
        digests = [hashlib.sha256(text.encode("utf-8", "replace")).hexdigest() for text in texts]
        wanted = dict(zip(digests, texts, strict=True))
        with self._turn:
            self._chunks = list(zip(digests, chunks, strict=True))
            held = {digest: each for digest, each in self._held.items() if digest in wanted}
            if self._cache is not None and (missing := wanted.keys() - held.keys()):
                held |= self._cache.get(self._embedder.model, missing)
            self._held = _of_one_dimension(held)
            self._build(wanted)

    def _build(self, wanted: Mapping[str, str]) -> None:
        """Index what has a vector. The rest of the texts waits."""
        known = [(chunk, self._held[d]) for d, chunk in self._chunks if d in self._held]
        self._index = VectorIndex([chunk for chunk, _ in known], [each for _, each in known])
        self._waiting = {d: text for d, text in wanted.items() if d not in self._held}
        self._built += 1

    async def embed(self) -> None:
        """Embed the texts that wait, some at a time. Raises `EngineError`.

        The vectors that exist before a failure stay. A model may change once. One that goes on
        changing fails, because each change begins all again.
        """
        changes = 0
        while some := list(self._waiting.items())[:BATCH]:
            try:
                vectors = await self._embedder.embed([text for _, text in some], "passage")
            except EngineError as error:
                self._warn("embedding_failed", error.code, asyncio.get_running_loop().time())
                raise
            made = dict(zip((digest for digest, _ in some), vectors, strict=True))
            changes += await asyncio.to_thread(self._take, made)
            if changes > 1:
                raise EngineError("The embedding model keeps changing.", "embedding_dimension")

    def _take(self, made: Mapping[str, Vector]) -> bool:
        """Hold new vectors. If their dimension is another, the model has changed: forget all.

        Return whether it has.
        """
        with self._turn:
            dimension = len(next(iter(made.values())))
            if changed := self._index.dimension not in (0, dimension):
                self._held = {}
                if self._cache is not None:
                    self._cache.forget(self._embedder.model)
                log.warning("embedding_model_changed", extra={"assistant": self._assistant})
            wanted = {digest: text_of(chunk) for digest, chunk in self._chunks}
            self._held |= {digest: each for digest, each in made.items() if digest in wanted}
            if self._cache is not None:
                self._cache.put(self._embedder.model, made)
            self._build(wanted)
            return changed

    async def find(
        self, query: str, language: str, k: int, *, within_s: float | None = None
    ) -> tuple[Passage, ...]:
        """Return the nearest passages; none if the vector of the query cannot be had in time."""
        clock = asyncio.get_running_loop().time
        index = self._index
        if not len(index) or clock() < self._next_try:
            return ()
        try:
            async with asyncio.timeout(within_s):
                (vector,) = await self._embedder.embed([query[:QUERY_CHARACTERS]], "query")
        except TimeoutError:  # the next one may be in time
            self._warn("embedding_late", "engine_timeout", clock())
            return ()
        except EngineError as error:
            self._pause(clock())
            self._warn("embedding_failed", error.code, clock())
            return ()
        if len(vector) != index.dimension:
            self._doubt()
            self._pause(clock())
            self._warn("embedding_failed", "embedding_dimension", clock())
            return ()
        self._failures, self.problem = 0, ""
        return await asyncio.to_thread(index.find, vector, language, k)

    def _pause(self, now: float) -> None:
        """Ask nothing for a while: each question would wait for the same failure."""
        first, most = NEXT_TRY_S
        self._next_try = now + min(most, first * 2**self._failures)
        self._failures = min(self._failures + 1, 10)

    def _warn(self, event: str, code: str, now: float) -> None:
        """Log a problem, but not each time."""
        if code != self.problem and now >= self._next_warning:
            self._next_warning = now + NEXT_WARNING_S
            log.warning(event, extra={"assistant": self._assistant, "code": code})
        self.problem = code

    def _doubt(self) -> None:
        """Embed one chunk again: its vector shows whether the model has changed."""
        with self._turn:
            if self._chunks and not self._waiting:
                digest, chunk = self._chunks[0]
                self._waiting = {digest: text_of(chunk)}


def text_of(chunk: Chunk) -> str:
    """Return what is embedded: all by which a chunk can be found."""
    return "\n".join((chunk.title, *chunk.also, schedule.dated(chunk)))


def _of_one_dimension(vectors: dict[str, Vector]) -> dict[str, Vector]:
    """Leave out vectors that another model of the same id made. The last ones are of this one."""
    if not vectors:
        return {}
    dimension = len(vectors[next(reversed(vectors))])
    return {digest: each for digest, each in vectors.items() if len(each) == dimension}
