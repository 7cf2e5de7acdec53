"""Find the files of `[knowledge] paths`, and check them."""

from __future__ import annotations

import fnmatch
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from ..file_reading import (
    FolderFile,
    MissingFileError,
    OutsideFolderError,
    UnreadableFileError,
    entries,
    read_bytes,
    read_text,
    shown,
)
from .validation import FieldProblem, ValidationContext, stays_inside

FILE_BYTES = 2 * 1024 * 1024  # of one text file: Markdown, CSV, plain text
DOCUMENT_BYTES = 32 * 1024 * 1024  # of one document
BYTES = 32 * 1024 * 1024  # of all text files
DOCUMENTS_BYTES = 256 * 1024 * 1024  # of all documents
FILES = 1000
ENTRIES = 100_000  # of directories, per pattern
DIRECTORIES = 2_000  # listed for one pattern: each costs a millisecond
DEPTH = 40  # directories inside each other: to open one costs a step for each above it
TEXTS = (".md", ".csv", ".tsv", ".txt")
DOCUMENTS = (".pdf", ".docx", ".xlsx", ".ics", ".html", ".htm")
"""The formats that a parser reads in a process of its own."""
KINDS = TEXTS + DOCUMENTS
WILD = re.compile(r"[*?\[]")


def found(patterns: Iterable[str], folder: Path) -> list[FolderFile]:
    """Return the readable files that the patterns match now, sorted by name, each once.

    `check` reports the others. Raises `UnreadableFileError` if a directory cannot be listed.
    """
    names = {name for pattern in patterns for name in matching(pattern, folder)}
    fit = sorted(name for name in names if _unfit_name(name) is None)
    if len(fit) > FILES:
        raise UnreadableFileError(_too_many(len(fit)))
    return [FolderFile(folder, name) for name in fit]


def matching(pattern: str, folder: Path) -> set[str]:
    """Return the names that one pattern matches. Raises `UnreadableFileError`.

    A pattern without wildcards is returned even if the file does not exist. `**` follows no link.
    Any other step follows links that stay inside the folder.
    """
    parts = PurePosixPath(pattern).parts
    if not WILD.search(pattern):
        return {"/".join(parts)}
    return _Search(folder, parts).run()


class _Search:
    """Walk through the directories that a pattern leads to, each once."""

    def __init__(self, folder: Path, parts: tuple[str, ...]) -> None:
        self._folder = folder
        self._parts = parts
        self._found: set[str] = set()
        self._ahead: list[tuple[str, int]] = [("", 0)]  # directories, and the step to take there
        self._seen: set[tuple[str, int]] = set()
        self._left = ENTRIES
        self._listed = 0

    def run(self) -> set[str]:
        while self._ahead:
            place = self._ahead.pop()
            if place not in self._seen:
                self._seen.add(place)
                self._visit(*place)
        return self._found

    def _visit(self, directory: str, step: int) -> None:
        part, last = self._parts[step], step == len(self._parts) - 1
        if not last and not WILD.search(part):
            self._ahead.append((_join(directory, part), step + 1))
        elif part == "**":
            self._visit_all(directory, step, last=last)
        else:
            self._visit_some(directory, step, last=last)

    def _visit_all(self, directory: str, step: int, *, last: bool) -> None:
        if not last:
            self._ahead.append((directory, step + 1))
        for name, is_directory, _ in self._list(directory):
            if is_directory:
                self._ahead.append((_join(directory, name), step))
            elif last:
                self._take(_join(directory, name))

    def _visit_some(self, directory: str, step: int, *, last: bool) -> None:
        fits = re.compile(fnmatch.translate(self._parts[step]), _CASE).match
        for name, is_directory, is_link in self._list(directory):
            if not fits(name):
                continue
            if not last and (is_directory or is_link):
                self._ahead.append((_join(directory, name), step + 1))
            elif last and not (is_directory and suffix_of(name) not in KINDS):
                self._take(_join(directory, name))

    def _take(self, name: str) -> None:
        """Add a name, unless it begins with a dot: editors and systems make such files."""
        if not name.rpartition("/")[2].startswith("."):
            self._found.add(name)

    def _list(self, directory: str) -> Iterator[tuple[str, bool, bool]]:
        self._listed += 1
        if self._listed > DIRECTORIES:
            raise UnreadableFileError(f"looks through more than {DIRECTORIES} directories")
        if directory.count("/") >= DEPTH:
            raise UnreadableFileError(f"looks through directories that are more than {DEPTH} deep")
        try:
            listed = entries(self._folder, directory)
        except MissingFileError:  # or a link to a file, where the pattern has a directory
            return
        except UnreadableFileError as error:
            raise UnreadableFileError(f'"{shown(directory)}" {error.reason}') from None
        self._left -= len(listed)
        if self._left < 0:
            raise UnreadableFileError(f"looks through more than {ENTRIES} files and directories")
        yield from listed


_CASE = re.IGNORECASE if os.name == "nt" else 0


def _join(directory: str, name: str) -> str:
    return f"{directory}/{name}" if directory else name


def suffix_of(name: str) -> str:
    """Return the suffix of a name in lower case, which decides its format."""
    return PurePosixPath(name).suffix.lower()


def bytes_of(name: str) -> int:
    """Return how many bytes a file of this name may have."""
    return DOCUMENT_BYTES if suffix_of(name) in DOCUMENTS else FILE_BYTES


def check(patterns: tuple[str, ...], context: ValidationContext) -> Iterator[FieldProblem]:
    """Yield the problems of the patterns, and of every file that they match."""
    seen: set[str] = set()
    size = Counter[bool]()  # of texts and of documents
    for index, pattern in enumerate(patterns):
        if (message := _unfit_pattern(pattern)) is not None:
            yield FieldProblem(message, (index,))
            continue
        try:
            matched = matching(pattern, context.folder) - seen
        except UnreadableFileError as error:
            yield FieldProblem(error.reason, (index,))
            continue
        seen |= matched
        if len(seen) > FILES:
            yield FieldProblem(_too_many(len(seen)))
            return
        for name in sorted(matched):
            problem, read = _check_file(name, context.folder, index, named=not WILD.search(pattern))
            size[suffix_of(name) in DOCUMENTS] += read
            if problem is not None:
                yield problem
    if size[False] > BYTES:
        yield FieldProblem(f"match more than {BYTES} bytes in all")
    if size[True] > DOCUMENTS_BYTES:
        yield FieldProblem(f"match documents of more than {DOCUMENTS_BYTES} bytes in all")


def _too_many(count: int) -> str:
    return f"match {count} files; at most {FILES} are read"


def _unfit_pattern(pattern: str) -> str | None:
    if not stays_inside(pattern):
        return f'"{pattern}" must be a path inside the assistant\'s folder'
    if any("**" in part and part != "**" for part in pattern.split("/")):
        return f'"{pattern}": "**" must stand alone between slashes'
    return None


def _unfit_name(name: str) -> str | None:
    if not name.isprintable():
        return f'"{shown(name)}": a name must have no characters that cannot be shown'
    if suffix_of(name) not in KINDS:
        return f'"{name}": only these formats are read: {", ".join(KINDS)}'
    return None


def _check_file(
    name: str, folder: Path, index: int, *, named: bool
) -> tuple[FieldProblem | None, int]:
    """Return a problem of one file, and its bytes. `named`: a pattern is exactly its name."""
    try:
        if (message := _unfit_name(name)) is not None:
            return FieldProblem(message, (index,)), 0
        file = FolderFile(folder, name)
        if suffix_of(name) == ".md":
            size = len(read_text(file, FILE_BYTES).encode())
        else:  # of any encoding, or no text
            size = len(read_bytes(file, bytes_of(name)))
    except MissingFileError as error:
        if named:
            return FieldProblem(
                f'there is no file "{name}" in the assistant\'s folder', (index,)
            ), 0
        return FieldProblem(error.reason, (index,), name), 0
    except OutsideFolderError as error:
        return FieldProblem(f'"{name}" {error.reason}', (index,)), 0
    except UnreadableFileError as error:
        return FieldProblem(error.reason, (index,), name, error.line), 0
    return None, size
