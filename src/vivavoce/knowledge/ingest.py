"""Files of an assistant's knowledge → chunks, within bounds that its errors name.

The language of a file is its suffix (`food.it.md`), or its folder (`it/food.md`), or the
assistant's first; regions (`en-GB`) share what their language knows. A programme without either has
sentences in all languages that have no programme of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from ..assistants.knowledge_files import FILE_BYTES
from ..errors import AssistantError, Mistake
from ..file_reading import FolderFile, UnreadableFileError, read_text
from ..text import markdown
from . import schedule
from .chunks import Chunk, sections
from .csv_file import Remark, UnreadableCsvError

CHARACTERS = 32 * 1024 * 1024  # of one assistant, in all files
CHUNKS = 5000  # of one assistant, in all languages; an index of them takes about 20 MB


class KnowledgeRead(NamedTuple):
    """The chunks of an assistant's files, and what their author should know.

    `mistakes` are rows and comments that cannot be used as they are written. `warnings` name the
    other parts that are not read.
    """

    chunks: tuple[Chunk, ...]
    mistakes: list[Mistake]
    warnings: list[Mistake]


class DocumentRead(NamedTuple):
    """The chunks of one file, and what its author should know."""

    chunks: list[Chunk]
    mistakes: list[Remark]
    warnings: list[Remark]


def read_files(files: Iterable[FolderFile], languages: Sequence[str]) -> KnowledgeRead:
    """Return the chunks of all files, in the order of their names, with mistakes and warnings.

    Raises `AssistantError` with every file that cannot be read or exceeds a limit.
    """
    chunks: list[Chunk] = []
    fatal: list[Mistake] = []
    mistakes: list[Mistake] = []
    warnings: list[Mistake] = []
    ordered = sorted(set(files))
    siblings = [Path(file.path) for file in ordered]
    characters = 0
    for file, path in zip(ordered, siblings, strict=True):
        try:
            text = read_text(file, FILE_BYTES)
        except UnreadableFileError as error:
            fatal.append(Mistake(str(file), "", error.line, error.reason))
            continue
        characters += len(text)
        if characters > CHARACTERS:
            fatal.append(Mistake(str(file), "", None, f"makes it over {CHARACTERS} characters"))
            break
        try:
            found = read_document(path, text, languages, siblings=siblings)
        except UnreadableCsvError as error:
            fatal.append(Mistake(str(file), "", error.line, str(error)))
            continue
        chunks += found.chunks
        mistakes += _with_file(file, found.mistakes)
        warnings += _with_file(file, found.warnings)
        if len(chunks) > CHUNKS:
            fatal.append(Mistake(str(file), "", None, f"makes it over {CHUNKS} chunks"))
            break
    if fatal:
        raise AssistantError(fatal)
    return KnowledgeRead(tuple(chunks), mistakes, warnings)


def _with_file(file: FolderFile, remarks: Iterable[Remark]) -> list[Mistake]:
    return [Mistake(str(file), r.column, r.line or None, r.message) for r in remarks]


def read_document(
    path: Path, text: str, languages: Sequence[str], siblings: Sequence[Path] = ()
) -> DocumentRead:
    """Return the chunks of one file's text, with the mistakes and warnings of all languages.

    A file that is not CSV is read as Markdown. Raises `UnreadableCsvError`.
    """
    languages = _bases(languages)
    if path.suffix.lower() in (".csv", ".tsv"):
        return _read_table(path, text, languages, siblings)
    document = markdown.read(text)
    found = sections(document, language_of(path, languages) or languages[0], path.name)
    mistakes = [Remark(line, "", message) for line, message in document.mistakes]
    return _unless_empty(DocumentRead(found, mistakes, []))


def _read_table(
    path: Path, text: str, languages: Sequence[str], siblings: Sequence[Path]
) -> DocumentRead:
    """Return the sentences of a CSV file, in each language that has no programme of its own."""
    file = schedule.read(text)
    own = language_of(path, languages)
    spoken = [own or languages[0]]
    if not own and schedule.is_programme(file):
        others = {language_of(s, languages) for s in siblings if _stem(s) == _stem(path)}
        spoken = [language for language in languages if language not in others]
    if not spoken:
        return DocumentRead([], [], [])
    tables = [schedule.chunks(file, language, path.name) for language in spoken]
    return _unless_empty(
        DocumentRead(
            [chunk for each in tables for chunk in each.chunks],
            list(dict.fromkeys(remark for each in tables for remark in each.mistakes)),
            list(dict.fromkeys(remark for each in tables for remark in each.warnings)),
        )
    )


def _unless_empty(found: DocumentRead) -> DocumentRead:
    """Warn of a file in which there is nothing to say."""
    if found.chunks or found.mistakes:
        return found
    return found._replace(warnings=[*found.warnings, Remark(0, "", "has no text to answer with")])


def language_of(path: Path, languages: Sequence[str]) -> str | None:
    """Return the language that a path names, without its region."""
    bases = _bases(languages)
    for part in (*reversed(path.name.split(".")[1:-1]), path.parent.name):
        if part.split("-")[0] in bases:
            return part.split("-")[0]
    return None


def _bases(languages: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(language.split("-")[0] for language in languages))


def _stem(path: Path) -> str:
    return path.name.split(".")[0]
