"""Test what only the store on disk does: durability, processes, failing disks, migrations."""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Engine
from sqlalchemy.pool import Pool
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlalchemy.sql import ClauseElement

from vivavoce.errors import StoreError
from vivavoce.store.base import Change, Grant, ItemRow, SecretRow, Store
from vivavoce.store.sql import (
    SqlStore,
    database_file,
    database_threads,
    migrations,
    schema,
    statements,
)

from .facts import (
    ALL_KINDS,
    LATER,
    NOON,
    Make,
    call,
    change,
    conversation,
    key,
    response,
    said,
    secret,
    tell,
)

ROOT = Path(__file__).parents[2]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "vivavoce.db"


@pytest.fixture
def make(file: Path) -> Make:
    return lambda: SqlStore.open(file)


@pytest.fixture
def connections() -> Iterator[list[sqlite3.Connection]]:
    """Return the connections that the story opens to a database, the writer's first."""
    opened: list[sqlite3.Connection] = []

    def remember(connection: sqlite3.Connection, _: object) -> None:
        (_, _, path), *_ = connection.execute("PRAGMA database_list").fetchall()
        if path.endswith("/vivavoce.db"):  # a new database is made beside its place
            opened.append(connection)

    event.listen(Pool, "connect", remember)
    yield opened
    event.remove(Pool, "connect", remember)


def child(verb: str, file: Path) -> subprocess.Popen[str]:
    path = os.pathsep.join([str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.Popen(
        [sys.executable, "-m", "tests.store.children", verb, str(file)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
    )


def pragma(connection: sqlite3.Connection, name: str) -> object:
    (value,) = connection.execute(f"PRAGMA {name}").fetchone()
    return value


# Durability


def test_committed_rows_survive_a_kill(file: Path, make: Make) -> None:
    writer = child("write", file)
    assert writer.stdout is not None
    try:
        promised = [writer.stdout.readline().strip() for _ in range(40)]
    finally:
        writer.send_signal(signal.SIGKILL)
    promised += writer.stdout.read().split()  # the ids that it printed before it was killed
    writer.stdout.close()
    assert writer.wait() == -signal.SIGKILL

    async def story(store: Store) -> None:
        kept = [row.item.id for row in await store.items("conv_1")]
        assert len(promised) >= 40
        assert kept[: len(promised)] == promised
        assert len(kept) <= len(promised) + 1  # the one that it committed and did not print
        await store.commit([change(said("item_after"))])

    tell(make, story)


def test_a_commit_waits_for_the_disk(make: Make, connections: list[sqlite3.Connection]) -> None:
    async def story(store: Store) -> None:
        await store.keys()
        for connection in connections:
            assert pragma(connection, "journal_mode") == "wal"
            assert pragma(connection, "synchronous") == 2  # FULL
            assert pragma(connection, "foreign_keys") == 1
            assert pragma(connection, "busy_timeout") == database_threads.BUSY_MS
        writer, reader = connections
        assert pragma(writer, "query_only") == 0
        assert pragma(reader, "query_only") == 1

    tell(make, story)


def test_every_row_is_found_after_a_restart(make: Make) -> None:
    async def before(store: Store) -> None:
        await store.create_conversation(conversation())
        await store.begin_call(call())
        await store.commit([Change("conv_1", tuple(ALL_KINDS), (), (response(),), LATER)])
        await store.add_key(key())
        await store.add_secret(secret())

    async def after(store: Store) -> None:
        assert await store.items("conv_1") == ALL_KINDS
        assert await store.responses("rtc_1") == [response()]
        assert await store.keys() == [key()]
        assert await store.secrets() == [secret()]

    tell(make, before)
    tell(make, after)


# Several processes, one file


def test_a_key_made_or_revoked_by_another_process_counts_at_once(file: Path, make: Make) -> None:
    async def story(store: Store) -> None:
        assert await store.key_by_hash("the other process's") is None
        with child("add_key", file) as other:
            assert await asyncio.to_thread(other.wait) == 0
        found = await store.key_by_hash("the other process's")
        assert found is not None
        assert found.revoked_at is None
        with child("revoke", file) as other:
            assert await asyncio.to_thread(other.wait) == 0
        found = await store.key_by_hash("the other process's")
        assert found is not None
        assert found.revoked_at is not None

    tell(make, story)


def test_a_commit_of_another_process_may_be_a_revocation(file: Path, make: Make) -> None:
    async def story(store: Store) -> None:
        await store.revoked_or_deleted()
        for verb in ("add_key", "revoke"):
            with child(verb, file) as other:
                assert await asyncio.to_thread(other.wait) == 0
            await store.add_key(key(f"key_{verb}", verb))  # its own commit hides nothing
            assert await store.revoked_or_deleted()
            assert not await store.revoked_or_deleted()
        assert await store.revoked(["key_new"]) == {"key_new"}

    tell(make, story)


def test_a_revocation_whose_request_is_cancelled_is_noticed_after_its_commit(
    file: Path, make: Make
) -> None:
    begun = threading.Event()

    def note(*_: object) -> None:
        begun.set()

    async def story(store: Store) -> None:
        await store.add_key(key())
        await store.revoked_or_deleted()
        event.listen(Engine, "before_cursor_execute", note)
        other = sqlite3.connect(file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        revoking = asyncio.create_task(store.revoke_key("key_1", NOON))
        await asyncio.to_thread(begun.wait)  # the writing thread waits for the other connection
        revoking.cancel()
        await asyncio.wait([revoking])
        asking = asyncio.create_task(store.revoked_or_deleted())
        await asyncio.sleep(0)
        other.execute("ROLLBACK")
        other.close()
        assert await asking
        assert await store.revoked(["key_1"]) == {"key_1"}

    try:
        tell(make, story)
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def test_two_processes_use_a_code_only_once(file: Path, make: Make) -> None:
    async def story(store: Store) -> None:
        twin = await SqlStore.open(file)
        try:
            for number in range(20):
                await store.add_code(f"code_{number}", LATER)
                came_in = await asyncio.gather(
                    store.use_code(f"code_{number}", NOON), twin.use_code(f"code_{number}", NOON)
                )
                assert sorted(came_in) == [False, True]
        finally:
            await twin.close()

    tell(make, story)


def test_two_processes_that_start_together_share_a_new_database(file: Path) -> None:
    async def main() -> None:
        stores = await asyncio.gather(*(SqlStore.open(file) for _ in range(4)))
        await stores[0].add_key(key())
        assert [await store.keys() for store in stores] == [[key()]] * 4
        for store in stores:
            await store.close()

    asyncio.run(main())


def test_reads_continue_while_another_process_writes(
    file: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_threads, "BUSY_MS", 200)

    async def story(store: Store) -> None:
        await store.add_key(key())
        other = sqlite3.connect(file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        waits = asyncio.create_task(store.add_key(key("key_2", "bb")))
        for _ in range(20):
            assert await store.keys() == [key()]
        assert not waits.done(), "the reads had to wait for the writer"
        with pytest.raises(StoreError, match="locked"):
            await waits
        with pytest.raises(StoreError, match="locked"):
            await store.ping()
        other.execute("ROLLBACK")
        other.close()
        await store.add_key(key("key_2", "bb"))
        await store.ping()

    tell(make, story)


def test_unknown_credentials_delay_no_commit(
    file: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_threads, "BUSY_MS", 100)

    async def story(store: Store) -> None:
        await store.ping()
        other = sqlite3.connect(file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        assert not await store.use_code("a guess", NOON)
        assert not await store.has_minted("key_1", "cs_guessed")
        assert await store.revoked(["key_1", "cs_guessed"]) == set()
        await asyncio.gather(
            *(store.ping() for _ in range(1000))
        )  # more than the threads' capacity
        other.execute("ROLLBACK")
        other.close()

    tell(make, story)


# When the disk fails


def test_a_full_disk_is_reported_and_survived(
    make: Make, connections: list[sqlite3.Connection]
) -> None:
    async def story(store: Store) -> None:
        await store.create_conversation(conversation())
        await store.commit([change(said("item_1"))])
        (writer, *_) = connections
        pages = pragma(writer, "page_count")
        assert isinstance(pages, int)
        writer.execute(f"PRAGMA max_page_count={pages + 4}").close()
        with pytest.raises(StoreError, match="the disk is full"):
            await store.commit([change(said("item_2"), said("item_3", "words " * 20_000))])
        assert await store.items("conv_1") == [said("item_1")]
        await store.commit([change(said("item_1", "a small thing still fits"))])
        writer.execute("PRAGMA max_page_count=1000000").close()
        await store.commit([change(said("item_3", "words " * 20_000))])
        assert [row.item.id for row in await store.items("conv_1")] == ["item_1", "item_3"]

    tell(make, story)


def test_a_read_only_disk_is_reported(make: Make, connections: list[sqlite3.Connection]) -> None:
    async def story(store: Store) -> None:
        await store.create_conversation(conversation())
        connections[0].execute("PRAGMA query_only=ON").close()
        for refused in (store.ping(), store.commit([change(said("item_1"))])):
            with pytest.raises(StoreError, match="may not be written"):
                await refused
        assert await store.items("conv_1") == []

    tell(make, story)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda file: file.write_bytes(b"these are my memoirs" * 500), "is not a database"),
        (lambda file: file.mkdir(), "cannot be opened"),
        (lambda file: file.parent.rmdir() or file.parent.write_text(""), "cannot be opened"),
    ],
    ids=["another file", "a folder", "no folder"],
)
def test_a_file_that_cannot_be_opened_is_reported(
    file: Path, damage: Callable[[Path], object], sentence: str
) -> None:
    file.parent.mkdir()
    damage(file)
    with pytest.raises(StoreError, match=sentence):
        asyncio.run(SqlStore.open(file))


def test_a_damaged_page_is_reported_and_other_rows_are_read(file: Path, make: Make) -> None:
    async def before(store: Store) -> None:
        await store.create_conversation(conversation())
        await store.commit([change(said(f"item_{n}", "words " * 2000)) for n in range(20)])

    async def after(store: Store) -> None:
        with pytest.raises(StoreError, match="damaged"):
            await store.items("conv_1")
        assert await store.conversation("conv_1") is not None

    tell(make, before)
    database = sqlite3.connect(file)
    (page,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name='items'").fetchone()
    database.close()
    with open(file, "r+b") as damaged:
        damaged.seek((page - 1) * 4096)
        damaged.write(b"\xff" * 4096)
    tell(make, after)


@pytest.mark.parametrize(
    "row",
    [
        replace(said("item_1"), heard_ms=2**63),
        replace(said("item_1"), position=math.nan),
        replace(said("item_1"), voice="\ud800"),
    ],
)
def test_a_value_that_cannot_be_stored_is_reported(make: Make, row: ItemRow) -> None:
    async def story(store: Store) -> None:
        await store.create_conversation(conversation())
        with pytest.raises(StoreError, match="the store refuses"):
            await store.commit([change(row)])
        assert await store.items("conv_1") == []

    tell(make, story)


def test_an_error_does_not_quote_a_value(make: Make) -> None:
    async def story(store: Store) -> None:
        with pytest.raises(StoreError) as refused:
            await store.commit([change(said("item_1", "my secret illness"))])
        error: BaseException | None = refused.value
        while error is not None:
            assert "illness" not in f"{error} {error!r}"
            error = error.__cause__ or error.__context__

    tell(make, story)


def test_a_closed_store_raises_a_store_error(make: Make) -> None:
    async def story(store: Store) -> None:
        await store.close()
        with pytest.raises(StoreError, match="closed"):
            await store.keys()
        with pytest.raises(StoreError, match="closed"):
            await store.commit([])

    tell(make, story)


# Database threads


def test_full_database_threads_refuse_work_until_some_has_ended() -> None:
    async def main() -> None:
        narrow = database_threads.DatabaseThreads(
            create_engine("sqlite://"), "narrow", threads=1, capacity=2
        )
        gate = threading.Event()

        def wait(connection: Connection) -> bool:
            return gate.wait(10)

        two = [asyncio.create_task(narrow.run(wait)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(StoreError, match="too far behind"):
            await narrow.run(wait)
        gate.set()
        assert await asyncio.gather(*two) == [True, True]
        assert await narrow.run(wait)
        await narrow.close()

    asyncio.run(main())


def test_a_cancelled_caller_leaves_the_threads_usable() -> None:
    async def main() -> None:
        narrow = database_threads.DatabaseThreads(
            create_engine("sqlite://"), "narrow", threads=1, capacity=2
        )
        gate, done = threading.Event(), threading.Event()

        def wait(connection: Connection) -> None:
            gate.wait(10)
            done.set()

        for _ in range(2):  # one piece of work has begun, one has not
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(narrow.run(wait), 0.02)
        gate.set()
        await narrow.run(lambda connection: done.wait(10))
        assert done.is_set()
        await narrow.close()

    asyncio.run(main())


# Migrations


def migrated(file: Path) -> Engine:
    asyncio.run(_open_and_close(file))
    return create_engine(f"sqlite:///{file}")


async def _open_and_close(file: Path) -> None:
    await (await SqlStore.open(file)).close()


def test_migrations_lead_to_the_declared_tables(file: Path) -> None:
    engine = migrated(file)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, schema.metadata) == []
        for table in schema.metadata.tables.values():
            if table.foreign_keys:
                sql = connection.exec_driver_sql(
                    "SELECT sql FROM sqlite_master WHERE name = ?", (table.name,)
                ).scalar_one()
                assert "ON DELETE CASCADE" in sql
    engine.dispose()


def test_a_database_of_the_first_version_keeps_its_secrets_and_sign_ins(file: Path) -> None:
    """Secrets minted by a page are dropped, because their rows do not name the sign-in."""
    folder = Path(migrations.__file__).parent
    database_file.make_private(file)
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(folder))
        command.upgrade(config, "0001")
        for name, grant in (
            ("of a key", {"key_id": "key_1", "assistant": "charlotte", "subject": "ann"}),
            ("a cookie", {"key_id": None, "assistant": None, "subject": "owner"}),
            ("of a page", {"key_id": None, "assistant": "charlotte", "subject": "owner"}),
        ):
            connection.exec_driver_sql(
                "INSERT INTO client_secrets VALUES (?, '2026-11-21 12:01:00.000000', ?)",
                (name, json.dumps(grant)),
            )
    engine.dispose()

    async def main() -> dict[str, SecretRow]:
        store = await SqlStore.open(file)
        rows = {row.hash: row for row in await store.secrets()}
        await store.close()
        return rows

    rows = asyncio.run(main())
    assert rows.keys() == {"of a key", "a cookie"}
    minted, cookie = rows["of a key"], rows["a cookie"]
    assert (minted.id[:3], minted.minted_by) == ("cs_", "key_1")
    assert (cookie.id[:3], cookie.minted_by) == ("si_", None)
    assert minted.grant == Grant(assistant="charlotte", subject="ann")
    assert cookie.grant == Grant(subject="owner")
    assert {row.expires_at for row in rows.values()} == {datetime(2026, 11, 21, 12, 1, tzinfo=UTC)}
    assert {row.revoked_at for row in rows.values()} == {None}


def test_revocations_are_queried_by_index(file: Path, make: Make) -> None:
    """The server queries them twice a second while a call is running."""
    asked: list[tuple[str, Any]] = []

    def listen(_: object, cursor: object, statement: str, parameters: Any, *rest: object) -> None:  # noqa: ANN401
        asked.append((statement, parameters))

    async def story(store: Store) -> None:
        event.listen(Engine, "before_cursor_execute", listen)
        try:
            await store.revoked(["key_1", "cs_1"])
        finally:
            event.remove(Engine, "before_cursor_execute", listen)

    tell(make, story)
    asked = [(statement, values) for statement, values in asked if "revoked_at" in statement]
    database = sqlite3.connect(file)
    steps = [
        row[3]
        for statement, values in asked
        for row in database.execute(f"EXPLAIN QUERY PLAN {statement}", values)
    ]
    database.close()
    assert len(steps) == 2
    assert all(step.startswith("SEARCH") and "(id=?)" in step for step in steps), steps


def test_the_last_migration_is_the_expected_one() -> None:
    folder = Path(migrations.__file__).parent
    assert ScriptDirectory(str(folder)).get_current_head() == migrations.HEAD


def test_a_database_of_a_newer_version_is_refused_unchanged(file: Path) -> None:
    engine = migrated(file)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    with pytest.raises(StoreError, match=r"newer version of Vivavoce .*9999.* update Vivavoce"):
        asyncio.run(SqlStore.open(file))
    engine = create_engine(f"sqlite:///{file}")
    with engine.connect() as connection:
        assert migrations.version(connection) == "9999"
    engine.dispose()


def test_another_programs_database_is_refused_unchanged(file: Path) -> None:
    file.parent.mkdir()
    database = sqlite3.connect(file)
    database.execute("CREATE TABLE recipes (name)")
    database.close()
    with pytest.raises(StoreError, match="another program's database"):
        asyncio.run(SqlStore.open(file))
    database = sqlite3.connect(file)
    assert database.execute("SELECT name FROM sqlite_master").fetchall() == [("recipes",)]
    database.close()


def test_a_failed_migration_changes_nothing(
    file: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(connection: Connection) -> None:
        upgrade(connection)
        assert migrations.version(connection) == migrations.HEAD
        raise StoreError("the power fails")

    async def story(store: Store) -> None:
        assert await store.keys() == []

    upgrade = migrations.upgrade
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "upgrade", fail)
        with pytest.raises(StoreError, match="the power fails"):
            asyncio.run(SqlStore.open(file))
    assert list(file.parent.iterdir()) == []
    tell(make, story)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
def test_only_the_owner_may_read_the_database_file(file: Path, make: Make) -> None:
    async def story(store: Store) -> None:
        await store.create_conversation(conversation())
        for path in file.parent.iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700

    tell(make, story)


# PostgreSQL


def test_every_statement_is_valid_for_postgresql_too(make: Make) -> None:
    said_to_sqlite: list[ClauseElement] = []

    def listen(_: object, statement: ClauseElement, *rest: object) -> None:
        said_to_sqlite.append(statement)

    async def story(store: Store) -> None:
        await store.create_conversation(conversation())
        await store.begin_call(call())
        await store.commit([change(deleted=("item_1",)), Change("conv_1", at=LATER)])
        await store.conversations(assistants=["charlotte"], subject="ann", before="conv_1")
        await store.conversation("conv_1")
        await store.items("conv_1")
        await store.calls(assistants=["charlotte", "coach"], subject="ann", before="rtc_1")
        await store.call("rtc_1")
        await store.responses("rtc_1")
        await store.end_call("rtc_1", NOON, "hung_up")
        await store.delete_conversation("conv_1")
        await store.add_key(key())
        await store.keys()
        await store.key("key_1")
        await store.key_by_hash("aa")
        await store.touch_key("key_1", NOON)
        await store.revoke_key("key_1", NOON)
        await store.add_secret(secret())
        await store.secret("cs_1")
        await store.secret_by_hash("aa")
        await store.secrets()
        await store.has_minted("key_1", "cs_1")
        await store.revoke_secret("cs_1", NOON)
        await store.revoked(["key_1", "cs_1"])
        await store.add_code("aa", LATER)
        await store.use_code("aa", NOON)
        await store.sweep(NOON)
        await store.ping()

    event.listen(Engine, "before_execute", listen)
    try:
        tell(make, story)
    finally:
        event.remove(Engine, "before_execute", listen)
    assert len(said_to_sqlite) >= 25
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    for statement in (
        *said_to_sqlite,
        *(CreateTable(table) for table in schema.metadata.sorted_tables),
        *(CreateIndex(index) for t in schema.metadata.sorted_tables for index in t.indexes),
        statements.upsert(schema.items, "postgresql"),
        statements.upsert(schema.responses, "postgresql"),
    ):
        assert isinstance(statement, ClauseElement)
        assert str(statement.compile(dialect=dialect))
    assert "ON CONFLICT" in str(statements.upsert(schema.items, "postgresql"))
