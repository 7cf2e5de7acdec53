"""Damaged databases: each is reported in a sentence, and none is taken for a new one."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vivavoce.app.data_folder import DataFolder
from vivavoce.app.storage import find_damage
from vivavoce.cli.main import app
from vivavoce.store.base import Store
from vivavoce.store.sql import SqlStore

from .facts import call, change, conversation, key, said, tell

SECRET = "the blue door is behind the mirror"


def fill(file: Path) -> None:
    async def story(store: Store) -> None:
        await store.add_key(key())
        await store.create_conversation(conversation())
        await store.begin_call(call())
        await store.commit([change(said(f"item_{n}", "words " * 500)) for n in range(20)])

    tell(lambda: SqlStore.open(file), story)


def sql(*statements: str) -> Callable[[Path], object]:
    def damage(file: Path) -> None:
        with closing(sqlite3.connect(file, isolation_level=None)) as database:
            for statement in statements:
                database.execute(statement)

    return damage


def write(at: int, data: bytes) -> Callable[[Path], object]:
    def damage(file: Path) -> None:
        with file.open("r+b") as opened:
            opened.seek(at)
            opened.write(data)

    return damage


def other_log(file: Path) -> None:
    """Put a log without its database into the folder."""
    file.rename(file.with_name("lost"))
    file.with_name(file.name + "-wal").write_bytes(b"\x37\x7f\x06\x82" + bytes(4096))


def replace_by(make: Callable[[Path], object]) -> Callable[[Path], object]:
    def damage(file: Path) -> None:
        file.unlink()
        make(file)

    return damage


FORGED = "PRAGMA writable_schema=ON"
DAMAGES: dict[str, Callable[[Path], object]] = {
    "an empty file": lambda file: os.truncate(file, 0),
    "a file of zeros": lambda file: file.write_bytes(bytes(file.stat().st_size)),
    "a text": lambda file: file.write_text("these are my memoirs\n" * 500),
    "ten bytes": lambda file: os.truncate(file, 10),
    "one page": lambda file: os.truncate(file, 4096),
    "half of it": lambda file: os.truncate(file, file.stat().st_size // 2 // 4096 * 4096),
    "half a page less": lambda file: os.truncate(file, file.stat().st_size - 2048),
    "another header": write(0, b"SQLite format 9\0"),
    "another page size": write(16, b"\x00\x03"),
    "a torn schema": write(100, b"\xff" * 3900),
    "nothing but its header": write(100, bytes(80_000)),
    "no tables": replace_by(sql("CREATE TABLE a (b)", "DROP TABLE a")),
    "no version": sql("DELETE FROM alembic_version"),
    "two versions": sql("INSERT INTO alembic_version VALUES ('0001')"),
    "a version that is no text": sql("UPDATE alembic_version SET version_num = x'ff'"),
    "a newer version": sql("UPDATE alembic_version SET version_num = '9999'"),
    "a missing table": sql("DROP TABLE responses"),
    "another missing table": sql("DROP TABLE items"),
    "a missing column": sql("ALTER TABLE conversations DROP COLUMN language"),
    "a schema that is no SQL": sql(FORGED, "UPDATE sqlite_master SET sql = 'x' WHERE name='items'"),
    "a table whose page is missing":
        sql(FORGED, "UPDATE sqlite_master SET rootpage = 99999 WHERE name='conversations'"),
    "a time that is none": sql("UPDATE conversations SET updated_at = 'yesterday'"),
    "a time that is a number": sql("UPDATE conversations SET created_at = 7"),
    "bytes for a text": sql("UPDATE conversations SET updated_at = x'ff'"),
    "text that is no Unicode": sql("UPDATE conversations SET assistant = CAST(x'ff' AS TEXT)"),
    "a log without its database": other_log,
    "a folder": replace_by(lambda file: file.mkdir()),
    "a pipe": replace_by(lambda file: os.mkfifo(file)),
    "a link to nothing": replace_by(lambda file: file.symlink_to("nowhere")),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_X19_every_damage_is_a_sentence_and_never_a_new_database(tmp_path: Path, name: str) -> None:
    file = tmp_path / "data/vivavoce.db"
    fill(file)
    DAMAGES[name](file)
    was = file.stat().st_size if file.is_file() else None
    for words in (["conversations", "list"], ["keys", "create"]):
        done = CliRunner().invoke(app, [*words, "--data-dir", str(file.parent)])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        if (words[0] == "keys" and "time" in name) or name.startswith(("bytes", "text that")):
            continue  # another table, which is sound
        assert done.exit_code == 1, done.stdout
        assert done.stderr.startswith("error: The database cannot be used: ")
        assert "Traceback" not in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert (file.stat().st_size if file.is_file() else None) == was or "time" in name


@pytest.mark.parametrize("name", ["bytes for a text", "text that is no Unicode"])
def test_X19_a_row_that_cannot_be_read_is_a_sentence_where_it_is_read(
    tmp_path: Path, name: str
) -> None:
    file = tmp_path / "data/vivavoce.db"
    fill(file)
    DAMAGES[name](file)
    done = CliRunner().invoke(app, ["conversations", "list", "--data-dir", str(file.parent)])
    assert done.exit_code == 1
    assert "error: The database cannot be used" in done.stderr


def test_X19_damage_in_a_place_that_is_rarely_read_is_found_by_reading_all(tmp_path: Path) -> None:
    data = DataFolder(tmp_path / "data")
    fill(data.database)
    assert asyncio.run(find_damage(data)) is None
    with closing(sqlite3.connect(data.database)) as database:
        query = "SELECT rootpage FROM sqlite_master WHERE name='ix_calls_started_at_id'"
        (page,) = database.execute(query).fetchone()
    write((page - 1) * 4096, b"\xff" * 4096)(data.database)
    assert "damaged" in (asyncio.run(find_damage(data)) or "")
    done = CliRunner().invoke(app, ["doctor", "--data-dir", str(data.root), "--json"])
    assert '"check": "database",\n    "ok": false' in done.stdout


def test_X19_a_log_with_commits_that_the_database_lacks_is_not_damage(tmp_path: Path) -> None:
    """A process that is killed leaves a log, which the next one replays."""
    file = tmp_path / "data/vivavoce.db"
    fill(file)
    writer = sqlite3.connect(file, isolation_level=None)
    writer.execute("PRAGMA wal_autocheckpoint=0")
    writer.execute("UPDATE conversations SET assistant = 'after'")
    copy = tmp_path / "copy"
    shutil.copytree(file.parent, copy)
    writer.close()

    async def story(store: Store) -> None:
        found = await store.conversation("conv_1")
        assert found is not None
        assert found.assistant == "after"

    tell(lambda: SqlStore.open(copy / "vivavoce.db"), story)


# Deleted words


def kept(folder: Path) -> bool:
    """Return whether any file of the folder still has the words."""
    return any(SECRET.encode() in file.read_bytes() for file in folder.iterdir())


def test_X20_deleted_words_are_in_no_file_while_the_store_is_open(tmp_path: Path) -> None:
    file = tmp_path / "data/vivavoce.db"

    async def story(store: Store) -> None:
        await store.create_conversation(conversation())
        await store.commit([change(said(f"item_{n}", f"{SECRET} {n} " * 300)) for n in range(9)])
        assert kept(file.parent)
        assert await store.delete_conversation("conv_1")
        assert not kept(file.parent)
        assert file.with_name("vivavoce.db-wal").stat().st_size == 0

    tell(lambda: SqlStore.open(file), story)
    assert not kept(file.parent)


def test_X20_a_deleted_item_leaves_the_files_too(tmp_path: Path) -> None:
    file = tmp_path / "data/vivavoce.db"

    async def story(store: Store) -> None:
        await store.create_conversation(conversation())
        await store.commit([change(said("item_1", SECRET))])
        await store.commit([change(deleted=("item_1",))])
        assert await store.items("conv_1") == []
        (forgetting,) = [task for task in asyncio.all_tasks() if task.get_name() == "forget"]
        await forgetting
        assert not kept(file.parent)

    tell(lambda: SqlStore.open(file), story)


def test_X20_words_leave_the_log_when_the_last_reader_ends(tmp_path: Path) -> None:
    file = tmp_path / "data/vivavoce.db"

    async def story(store: Store) -> None:
        await store.create_conversation(conversation())
        await store.commit([change(said("item_1", SECRET))])
        reader = sqlite3.connect(file, isolation_level=None)
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM items").fetchone() == (1,)
        deleting = asyncio.create_task(store.delete_conversation("conv_1"))
        await store.create_conversation(conversation("conv_2"))  # it does not wait for the reader
        assert kept(file.parent)
        reader.close()
        assert await deleting
        assert not kept(file.parent)

    tell(lambda: SqlStore.open(file), story)


def test_X20_a_second_opening_in_the_same_process_keeps_the_locks_of_the_first(
    tmp_path: Path,
) -> None:
    """Another process must see that the database is in use, or it would delete its log."""
    file = tmp_path / "data/vivavoce.db"

    async def story(store: Store) -> None:
        await store.create_conversation(conversation())
        second = await SqlStore.open(file)
        assert await second.damage() is None
        await second.close()
        other = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); "
        other += "print(c.execute('SELECT count(*) FROM conversations').fetchone()); c.close()"
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", other, str(file))
        assert await process.wait() == 0
        assert file.with_name("vivavoce.db-wal").exists()
        await store.create_conversation(conversation("conv_2"))
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as reader:
            assert reader.execute("SELECT count(*) FROM conversations").fetchone() == (2,)

    tell(lambda: SqlStore.open(file), story)
