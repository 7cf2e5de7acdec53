"""Files of an assistant's knowledge → chunks, within bounds that its errors name.

The language of a file is its suffix (`food.it.md`), or its folder (`it/food.md`), or the
assistant's first; regions (`en-GB`) share what their language knows. A programme without either has
sentences in all languages that have no programme of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from ..assistants.knowledge_files import DOCUMENTS, bytes_of, suffix_of
from ..errors import AssistantError, Mistake
from ..file_reading import FolderFile, UnreadableFileError, read_bytes, read_text
from ..text import markdown
from ..text.encodings import decode
from . import chunks as cut
from . import schedule
from .chunks import Chunk, sections
from .csv_file import CsvFile, Remark, Row, UnreadableCsvError
from .documents.parsed import DocumentRemark, DocumentTable, ParsedDocument
from .documents.reading import Parser, parse

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


def read_files(
    files: Iterable[FolderFile], languages: Sequence[str], parser: Parser = parse
) -> KnowledgeRead:
    """Return the chunks of all files, in the order of their names, and all mistakes and warnings.

    A document that cannot be parsed is one of the mistakes. Raises `AssistantError` with every
    other file that cannot be read or exceeds a limit.
    """
    chunks: list[Chunk] = []
    fatal: list[Mistake] = []
    mistakes: list[Mistake] = []
    warnings: list[Mistake] = []
    ordered = sorted(set(files))
    siblings = [Path(file.path) for file in ordered]
    characters = 0
    for file in ordered:
        try:
            found = read_folder_file(file, languages, siblings, parser)
        except UnreadableFileError as error:
            fatal.append(Mistake(str(file), "", error.line, error.reason))
            continue
        characters += sum(len(chunk.text) for chunk in found.chunks)
        if characters > CHARACTERS:
            fatal.append(Mistake(str(file), "", None, f"makes it over {CHARACTERS} characters"))
            break
        chunks += found.chunks
        mistakes += named(file, found.mistakes)
        warnings += named(file, found.warnings)
        if len(chunks) > CHUNKS:
            fatal.append(Mistake(str(file), "", None, f"makes it over {CHUNKS} chunks"))
            break
    if fatal:
        raise AssistantError(fatal)
    return KnowledgeRead(tuple(chunks), mistakes, warnings)


def named(file: FolderFile, remarks: Iterable[Remark]) -> list[Mistake]:
    """Return remarks about a file as mistakes with its name."""
    return [Mistake(str(file), r.column, r.line or None, r.message) for r in remarks]


def read_folder_file(
    file: FolderFile, languages: Sequence[str], siblings: Sequence[Path], parser: Parser = parse
) -> DocumentRead:
    """Read one file of any format. `siblings`: all files of the assistant.

    Raises `UnreadableFileError`, with the line if there is one. A document takes a process of its
    own and 0.2 s or more.
    """
    path, suffix = Path(file.path), suffix_of(file.name)
    most = bytes_of(file.name)
    if suffix in DOCUMENTS:
        return _document(path, parser(suffix, read_bytes(file, most)), languages, siblings)
    warnings: list[Remark] = []
    if suffix == ".md":
        text = read_text(file, most)
    else:
        decoded = decode(read_bytes(file, most))
        text = decoded.text
        if not decoded.certain:
            message = f"is not UTF-8; it is read as {decoded.encoding}"
            warnings.append(Remark(0, "", message))
    try:
        found = read_document(path, text, languages, siblings)
    except UnreadableCsvError as error:
        raise UnreadableFileError(str(error), error.line) from None
    return found._replace(warnings=[*warnings, *found.warnings])


def _document(
    path: Path, parsed: ParsedDocument, languages: Sequence[str], siblings: Sequence[Path]
) -> DocumentRead:
    """Return the sections of a document as chunks, and its tables as schedules or rows."""
    language = language_of(path, languages) or _bases(languages)[0]
    found = DocumentRead(
        cut.document(parsed, language, path.name),
        [_remark(each) for each in parsed.mistakes],
        [_remark(each) for each in parsed.warnings],
    )
    for table in parsed.tables:
        read = _table(path, _rows(table), languages, siblings)
        where = f'sheet "{table.place}"' if table.place else ""
        found = DocumentRead(
            [*found.chunks, *(_placed(chunk, table.place) for chunk in read.chunks)],
            [*found.mistakes, *(_in_sheet(each, where) for each in read.mistakes)],
            [*found.warnings, *(_in_sheet(each, where) for each in read.warnings)],
        )
    return _unless_empty(found)


def _rows(table: DocumentTable) -> CsvFile:
    return schedule.read_rows(Row(row.number, list(row.cells)) for row in table.rows)


def _remark(remark: DocumentRemark) -> Remark:
    return Remark(remark.row, remark.place, remark.message)


def _in_sheet(remark: Remark, sheet: str) -> Remark:
    column = ": ".join(filter(None, (sheet, remark.column)))
    return remark._replace(column=column)


def _placed(chunk: Chunk, sheet: str) -> Chunk:
    """Return a chunk of a table with the sheet in its place and in its id."""
    if not sheet:
        return chunk
    place = f'sheet "{sheet}", {chunk.place}'
    return msgspec.structs.replace(chunk, place=place, id=f"{chunk.id}@{sheet}")


def read_document(
    path: Path, text: str, languages: Sequence[str], siblings: Sequence[Path] = ()
) -> DocumentRead:
    """Return the chunks of one file's text, with the mistakes and warnings of all languages.

    A file that is neither CSV nor plain text is read as Markdown. Raises `UnreadableCsvError`.
    """
    languages = _bases(languages)
    marked = language_of(path, languages)
    suffix = path.suffix.lower()
    if suffix == ".txt":
        found = cut.plain_text(text, marked or languages[0], path.name)
        return _unless_empty(DocumentRead(found, [], []))
    if suffix not in (".csv", ".tsv"):
        document = markdown.read(text)
        found = sections(document, marked or languages[0], path.name)
        mistakes = [Remark(line, "", message) for line, message in document.mistakes]
        return _unless_empty(DocumentRead(found, mistakes, []))
    return _unless_empty(_table(path, schedule.read(text), languages, siblings))


def _table(
    path: Path, file: CsvFile, languages: Sequence[str], siblings: Sequence[Path]
) -> DocumentRead:
    """Return the rows of a table: a programme in each language that has none of its own."""
    languages = _bases(languages)
    marked = language_of(path, languages)
    told = [marked or languages[0]]
    if not marked and schedule.is_programme(file):
        own = {language_of(s, languages) for s in siblings if _stem(s) == _stem(path)}
        told = [language for language in languages if language not in own]
    tables = [schedule.chunks(file, language, path.name) for language in told]
    return DocumentRead(
        [chunk for each in tables for chunk in each.chunks],
        list(dict.fromkeys(remark for each in tables for remark in each.mistakes)),
        list(dict.fromkeys(remark for each in tables for remark in each.warnings)),
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


def translations(path: Path, siblings: Sequence[Path]) -> list[str]:
    """Return the names of the files that are this one in other languages, and its own."""
    return [str(each) for each in siblings if _stem(each) == _stem(path)]


def _bases(languages: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(language.split("-")[0] for language in languages))


def _stem(path: Path) -> str:
    return path.name.split(".")[0]
