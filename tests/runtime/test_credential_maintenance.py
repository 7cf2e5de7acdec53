"""Note uses of keys at once, and store them later without delaying a call."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from tests.support.virtual_time import live
from vivavoce.access import keys
from vivavoce.core.types import Caller
from vivavoce.errors import StoreError
from vivavoce.runtime.credential_maintenance import NOTES, CredentialMaintenance
from vivavoce.store.base import Grant, SecretRow
from vivavoce.store.memory import MemoryStore

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def now() -> datetime:
    return START + timedelta(seconds=asyncio.get_running_loop().time())


class Counting(MemoryStore):
    """Count the writes, and fail while `broken` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.touches = 0
        self.broken = False

    async def touch_key(self, key_id: str, at: datetime) -> None:
        if self.broken:
            raise StoreError("the disk is full")
        self.touches += 1
        await asyncio.sleep(0.01)
        await super().touch_key(key_id, at)


async def stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


def test_a_key_in_frequent_use_is_stored_once_a_minute() -> None:
    async def story() -> None:
        store = Counting()
        _, row = await keys.create(store, "busy", now())
        upkeep = CredentialMaintenance(store, now)
        task: asyncio.Task[None] = asyncio.create_task(upkeep.run())
        for _ in range(600):
            upkeep.note(Caller(credential="key", key_id=row.id))
            await asyncio.sleep(0.5)
        assert 4 <= store.touches <= 6
        await stop(task)
        await upkeep.write()
        found = await store.key(row.id)
        assert found is not None
        assert found.last_used_at == START + timedelta(seconds=299.5)

    live(story())


def test_a_key_used_during_a_write_does_not_delay_other_keys() -> None:
    async def story() -> None:
        store = Counting()
        rows = [(await keys.create(store, name, now()))[1] for name in ("busy", "quiet")]
        upkeep = CredentialMaintenance(store, now)
        for row in rows:
            upkeep.note(Caller(credential="key", key_id=row.id))
        writing = asyncio.create_task(upkeep.write())
        await asyncio.sleep(0.005)
        upkeep.note(Caller(credential="key", key_id=rows[0].id))
        await writing
        assert [row.last_used_at for row in await store.keys()] == [START, START]
        await upkeep.write()
        busy, quiet = await store.key(rows[0].id), await store.key(rows[1].id)
        assert busy is not None
        assert quiet is not None
        assert busy.last_used_at == START + timedelta(seconds=0.005)
        assert quiet.last_used_at == START

    live(story())


def test_a_failing_disk_loses_no_note() -> None:
    async def story() -> None:
        store = Counting()
        store.broken = True
        _, row = await keys.create(store, "laptop", now())
        upkeep = CredentialMaintenance(store, now)
        task: asyncio.Task[None] = asyncio.create_task(upkeep.run())
        upkeep.note(Caller(credential="key", key_id=row.id))
        await asyncio.sleep(150)
        store.broken = False
        await asyncio.sleep(60)
        found = await store.key(row.id)
        assert found is not None
        assert found.last_used_at == START
        await stop(task)

    live(story())


def test_secrets_that_ended_a_day_ago_are_deleted_within_an_hour() -> None:
    async def story() -> None:
        store = MemoryStore()
        task: asyncio.Task[None] = asyncio.create_task(CredentialMaintenance(store, now).run())
        await asyncio.sleep(1)
        await store.add_secret(SecretRow("cs_1", "aa", now() + timedelta(seconds=10), Grant()))
        await asyncio.sleep(24 * 3600 + 3700)
        assert await store.secrets() == []
        await stop(task)

    live(story())


def test_notes_are_bounded_and_cookies_make_none() -> None:
    async def story() -> None:
        store = Counting()
        upkeep = CredentialMaintenance(store, now)
        upkeep.note(Caller(credential="cookie"))
        for number in range(NOTES + 10):
            upkeep.note(Caller(credential="key", key_id=f"key_{number}"))
        await upkeep.write()
        assert store.touches == NOTES

    live(story())
