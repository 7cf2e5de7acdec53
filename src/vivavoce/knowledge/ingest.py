"""Files of an assistant's knowledge → chunks, within bounds that its errors name.

The language of a file is its suffix (`food.it.md`), or its folder (`it/food.md`), or the
assistant's first; regions (`en-GB`) share what their language knows. A programme without either is
read in all languages that have none of their own.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..assistants.knowledge_files import FILE_BYTES
from ..errors import AssistantError, Mistake
from ..file_reading import FolderFile, UnreadableFileError, read_text
from . import schedule
from .chunks import Chunk, markdown

CHARACTERS = 32 * 1024 * 1024  # of one assistant, in all files
CHUNKS = 5000  # of one assistant, in all languages; an index of them takes about 20 MB


def load(files: Iterable[FolderFile], languages: Sequence[str]) -> tuple[Chunk, ...]:
    """Return the chunks of all files, in the order of their names.

    Raises `AssistantError` with every file that cannot be read or exceeds a limit.
    """
    chunks: list[Chunk] = []
    mistakes: list[Mistake] = []
    ordered = sorted(set(files))
    siblings = [Path(file.path) for file in ordered]
    characters = 0
    for file, path in zip(ordered, siblings, strict=True):
        try:
            text = read_text(file, FILE_BYTES)
        except UnreadableFileError as error:
            mistakes.append(Mistake(str(file), "", error.line, error.reason))
            continue
        characters += len(text)
        if characters > CHARACTERS:
            mistakes.append(Mistake(str(file), "", None, f"makes it over {CHARACTERS} characters"))
            break
        try:
            chunks += read(path, text, languages, siblings=siblings)
        except csv.Error as error:
            mistakes.append(Mistake(str(file), "", None, str(error)))
        if len(chunks) > CHUNKS:
            mistakes.append(Mistake(str(file), "", None, f"makes it over {CHUNKS} chunks"))
            break
    if mistakes:
        raise AssistantError(mistakes)
    return tuple(chunks)


def read(
    path: Path, text: str, languages: Sequence[str], siblings: Sequence[Path] = ()
) -> list[Chunk]:
    """Return the chunks of one file's text. A file that is not CSV is read as Markdown."""
    languages = _bases(languages)
    marked = language_of(path, languages)
    if path.suffix.lower() not in (".csv", ".tsv"):
        return markdown(text, marked or languages[0], path.name)
    if marked or not schedule.is_programme(schedule.rows(text)):
        return schedule.table(text, marked or languages[0], path.name)
    own = {language_of(s, languages) for s in siblings if _stem(s) == _stem(path)}
    return [
        chunk
        for language in languages
        if language not in own
        for chunk in schedule.table(text, language, path.name)
    ]


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
