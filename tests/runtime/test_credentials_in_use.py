"""Calls, sidebands and requests that end when a credential is revoked, and those that go on."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from vivavoce.access.auth_failure import AuthFailure
from vivavoce.core.types import Caller
from vivavoce.runtime.credentials_in_use import REMEMBERED, CredentialsInUse, credential_ids
from vivavoce.runtime.refusals import CallRefused

from ..support.fakes import now
from ..support.virtual_time import live

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
