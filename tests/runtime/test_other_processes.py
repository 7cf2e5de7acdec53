"""What other processes revoke and delete while calls run, and how little is asked meanwhile."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from vivavoce.access.auth_failure import AuthFailure
from vivavoce.errors import StoreError
from vivavoce.runtime.call_registry import InProcessCallRegistry
from vivavoce.runtime.credentials_in_use import CredentialsInUse
from vivavoce.runtime.other_processes import (
    ANSWER_WITHIN_S,
    CHECK_EVERY_S,
    deletions,
    revocations,
    watch,
)
from vivavoce.store.base import CallRow, ConversationRow, KeyRow
from vivavoce.store.memory import MemoryStore
from vivavoce.store.sql import SqlStore
from vivavoce.store.sql.database_threads import DatabaseThreads

from ..support.fakes import now
from ..support.virtual_time import live
from .test_call_registry import FakeDriver, ring, unread

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SOON_S = CHECK_EVERY_S + 0.02


@dataclass
class Connection:
    told: list[str] = field(default_factory=list)

    def revoke(self, why: AuthFailure) -> None:
        self.told.append(why.code)


class Broken(Connection):
    def revoke(self, why: AuthFailure) -> None:
        raise RuntimeError("its own bug")


class Asked(MemoryStore):
    """Knows when it was asked, and is broken at times."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[float, tuple[str, ...]]] = []
        self.broken: Exception | None = None
        self.looks = 0
        self.look_broken: Exception | None = None
        self.look_s = 0.0

    async def revoked(self, credential_ids: Collection[str]) -> set[str]:
        self.asked.append((now(), tuple(credential_ids)))
        await asyncio.sleep(0.01)
        if self.broken:
            raise self.broken
        return await super().revoked(credential_ids)

    async def revoked_or_deleted(self) -> bool:
        self.looks += 1
        await asyncio.sleep(self.look_s)
        if self.look_broken:
            raise self.look_broken
        return await super().revoked_or_deleted()


async def watched(store: Asked, in_use: CredentialsInUse) -> asyncio.Task[None]:
    for name in ("key_1", "key_2"):
        await store.add_key(KeyRow(name, "", name, NOON))

    def revoke(names: Collection[str]) -> None:
        for name in names:
            in_use.revoke(name)

    return asyncio.create_task(watch(store, revocations(store, in_use, revoke)))


async def stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


# Revocations


def test_a_revocation_by_another_process_is_noticed_within_a_second() -> None:
    async def story() -> None:
        store, in_use = Asked(), CredentialsInUse()
        watching = await watched(store, in_use)
        for tenth in range(10):  # whenever it is
            call, others = Connection(), Connection()
            in_use.hold(("cs_1", f"key_{tenth + 3}"), call)
            in_use.hold(("key_2",), others)
            await store.add_key(KeyRow(f"key_{tenth + 3}", "", f"{tenth}", NOON))
            await asyncio.sleep(10 + tenth / 10 - now() % 1)
            await store.revoke_key(f"key_{tenth + 3}", NOON)
            await asyncio.sleep(SOON_S)
            assert (call.told, others.told) == (["key_revoked"], [])
        await stop(watching)

    live(story())


def test_the_store_is_asked_about_each_id_once_and_about_all_after_a_revocation() -> None:
    async def story() -> None:
        store, in_use = Asked(), CredentialsInUse()
        watching = await watched(store, in_use)
        await asyncio.sleep(100)
        assert (store.looks, store.asked) == (0, []), "nothing is in use"
        releases = [in_use.hold((f"cs_{n}", "key_1"), Connection()) for n in range(3)]
        await asyncio.sleep(10)
        assert 19 <= store.looks <= 20, "twice a second"
        assert [ids for _, ids in store.asked] == [("cs_0", "key_1", "cs_1", "cs_2")]
        releases.append(in_use.hold(("cs_3", "key_1"), Connection()))
        await asyncio.sleep(10)
        assert [ids for _, ids in store.asked[1:]] == [("cs_3",)]
        await store.revoke_key("key_2", NOON)
        await asyncio.sleep(10)
        assert [ids for _, ids in store.asked[2:]] == [("cs_0", "key_1", "cs_1", "cs_2", "cs_3")]
        for release in releases:
            release()
        store.looks = 0
        await asyncio.sleep(100)
        assert store.looks == 0
        await stop(watching)

    live(story())


def test_a_call_that_begins_after_its_revocation_was_noticed_ends_too() -> None:
    """Its key was still valid when the caller was identified."""

    async def story() -> None:
        store, in_use, late = Asked(), CredentialsInUse(), Connection()
        watching = await watched(store, in_use)
        in_use.hold(("key_2",), Connection())
        await asyncio.sleep(10)
        await store.revoke_key("key_1", NOON)
        await asyncio.sleep(10)
        assert [ids for _, ids in store.asked] == [("key_2",)] * 2
        in_use.hold(("key_1",), late)
        await asyncio.sleep(SOON_S)
        assert late.told == ["key_revoked"]
        await stop(watching)

    live(story())


def test_an_id_that_comes_into_use_again_is_asked_about_again() -> None:
    async def story() -> None:
        store, in_use = Asked(), CredentialsInUse()
        watching = await watched(store, in_use)
        in_use.hold(("key_2",), Connection())
        for _ in range(2):
            release = in_use.hold(("key_1",), Connection())
            await asyncio.sleep(10)
            release()
            await asyncio.sleep(10)
        assert [ids for _, ids in store.asked] == [("key_2", "key_1"), ("key_1",)]
        await stop(watching)

    live(story())


def test_a_dependent_that_fails_keeps_no_other_alive_and_the_store_is_asked_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story() -> None:
        store, in_use = Asked(), CredentialsInUse()
        older, broken, newer, later = Connection(), Broken(), Connection(), Connection()
        for dependent in (older, broken, newer):
            in_use.hold(("key_1",), dependent)
        in_use.hold(("key_2",), later)
        watching = await watched(store, in_use)
        for number, key in enumerate(("key_1", "key_2")):
            await store.revoke_key(key, NOON)
            await asyncio.sleep(SOON_S)
            assert [d.told for d in (older, newer)] == [["key_revoked"]] * 2
            assert later.told == ["key_revoked"] * number
        await stop(watching)

    live(story())
    assert [record.getMessage() for record in caplog.records] == ["revocation_failed"]


# A store that fails, and one that is busy


@pytest.mark.parametrize("error", [StoreError("the disk is on fire"), KeyError("a bug")])
def test_a_store_that_fails_ends_no_call_and_is_asked_again(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        store, in_use, call = Asked(), CredentialsInUse(), Connection()
        watching = await watched(store, in_use)
        in_use.hold(("key_1",), call)
        store.broken = error
        await store.revoke_key("key_1", NOON)
        await asyncio.sleep(60)
        assert call.told == []
        assert [record.getMessage() for record in caplog.records] == ["revocations_not_checked"]
        store.broken = None
        await asyncio.sleep(SOON_S)
        assert call.told == ["key_revoked"]
        await stop(watching)

    live(story())


@pytest.mark.parametrize(
    ("error", "logged"), [(StoreError("full"), []), (KeyError("a bug"), ["changes_not_checked"])]
)
def test_a_store_that_cannot_say_whether_it_changed_is_asked_about_all_ids(
    error: Exception, logged: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        store, in_use, call = Asked(), CredentialsInUse(), Connection()
        watching = await watched(store, in_use)
        in_use.hold(("key_1",), call)
        store.look_broken = error
        await asyncio.sleep(60)
        await store.revoke_key("key_1", NOON)
        await asyncio.sleep(SOON_S)
        assert call.told == ["key_revoked"]
        await stop(watching)

    live(story())
    assert [record.getMessage() for record in caplog.records] == logged


def test_a_store_that_is_busy_with_writing_delays_no_revocation() -> None:
    async def story() -> None:
        store, in_use, call = Asked(), CredentialsInUse(), Connection()
        watching = await watched(store, in_use)
        in_use.hold(("key_1",), call)
        store.look_s = 4
        await asyncio.sleep(60)
        await store.revoke_key("key_1", NOON)
        await asyncio.sleep(SOON_S + ANSWER_WITHIN_S)
        assert call.told == ["key_revoked"]
        await stop(watching)

    live(story())


# A database file that another connection changes


class Noticed(SqlStore):
    """Says when it was asked about conversations, after it was asked about credentials."""

    def __init__(self, *threads: DatabaseThreads) -> None:
        super().__init__(*threads)
        self.asked = asyncio.Event()

    async def missing_conversations(self, conversation_ids: Collection[str]) -> set[str]:
        missing = await super().missing_conversations(conversation_ids)
        self.asked.set()
        return missing


async def serving(store: SqlStore) -> None:
    """Store two keys and two conversations with a call each."""
    for n in (1, 2):
        await store.add_key(KeyRow(f"key_{n}", "", f"{n}", NOON))
        new = ConversationRow(f"conv_{n}", "echo", None, None, NOON, NOON)
        row = CallRow(f"rtc_{n}", f"conv_{n}", "echo", None, "websocket", "cascade", NOON)
        await store.begin_call(row, new)


def execute(file: Path, *statements: str) -> None:
    with closing(sqlite3.connect(file)) as other, other:
        for statement in statements:
            other.execute(statement)


@pytest.mark.parametrize("locks", [False, True], ids=["", "while it locks the file"])
def test_a_call_ends_when_another_connection_deletes_its_conversation_or_revokes_its_key(
    tmp_path: Path, locks: bool
) -> None:
    file = tmp_path / "vivavoce.db"

    async def story() -> None:
        store = await Noticed.open(file)
        await serving(store)
        async with InProcessCallRegistry() as registry, asyncio.timeout(10):
            calls = [ring(registry, n, f"conv_{n}") for n in (1, 2)]
            phones = [FakeDriver(call) for call in calls]
            for phone in phones:
                phone.call.connect(phone, unread)
            checks = (
                revocations(store, registry.in_use, registry.revoke),
                deletions(store, registry),
            )
            watching = asyncio.create_task(watch(store, *checks))
            caller = Connection()
            registry.in_use.hold(("key_1",), caller)
            await store.asked.wait()
            execute(
                file,
                "UPDATE api_keys SET revoked_at = created_at WHERE id = 'key_1'",
                "DELETE FROM conversations WHERE id = 'conv_2'",
            )
            other = sqlite3.connect(file, isolation_level=None)
            other.execute("BEGIN IMMEDIATE" if locks else "BEGIN")
            await calls[1].over.wait()
            assert (caller.told, phones[0].told) == (["key_revoked"], [])
            other.close()
            calls[0].over.set()
            await stop(watching)
        await store.close()

    asyncio.run(story())
