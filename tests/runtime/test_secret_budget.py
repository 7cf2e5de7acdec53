"""Count client secrets that are valid against the limits of their minter and of their user."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from vivavoce.runtime.refusals import CallRefused
from vivavoce.runtime.secret_budget import SECRET_BYTES, SecretBudget, SecretLimits
from vivavoce.store.base import Grant, SecretRow

NOW = datetime(2026, 12, 1, tzinfo=UTC)
TEN_MINUTES = timedelta(minutes=10)


def budget(*, minter: int = 10, user: int = 10, size: int = 10_000) -> SecretBudget:
    return SecretBudget(per_minter=SecretLimits(minter, size), per_user=SecretLimits(user, size))


def saying(size: int, user: str | None = None) -> Grant:
    return Grant(subject=user, session={"instructions": "x" * size})


def refused(of: SecretBudget, minter: str, grant: Grant, at: datetime = NOW) -> bool:
    try:
        of.drop(of.reserve(minter, grant, at))
    except CallRefused as why:
        return (why.status, why.code, why.retry_s) == (429, "rate_limit_exceeded", 60)
    return False


def minted(of: SecretBudget, minter: str, grant: Grant, secret_id: str) -> None:
    of.keep(of.reserve(minter, grant, NOW), secret_id, NOW + TEN_MINUTES)


def test_X8_a_minter_and_a_user_have_so_many_valid_secrets() -> None:
    secrets = budget(minter=3, user=2)
    minted(secrets, "key_1", saying(1, "eve"), "cs_1")
    minted(secrets, "key_2", saying(1, "eve"), "cs_2")
    assert refused(secrets, "key_3", saying(1, "eve"))
    assert not refused(secrets, "key_3", saying(1, "bob"))
    minted(secrets, "key_1", saying(1), "cs_3")
    minted(secrets, "key_1", saying(1), "cs_4")
    assert refused(secrets, "key_1", saying(1))
    assert not refused(secrets, "key_2", saying(1))


def test_X8_the_sessions_of_a_minters_secrets_have_a_sum() -> None:
    secrets = budget(size=2000)
    minted(secrets, "key_1", saying(1500), "cs_1")
    assert refused(secrets, "key_1", saying(500))
    assert not refused(secrets, "key_1", saying(1))
    assert not refused(secrets, "key_2", saying(1500))


def test_X8_a_session_that_is_too_large_for_a_secret_is_an_error_of_its_own() -> None:
    with pytest.raises(CallRefused) as caught:
        SecretBudget().reserve("key_1", saying(SECRET_BYTES), NOW)
    assert (caught.value.status, caught.value.param) == (400, "session")


@pytest.mark.parametrize("end", ["revoked", "expired"])
def test_a_secret_that_ended_is_counted_no_longer(end: str) -> None:
    secrets = budget(user=1)
    minted(secrets, "key_1", saying(1, "eve"), "cs_1")
    assert refused(secrets, "key_1", saying(1, "eve"), NOW + TEN_MINUTES / 2)
    if end == "revoked":
        secrets.revoke("cs_1")
        secrets.revoke("cs_1")
    at = NOW if end == "revoked" else NOW + TEN_MINUTES
    assert not refused(secrets, "key_1", saying(1, "eve"), at)


def test_a_server_counts_the_secrets_that_were_minted_before_it_started() -> None:
    secrets = budget(user=1)
    ends = NOW + TEN_MINUTES
    rows = [
        SecretRow("cs_1", "a", ends, saying(1, "eve"), "key_1"),
        SecretRow("cs_2", "b", NOW - TEN_MINUTES, saying(1, "old"), "key_1"),
        SecretRow("cs_3", "c", ends, saying(1, "gone"), "key_1", revoked_at=NOW),
        SecretRow("si_1", "d", ends, saying(1, "signed_in")),
    ]
    secrets.load(rows, NOW)
    assert refused(secrets, "key_2", saying(1, "eve"))
    for user in ("old", "gone", "signed_in"):
        assert not refused(secrets, "key_2", saying(1, user))
