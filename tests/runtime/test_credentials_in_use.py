"""Calls, sidebands and requests that end when a credential is revoked, and those that go on."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from vivavoce.access.auth_failure import AuthFailure
from vivavoce.core.types import Caller
from vivavoce.errors import StoreError
from vivavoce.runtime.credentials_in_use import (
    CHECK_EVERY_S,
    REMEMBERED,
    CredentialsInUse,
    credential_ids,
    watch,
)
from vivavoce.runtime.refusals import CallRefused
from vivavoce.store.base import KeyRow
from vivavoce.store.memory import MemoryStore

from ..support.fakes import now
from ..support.virtual_time import live

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
KEY = Caller(credential="key", key_id="key_1")


@dataclass
class Connection:
    told: list[str] = field(default_factory=list)

    def revoke(self, why: AuthFailure) -> None:
        self.told.append(why.code)


@pytest.mark.parametrize(
    ("caller", "expected"),
    [
        (KEY, ("key_1",)),
        (Caller(credential="secret", secret_id="cs_1", key_id="key_1"), ("cs_1", "key_1")),
        (Caller(credential="secret", secret_id="cs_1", sign_in_id="si_1"), ("cs_1", "si_1")),
        (Caller(credential="secret", secret_id="cs_1"), ("cs_1",)),
        (Caller(credential="cookie", sign_in_id="si_1"), ("si_1",)),
    ],
)
def test_a_caller_depends_on_its_credential_and_on_the_one_that_minted_it(
    caller: Caller, expected: tuple[str, ...]
) -> None:
    assert credential_ids(caller) == expected


@pytest.mark.parametrize(
    ("revoked", "code"),
    [("cs_1", "secret_revoked"), ("key_1", "key_revoked"), ("si_1", "signed_out")],
)
def test_revoking_any_credential_of_the_chain_ends_its_dependents(revoked: str, code: str) -> None:
    in_use, mine, others = CredentialsInUse(), Connection(), Connection()
    in_use.hold(("cs_1", "key_1", "si_1"), mine)
    in_use.hold(("cs_2", "key_2", "si_2"), others)
    assert in_use.revoke(revoked) == [mine]
    assert (mine.told, others.told) == ([code], [])
    for name in ("cs_1", "key_1", "si_1"):  # one goodbye is enough
        assert in_use.revoke(name) == []
    assert in_use.ids == ("cs_2", "key_2", "si_2")


class Broken(Connection):
    def revoke(self, why: AuthFailure) -> None:
        raise RuntimeError("its own bug")


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
            await asyncio.sleep(CHECK_EVERY_S + 0.02)
            assert [d.told for d in (older, newer)] == [["key_revoked"]] * 2
            assert later.told == ["key_revoked"] * number
        await stop(watching)

    live(story())
    assert [record.getMessage() for record in caplog.records] == ["revocation_failed"]


def test_a_released_hold_is_forgotten() -> None:
    in_use, one, other = CredentialsInUse(), Connection(), Connection()
    release = in_use.hold(("cs_1", "key_1"), one)
    in_use.hold(("cs_2", "key_1"), other)
    release()
    release()  # twice does no harm
    assert in_use.ids == ("key_1", "cs_2")
    assert in_use.revoke("key_1") == [other]
    assert not in_use.ids
    assert one.told == []


def test_hold_with_a_credential_that_was_just_revoked_ends_the_dependent() -> None:
    in_use, late = CredentialsInUse(), Connection()
    in_use.revoke("key_1")
    release = in_use.hold(("cs_1", "key_1"), late)
    assert late.told == ["key_revoked"]
    assert not in_use.ids
    release()


def test_a_limited_number_of_revocations_is_remembered() -> None:
    in_use, late = CredentialsInUse(), Connection()
    for number in range(REMEMBERED + 1):
        in_use.revoke(f"cs_{number}")
    in_use.hold(("cs_0",), late)
    assert late.told == []
    in_use.hold(("cs_1",), late)
    assert late.told == ["secret_revoked"]


def test_a_request_that_waits_is_refused_when_its_key_is_revoked() -> None:
    async def story() -> None:
        in_use = CredentialsInUse()
        asyncio.get_running_loop().call_at(2, in_use.revoke, "key_1")
        with pytest.raises(CallRefused) as refused:
            async with in_use.while_valid(KEY):
                await asyncio.sleep(5)
        assert (refused.value.status, refused.value.code) == (401, "key_revoked")
        assert refused.value.close == 3000
        assert (now(), in_use.ids) == (2, ())
        with pytest.raises(CallRefused):
            async with in_use.while_valid(KEY):
                await asyncio.sleep(5)
        assert now() == 2

    live(story())


def test_a_request_that_waits_for_something_else_is_left_alone() -> None:
    async def story() -> None:
        in_use = CredentialsInUse()
        asyncio.get_running_loop().call_at(2, in_use.revoke, "key_2")
        with pytest.raises(TimeoutError):
            async with in_use.while_valid(KEY), asyncio.timeout(3):
                await asyncio.sleep(5)
        with pytest.raises(ZeroDivisionError):
            async with in_use.while_valid(KEY):
                raise ZeroDivisionError
        async with in_use.while_valid(KEY):
            await asyncio.sleep(1)
        assert (now(), in_use.ids) == (4, ())

    live(story())


def test_a_request_that_is_being_refused_can_be_cancelled() -> None:
    async def story() -> None:
        in_use = CredentialsInUse()

        async def wait() -> None:
            async with in_use.while_valid(KEY):
                await asyncio.sleep(5)

        task = asyncio.create_task(wait())
        await asyncio.sleep(1)
        task.cancel()
        in_use.revoke("key_1")
        await asyncio.wait([task])
        assert task.cancelled()

    live(story())


# What another process revokes


class Asked(MemoryStore):
    """Knows when it was asked, and is broken at times."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[float, tuple[str, ...]]] = []
        self.broken: Exception | None = None

    async def revoked(self, credential_ids: Collection[str]) -> set[str]:
        self.asked.append((now(), tuple(credential_ids)))
        await asyncio.sleep(0.01)
        if self.broken:
            raise self.broken
        return await super().revoked(credential_ids)


async def watched(store: Asked, in_use: CredentialsInUse) -> asyncio.Task[None]:
    for name in ("key_1", "key_2"):
        await store.add_key(KeyRow(name, "", name, NOON))

    def revoke(names: Collection[str]) -> None:
        for name in names:
            in_use.revoke(name)

    return asyncio.create_task(watch(store, in_use, revoke))


async def stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


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
            await asyncio.sleep(CHECK_EVERY_S + 0.02)
            assert (call.told, others.told) == (["key_revoked"], [])
        await stop(watching)

    live(story())


def test_the_store_is_asked_twice_a_second_and_only_while_there_is_something() -> None:
    async def story() -> None:
        store, in_use = Asked(), CredentialsInUse()
        watching = await watched(store, in_use)
        await asyncio.sleep(100)
        assert store.asked == []
        releases = [in_use.hold((f"cs_{n}", "key_1"), Connection()) for n in range(3)]
        await asyncio.sleep(10)
        assert 19 <= len(store.asked) <= 20
        assert {ids for _, ids in store.asked} == {("cs_0", "key_1", "cs_1", "cs_2")}
        for release in releases:
            release()
        store.asked.clear()
        await asyncio.sleep(100)
        assert store.asked == []
        await stop(watching)

    live(story())


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
        await asyncio.sleep(CHECK_EVERY_S + 0.02)
        assert call.told == ["key_revoked"]
        await stop(watching)

    live(story())
