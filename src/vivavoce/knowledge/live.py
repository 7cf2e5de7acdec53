"""The knowledge of one assistant as its files are now, for all its calls.

    files ─► read those that changed ─► chunks ─► index ─► search
                                          └─► facts that are true at this time

`refresh` makes it true again after a change. Searches go on meanwhile with what was true before,
and each of them sees one state. A file that cannot be read is named in the log, and the others are
used.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from ..clock import now as wall
from ..errors import Mistake
from ..file_reading import FolderFile, MissingFileError, UnreadableFileError
from . import facts, fusion, ingest
from .base import Embedder, Passage, Retriever
from .chunk_vectors import ChunkVectors
from .chunks import Chunk
from .documents.reading import CachedParser, Parser, parse
from .full_text import FullTextIndex
from .ingest import DocumentRead
from .memory import MemoryRetriever
from .vector_cache import VectorCache

if TYPE_CHECKING:
    from ..assistants import Assistant

log = logging.getLogger("vivavoce.knowledge")

IN_MEMORY = 600  # chunks; to index more of them after each change takes longer than 0.2 s


class Snapshot(NamedTuple):
    """The knowledge at one time. `revision` counts the changes."""

    chunks: tuple[Chunk, ...] = ()
    unreadable: tuple[Mistake, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    warnings: tuple[Mistake, ...] = ()
    until: dt.datetime | None = None  # then a fact begins or ceases to be true
    revision: int = 0


class _Held(NamedTuple):
    """A file as it was read, and what would make it be read again."""

    state: object
    read: DocumentRead
    unreadable: Mistake | None


class LiveKnowledge:
    """The chunks and the search of one assistant. `cache`: a folder for what can be made again.

    `embedder`: the search also goes by vectors, which `vectors.embed` makes. None: by words only.
    """

    def __init__(
        self,
        assistant: Assistant,
        cache: Path | None = None,
        *,
        now: Callable[[], dt.datetime] = wall,
        embedder: Embedder | None = None,
    ) -> None:
        self.assistant = assistant
        self._now = now
        self._parser: Parser = CachedParser(cache / "documents") if cache else parse
        self._files: dict[FolderFile, _Held] = {}
        self._turn = asyncio.Lock()
        self._indexes: dict[str, Retriever] = {}  # by language; "" is all, each in its own
        self.snapshot = Snapshot()
        self.vectors: ChunkVectors | None = None
        if embedder is not None:
            kept = VectorCache(cache / "vectors.db") if cache else None
            self.vectors = ChunkVectors(assistant.name, embedder, kept)

    @property
    def is_due(self) -> bool:
        """True if a fact has begun or ceased to be true since the last refresh."""
        until = self.snapshot.until
        return until is not None and self._now() >= until

    @property
    def search_revision(self) -> tuple[int, int] | None:
        """Return what changes with the results of a search. None: the model fails now."""
        vectors = 0 if self.vectors is None else self.vectors.revision
        return None if vectors is None else (self.snapshot.revision, vectors)

    async def refresh(self, changed: Collection[Path] | None = None) -> bool:
        """Read what has changed, and return True if anything is different now.

        `changed`: the paths that an observer of the folder has named; they are read again in any
        case. Raises `AssistantError` if the folder cannot be listed.
        """
        async with self._turn:
            before = self.snapshot
            work = asyncio.create_task(asyncio.to_thread(self._read, frozenset(changed or ())))
            try:
                await asyncio.shield(work)
            except asyncio.CancelledError:
                await asyncio.wait([work])  # a thread cannot be stopped: it ends before the lock
                raise
            return before.revision != self.snapshot.revision

    async def search(
        self, query: str, language: str, k: int, *, within_s: float | None = None
    ) -> tuple[Passage, ...]:
        """Return passages. A language without files of its own gets those of all others."""
        chunks = self.snapshot.chunks
        if not chunks:
            return ()
        base = language.partition("-")[0]
        if any(chunk.language == base for chunk in chunks):
            base = ""
        elif base not in self._indexes:
            await self._translate(base)
        index, vectors = self._indexes[base], self.vectors
        if vectors is None:
            return await index.search(query, language, k)
        return await fusion.search(
            index, vectors, query, language, k, all_languages=bool(base), within_s=within_s
        )

    async def _translate(self, base: str) -> None:
        """Index all chunks for a language that has none: a model can translate them."""
        async with self._turn:
            if base not in self._indexes:
                chunks = self.snapshot.chunks
                self._indexes[base] = await asyncio.to_thread(self._indexed, base, chunks)

    def _read(self, changed: frozenset[Path]) -> None:
        """Read the files, in a thread. Each search sees the state before or after this."""
        files = sorted(set(self.assistant.knowledge_files()))
        siblings = [Path(each.path) for each in files]
        self._files = {file: self._held(file, siblings, changed) for file in files}
        found = self._files.values()
        unreadable = [each.unreadable for each in found if each.unreadable is not None]
        mistakes: list[Mistake] = []
        chunks: list[Chunk] = []
        warnings: list[Mistake] = []
        for file, held in self._files.items():
            chunks += held.read.chunks
            mistakes += ingest.named(file, held.read.mistakes)
            warnings += ingest.named(file, held.read.warnings)
        now = self._now()
        told = self._read_facts(unreadable, mistakes)
        if len(chunks) > ingest.CHUNKS:
            name = self.assistant.name
            mistakes.append(Mistake(name, "knowledge", None, f"has over {ingest.CHUNKS} chunks"))
            chunks = chunks[: ingest.CHUNKS]
        self._become(
            Snapshot(
                (*facts.valid(told, now), *chunks),
                tuple(unreadable),
                tuple(mistakes),
                tuple(warnings),
                facts.next_change(told, now),
            )
        )

    def _held(self, file: FolderFile, siblings: Sequence[Path], changed: frozenset[Path]) -> _Held:
        """Return a file as it was read, or read it if it has changed since."""
        path = file.folder / file.name
        state = (_state(path), *ingest.translations(Path(file.path), siblings))
        held = self._files.get(file)
        if held is not None and held.state == state and path not in changed:
            return held
        try:
            read = ingest.read_folder_file(file, self.assistant.languages, siblings, self._parser)
            return _Held(state, read, None)
        except MissingFileError:  # it was removed after the folder was listed
            return _Held(None, DocumentRead([], [], []), None)
        except UnreadableFileError as error:
            mistake = Mistake(str(file), "", error.line, error.reason)
            return _Held(state, DocumentRead([], [], []), mistake)

    def _read_facts(
        self, unreadable: list[Mistake], mistakes: list[Mistake]
    ) -> tuple[facts.Fact, ...]:
        """Read the facts. Add what is wrong with them to the mistakes."""
        file = self.assistant.facts_file()
        try:
            read = facts.read(file, self.assistant.languages, self.assistant.zone())
        except MissingFileError:
            read = facts.FactsRead((), [])
        except UnreadableFileError as error:
            unreadable.append(Mistake(str(file), "", error.line, error.reason))
            read = facts.FactsRead((), [])
        mistakes += ingest.named(file, read.mistakes)
        return read.facts

    def _become(self, after: Snapshot) -> None:
        """Index the chunks if they differ from those of before."""
        before = self.snapshot
        if after.chunks == before.chunks and before.revision:
            self.snapshot = after._replace(revision=before.revision)
            return
        if self.vectors is not None:
            self.vectors.update(after.chunks)
        self._indexes = {base: self._indexed(base, after.chunks) for base in {"", *self._indexes}}
        self.snapshot = after._replace(revision=before.revision + 1)

    def _indexed(self, base: str, chunks: tuple[Chunk, ...]) -> Retriever:
        """Index the chunks, all of them in the language `base` unless it is empty."""
        if base:
            chunks = tuple(msgspec.structs.replace(each, language=base) for each in chunks)
        if len(chunks) <= IN_MEMORY:
            return MemoryRetriever(chunks)
        held = self._indexes.get(base)
        index = held if isinstance(held, FullTextIndex) else FullTextIndex()
        index.update(chunks)
        return index


def _state(path: Path) -> object:
    """Return what changes with a file. None: it cannot be examined, and reading it says why."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
