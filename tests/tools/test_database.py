"""The database of an assistant: its migrations, its statements and its limits, on real files."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import sys
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

import pytest

from vivavoce.app.catalogue import check_assistant
from vivavoce.errors import AssistantError
from vivavoce.tools import migrations
from vivavoce.tools.database import AssistantDatabase, DatabaseError

T = TypeVar("T")

FIRST = """-- the seats of an evening
CREATE TABLE seats (day TEXT PRIMARY KEY, free INTEGER NOT NULL CHECK (free >= 0)) STRICT;
INSERT INTO seats VALUES ('2027-03-01', 4);
"""
ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"


class Evening(StrEnum):
    FIRST = "2027-03-01"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "ada"
    write(folder, "0001_first.sql", FIRST)
    return folder


def write(folder: Path, name: str, sql: str) -> None:
    (folder / "migrations").mkdir(parents=True, exist_ok=True)
    (folder / "migrations" / name).write_text(sql)


def use(folder: Path, story: Callable[[AssistantDatabase], Awaitable[T]], **limits: float) -> T:
    """Open the database of an assistant, tell the story, and close it."""

    async def told() -> T:
        path = folder.parent / "databases/ada.db"
        database = AssistantDatabase(path, folder, **limits)  # type: ignore[arg-type]
        try:
            return await story(database)
        finally:
            await database.close()

    return asyncio.run(told())


async def free(db: AssistantDatabase) -> int:
    row = await db.fetch_one("SELECT free FROM seats WHERE day = ?", date(2027, 3, 1))
    assert row is not None
    return int(row["free"])


def fails(folder: Path, sql: str, **limits: float) -> DatabaseError:
    with pytest.raises(DatabaseError) as caught:
        use(folder, lambda db: db.fetch(sql), **limits)
    return caught.value


# Statements


def test_statements_read_and_change_rows(folder: Path) -> None:
    async def story(db: AssistantDatabase) -> None:
        assert not db.path.exists()  # it opens with the first statement
        assert await free(db) == 4
        changed = await db.execute("UPDATE seats SET free = :free WHERE day = :day",
                                   {"free": 2, "day": Evening.FIRST})  # fmt: skip
        assert (changed, await free(db)) == (1, 2)
        added = await db.fetch_one("INSERT INTO seats VALUES (?, 9) RETURNING free", "2027-03-02")
        assert added == {"free": 9}
        assert await db.fetch_one("SELECT 1 FROM seats WHERE free = 7") is None

    use(folder, story)
    assert use(folder, free) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_other_users_cannot_read_the_file(folder: Path) -> None:
    use(folder, free)
    path = folder.parent / "databases/ada.db"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_statement_without_an_end_is_stopped(folder: Path) -> None:
    assert str(fails(folder, ENDLESS, statement_s=0.05)) == (
        "databases/ada.db: a statement took over 0.05 s."
    )


def test_rows_are_bounded(folder: Path) -> None:
    series = (
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 11) SELECT x FROM n"
    )
    assert "more than 10 rows" in str(fails(folder, series, rows=10))
    assert len(use(folder, lambda db: db.fetch(series), rows=11)) == 11


@pytest.mark.parametrize("sql", ["ATTACH 'other.db' AS other", "BEGIN", "COMMIT", "SAVEPOINT one"])
def test_other_files_and_transactions_of_its_own_are_refused(folder: Path, sql: str) -> None:
    assert "not authorized" in str(fails(folder, sql))


def test_a_broken_rule_of_the_tables_is_told_apart(folder: Path) -> None:
    broken = fails(folder, "UPDATE seats SET free = -1")
    assert broken.constraint
    assert str(broken) == "databases/ada.db: CHECK constraint failed: free >= 0"
    assert not fails(folder, "SELECT * FROM chairs").constraint


def test_a_file_of_something_else_is_named(folder: Path) -> None:
    (folder.parent / "databases").mkdir()
    (folder.parent / "databases/ada.db").write_text("no database at all" * 100)
    assert str(fails(folder, "SELECT 1")) == "databases/ada.db: file is not a database"


# Transactions


async def take_too_many(db: AssistantDatabase) -> None:
    async with db.transaction() as together:
        await together.execute("UPDATE seats SET free = free - 1")
        await together.execute("UPDATE seats SET free = free - 9")


def test_a_transaction_is_kept_whole_or_not_at_all(folder: Path) -> None:
    async def story(db: AssistantDatabase) -> None:
        async with db.transaction() as together:
            await together.execute("UPDATE seats SET free = free - 1")
            await together.execute("UPDATE seats SET free = free - 1")
        assert await free(db) == 2
        with pytest.raises(DatabaseError, match="CHECK"):
            await take_too_many(db)
        assert await free(db) == 2
        with pytest.raises(DatabaseError, match="this transaction is over"):
            await together.execute("UPDATE seats SET free = 0")

    use(folder, story)


def test_a_cancelled_tool_leaves_nothing_behind(folder: Path) -> None:
    async def story(db: AssistantDatabase) -> None:
        changed = asyncio.Event()

        async def tool() -> None:
            async with db.transaction() as together:
                await together.execute("UPDATE seats SET free = 0")
                changed.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(tool())
        await changed.wait()
        task.cancel()
        await asyncio.wait({task})
        assert await free(db) == 4

    use(folder, story)


def test_the_database_inside_of_its_own_transaction_says_what_to_use(folder: Path) -> None:
    async def story(db: AssistantDatabase) -> None:
        async with db.transaction():
            with pytest.raises(DatabaseError, match=r"Inside .* use `db`"):
                await free(db)

    use(folder, story, wait_s=0.01)


def test_twenty_tools_at_once_take_turns(folder: Path) -> None:
    async def take(db: AssistantDatabase) -> None:
        async with db.transaction() as together:
            row = await together.fetch_one("SELECT free FROM seats")
            assert row is not None
            await together.execute("UPDATE seats SET free = ?", row["free"] + 1)

    async def story(db: AssistantDatabase) -> int:
        await asyncio.gather(*(take(db) for _ in range(20)))
        return await free(db)

    assert use(folder, story) == 24


# Migrations


def test_only_new_migrations_are_applied(folder: Path) -> None:
    use(folder, free)
    write(folder, "0002_hall.sql", "ALTER TABLE seats ADD COLUMN hall TEXT DEFAULT 'big';")
    assert use(folder, lambda db: db.fetch("SELECT * FROM seats")) == [
        {"day": "2027-03-01", "free": 4, "hall": "big"}
    ]
    with closing(sqlite3.connect(folder.parent / "databases/ada.db")) as file:
        names = file.execute(f"SELECT name FROM {migrations.TABLE}").fetchall()
    assert names == [("0001_first.sql",), ("0002_hall.sql",)]


def test_line_ends_of_a_checkout_are_no_change(folder: Path) -> None:
    use(folder, free)
    (folder / "migrations/0001_first.sql").write_bytes(FIRST.replace("\n", "\r\n").encode())
    assert use(folder, free) == 4


@pytest.mark.parametrize(
    ("name", "sql", "told"),
    [
        ("0001_first.sql", FIRST + "-- more", "0001_first.sql: has changed since"),
        ("0000_zero.sql", "SELECT 1;", "0000_zero.sql: is new, and the database has had 0001"),
    ],
)
def test_what_the_database_has_had_must_not_change(
    folder: Path, name: str, sql: str, told: str
) -> None:
    use(folder, free)
    write(folder, name, sql)
    problem = str(fails(folder, "SELECT 1"))
    assert problem.startswith(f"databases/ada.db cannot be used: ada/migrations/{told}")


def test_a_missing_migration_is_named(folder: Path) -> None:
    use(folder, free)
    (folder / "migrations/0001_first.sql").rename(folder / "migrations/0002_second.sql")
    assert "0001_first.sql: is missing" in str(fails(folder, "SELECT 1"))


def test_a_broken_migration_leaves_no_trace(folder: Path) -> None:
    write(folder, "0002_more.sql", "CREATE TABLE more (x);\nINSERT INTO\n  mroe VALUES (1);")
    told = "ada/migrations/0002_more.sql:2: no such table: mroe"
    assert told in str(fails(folder, "SELECT 1"))
    write(folder, "0002_more.sql", "CREATE TABLE more (x);")
    assert use(folder, lambda db: db.fetch("SELECT * FROM more")) == []


# `vivavoce assistants check`


def mistakes(folder: Path) -> list[str]:
    (folder / "assistant.toml").write_text(
        'name = "ada"\nengine = "scripted"\ninstructions.default = "Help."\n'
    )
    try:
        check_assistant(folder)
    except AssistantError as error:
        return [str(each) for each in error.mistakes]
    return []


def test_the_check_tries_the_migrations(folder: Path) -> None:
    assert mistakes(folder) == []
    write(folder, "0002_more.sql", "CREATE TABLE seats (x); COMMIT;")
    assert mistakes(folder) == ["ada/migrations/0002_more.sql:1: table seats already exists"]
    write(folder, "0002_more.sql", "SELECT 1; COMMIT;")
    assert mistakes(folder) == ["ada/migrations/0002_more.sql:1: not authorized"]


def test_the_check_names_every_misnamed_file(folder: Path) -> None:
    write(folder, "0001_again.sql", "SELECT 1;")
    write(folder, "first.sql", "SELECT 1;")
    write(folder, "notes.md", "Not a migration.")
    assert mistakes(folder) == [
        "ada/migrations/0001_first.sql: another file has the number 0001, too",
        "ada/migrations/first.sql: must be named like 0001_first.sql",
    ]
