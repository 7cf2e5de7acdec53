"""The knowledge of one assistant, for the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ..assistants import Assistant
from ..assistants.knowledge_files import KINDS, suffix_of
from ..config import Settings
from ..errors import EngineError, Mistake
from ..file_reading import FolderFile, MissingFileError, UnreadableFileError, read_bytes
from ..knowledge import ingest
from ..knowledge.base import Passage
from ..knowledge.documents.reading import CachedParser
from ..knowledge.folder import FACTS, KnowledgeFile, KnowledgeFolder
from ..knowledge.gaps import Gap as Gap
from ..knowledge.gaps import gaps
from ..knowledge.live import LiveKnowledge
from ..store.base import Store
from .adapters import Adapters
from .data_folder import DataFolder

MOST_BYTES = 32 * 2**20


class Added(NamedTuple):
    """Hold the result for one file.

    `reason`: why it was not added; "" if it was. `missing`: there is no such file.
    """

    path: str
    changed: bool = False
    pieces: int = 0
    mistakes: tuple[Mistake, ...] = ()
    reason: str = ""
    missing: bool = False


class Knowledge:
    """The files of one assistant, and the search in them."""

    def __init__(self, assistant: Assistant, data: DataFolder) -> None:
        self._assistant = assistant
        self._data = data
        self._cache = data.cache / "knowledge"
        self._folder = KnowledgeFolder(assistant)

    @property
    def read_only(self) -> bool:
        """True for an assistant that ships with the server."""
        return self._folder.read_only

    def add(self, sources: list[Path]) -> Iterator[Added]:
        """Copy files, and those in folders. Yield what came of each, when it is done.

        Raises `AssistantError` if the assistant's files cannot be listed.
        """
        for source, path in _files(sources):
            try:
                changed = self._folder.write(path, read_bytes(source, MOST_BYTES))
            except UnreadableFileError as error:
                missing = isinstance(error, MissingFileError)
                yield Added(path, reason=error.reason, missing=missing)
                continue
            read = changed and path != FACTS
            added = self._read(path) if read else Added(path, changed=changed)
            unused = self._folder.warnings(path)
            yield added._replace(mistakes=(*added.mistakes, *unused))

    def _read(self, path: str) -> Added:
        """Parse a file now, so that a running server finds it in the cache."""
        file = self._folder.file(path)
        parser = CachedParser(self._cache / "documents")
        siblings = [Path(each.path) for each in self._assistant.knowledge_files()]
        try:
            found = ingest.read_folder_file(file, self._assistant.languages, siblings, parser)
        except UnreadableFileError as error:
            return Added(path, True, 0, (Mistake(path, "", error.line, error.reason),))
        return Added(path, True, len(found.chunks), tuple(ingest.named(file, found.mistakes)))

    def files(self) -> list[KnowledgeFile]:
        """Return the files of its folder. Raises `AssistantError`."""
        return self._folder.files()

    def remove(self, path: str) -> None:
        """Remove a file. Raises `UnreadableFileError`."""
        self._folder.remove(path)

    async def search(
        self, query: str, language: str, k: int, settings: Settings
    ) -> tuple[tuple[Passage, ...], str]:
        """Return the passages that an answer would get, and why they were found by words only.

        That is "" if vectors were used, or if the assistant names no embedding model. Pieces
        without a vector are embedded first. Raises `AssistantError`.
        """
        problem = ""
        async with Adapters(settings, self._data) as adapters:
            embedder = None
            try:
                embedder = await adapters.embedder(self._assistant)
            except EngineError as error:
                problem = str(error)
            live = LiveKnowledge(self._assistant, self._cache, embedder=embedder)
            await live.refresh()
            if live.vectors is not None:
                try:
                    await live.vectors.embed()
                except EngineError as error:
                    problem = str(error)
            found = await live.search(query, self._assistant.pick_language(language), k)
            return found, problem or (live.vectors.problem if live.vectors is not None else "")


async def find_gaps(store: Store, assistant: str, most: int) -> list[Gap]:
    """Return the gaps in the knowledge, from at most the newest `most` unanswered questions."""
    found: list[tuple[str, str]] = []
    before = None
    while len(found) < most:
        page = await store.questions.newest(
            assistants=[assistant], unanswered=True, before=before, limit=most - len(found)
        )
        found += [(row.text, row.language) for row in page.data]
        if not page.has_more:
            break
        before = page.data[-1].id
    return gaps(found)


def _files(sources: list[Path]) -> Iterator[tuple[Path | FolderFile, str]]:
    """Yield each file and its path in the knowledge: a folder keeps its inner folders.

    A file of a folder is not read through a link that leads out of the folder.
    """
    for source in sources:
        if not source.is_dir():
            yield source, source.name
            continue
        for path in sorted(source.rglob("*")):
            if path.is_file() and suffix_of(path.name) in KINDS:
                inside = path.relative_to(source).as_posix()
                yield FolderFile(source, inside), inside
