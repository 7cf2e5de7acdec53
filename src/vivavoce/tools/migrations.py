"""Read and apply the migrations of an assistant's database: `migrations/0001_first.sql`, and so on.

The database remembers the name and the hash of each migration that it has had. A migration runs
inside one transaction, so a broken one leaves no trace. One that was applied must not change
afterwards: another file corrects it.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import AssistantError, Mistake
from ..file_reading import FolderFile, MissingFileError, UnreadableFileError, entries, read_text

FOLDER = "migrations"
FILE_BYTES = 1024 * 1024
FILES = 500
NAME = re.compile(r"\d{4}_[a-z0-9_]{1,60}\.sql")
TABLE = "vivavoce_migrations"

_CREATE = f"CREATE TABLE IF NOT EXISTS {TABLE} (name TEXT PRIMARY KEY, sha256 TEXT NOT NULL) STRICT"
_OWN_WORK = frozenset({
    sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH,
    sqlite3.SQLITE_TRANSACTION, sqlite3.SQLITE_SAVEPOINT,
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Migration:
    """One file. `name`: without its folder."""

    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """The hash of the text. It does not depend on the line ends of a checkout."""
        return hashlib.sha256(self.sql.replace("\r\n", "\n").encode()).hexdigest()

    def statements(self) -> Iterator[tuple[int, str]]:
        """Yield each statement, with the line on which it begins."""
        begin = 0
        for end in (found.end() for found in re.finditer(";", self.sql)):
            statement = self.sql[begin:end]
            if sqlite3.complete_statement(statement):
                yield self._line(begin), statement
                begin = end
        if self.sql[begin:].strip():
            yield self._line(begin), self.sql[begin:]

    def _line(self, at: int) -> int:
        blank = len(self.sql[at:]) - len(self.sql[at:].lstrip())
        return self.sql.count("\n", 0, at + blank) + 1


def refuse_own_work(action: int, *_: object) -> int:
    """Refuse what an author may not do: other files, and transactions of their own."""
    return sqlite3.SQLITE_DENY if action in _OWN_WORK else sqlite3.SQLITE_OK


def read(folder: Path) -> tuple[Migration, ...] | None:
    """Return the migrations of an assistant's folder in order. None: it has no database.

    Raises `AssistantError` with every mistake in names and files.
    """
    try:
        found = entries(folder, FOLDER)
    except MissingFileError:
        return None
    except UnreadableFileError as error:
        raise AssistantError([Mistake(f"{folder.name}/{FOLDER}", "", None, error.reason)]) from None
    names = [each.name for each in found if each.name.endswith(".sql")]
    mistakes = list(_misnamed(folder, names))
    migrations: list[Migration] = []
    for name in names[:FILES]:
        try:
            sql = read_text(FolderFile(folder, f"{FOLDER}/{name}"), FILE_BYTES)
            migrations.append(Migration(name, sql))
        except UnreadableFileError as error:
            mistakes.append(_mistake(folder, name, error.reason, error.line))
    if mistakes:
        raise AssistantError(mistakes)
    return tuple(migrations)


def _misnamed(folder: Path, names: Sequence[str]) -> Iterator[Mistake]:
    if not names:
        yield Mistake(f"{folder.name}/{FOLDER}", "", None, "has no file like 0001_first.sql")
    if len(names) > FILES:
        yield Mistake(f"{folder.name}/{FOLDER}", "", None, f"has more than {FILES} files")
    before = ""
    for name in names:
        if not NAME.fullmatch(name):
            yield _mistake(folder, name, "must be named like 0001_first.sql")
        elif name[:4] == before:
            yield _mistake(folder, name, f"another file has the number {before}, too")
        before = name[:4]


def _mistake(folder: Path, name: str, message: str, line: int | None = None) -> Mistake:
    return Mistake(f"{folder.name}/{FOLDER}/{name}", "", line, message)


def apply(connection: sqlite3.Connection, folder: Path, migrations: Sequence[Migration]) -> int:
    """Apply what the database has not had yet, and return how many those were.

    `connection`: in autocommit mode. Raises `AssistantError`, and `sqlite3.Error` for what the
    database itself refuses.
    """
    connection.execute(_CREATE)
    held = dict(connection.execute(f"SELECT name, sha256 FROM {TABLE}").fetchall())
    mistakes = list(_changed(folder, migrations, held))
    if mistakes:
        raise AssistantError(mistakes)
    waiting = [each for each in migrations if each.name not in held]
    for migration in waiting:
        connection.execute("BEGIN IMMEDIATE")
        try:
            _run(connection, folder, migration)
            row = (migration.name, migration.sha256)
            connection.execute(f"INSERT INTO {TABLE} VALUES (?, ?)", row)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    return len(waiting)


def _changed(
    folder: Path, migrations: Sequence[Migration], held: dict[str, str]
) -> Iterator[Mistake]:
    """Name the files that are not what the database has had."""
    known = {each.name for each in migrations}
    newest = max(held, default="")
    for migration in migrations:
        name = migration.name
        if name in held and held[name] != migration.sha256:
            yield _mistake(folder, name, "has changed since the database has had it")
        elif name not in held and name < newest:
            yield _mistake(folder, name, f"is new, and the database has had {newest} already")
    for name in sorted(held.keys() - known):
        yield _mistake(folder, name, "is missing, and the database has had it")


def _run(connection: sqlite3.Connection, folder: Path, migration: Migration) -> None:
    """Run the statements of one file inside the open transaction. Raises `AssistantError`."""
    for line, statement in migration.statements():
        connection.set_authorizer(refuse_own_work)
        try:
            connection.execute(statement).fetchall()
        except (sqlite3.Error, sqlite3.Warning) as error:
            raise AssistantError([_mistake(folder, migration.name, str(error), line)]) from None
        finally:
            connection.set_authorizer(None)


def check(folder: Path) -> list[Mistake]:
    """Apply the migrations of a folder to an empty database in memory, and return the mistakes."""
    try:
        migrations = read(folder)
        if migrations is None:
            return []
        connection = sqlite3.connect(":memory:", isolation_level=None)
        try:
            connection.execute("PRAGMA foreign_keys = ON")
            apply(connection, folder, migrations)
        finally:
            connection.close()
    except AssistantError as error:
        return error.mistakes
    return []
