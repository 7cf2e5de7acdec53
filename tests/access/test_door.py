"""Who comes in, who does not, and what they are told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.virtual_time import live
from vivavoce.access import client_secrets, door, keys, sign_in, tokens
from vivavoce.access.client_secrets import ClientSecret
from vivavoce.access.refusal import Refusal
from vivavoce.core.values import Caller
from vivavoce.errors import InvalidRequest
from vivavoce.store.base import Grant, KeyRow
from vivavoce.store.memory import MemoryStore

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
OWNER = Caller(credential="cookie", subject=sign_in.OWNER, browser=True)

Story = Callable[[MemoryStore], Awaitable[None]]


def tell(story: Story) -> None:
    async def main() -> None:
        await story(MemoryStore())

    live(main())


async def enters(store: MemoryStore, credential: str | None, at: datetime = NOW) -> Caller:
    caller = await door.identify(store, credential, at)
    assert isinstance(caller, Caller), caller
    return caller


async def is_refused(store: MemoryStore, credential: str | None, at: datetime = NOW) -> Refusal:
    refusal = await door.identify(store, credential, at)
    assert isinstance(refusal, Refusal), refusal
    assert (refusal.status, refusal.code) == (401, "invalid_api_key")
    assert not credential or credential not in refusal.message
    return refusal


async def minted(
    store: MemoryStore, caller: Caller, grant: Grant, seconds: int = 600
) -> ClientSecret:
    secret = await client_secrets.mint(store, caller, grant, NOW, seconds)
    assert isinstance(secret, ClientSecret), secret
    return secret


# API keys


def test_a_key_opens_the_door() -> None:
    async def story(store: MemoryStore) -> None:
        key, row = await keys.create(store, "laptop", NOW)
        assert await enters(store, key) == Caller(credential="key", key_id=row.id)

    tell(story)


def test_a_key_that_is_bound_to_an_assistant_stays_so() -> None:
    async def story(store: MemoryStore) -> None:
        key, row = await keys.create(store, "laptop", NOW, assistant="charlotte")
        caller = await enters(store, key)
        assert caller == Caller(credential="key", key_id=row.id, assistant="charlotte")

    tell(story)


def test_a_key_is_nowhere_but_in_the_hands_of_who_made_it() -> None:
    async def story(store: MemoryStore) -> None:
        key, row = await keys.create(store, "laptop", NOW)
        assert key.startswith("vv_")
        assert len(key) == 46
        assert row.id.startswith("key_")
        assert key not in repr(await store.keys())
        assert key[3:] not in repr(await store.keys())
        assert (await keys.create(store, "laptop", NOW))[0] != key

    tell(story)


def test_a_revoked_key_is_refused_from_the_next_use_on() -> None:
    async def story(store: MemoryStore) -> None:
        key, row = await keys.create(store, "laptop", NOW)
        await enters(store, key)
        await store.revoke_key(row.id, NOW)
        assert "revoked" in (await is_refused(store, key)).message

    tell(story)


def test_a_key_expires_to_the_second() -> None:
    async def story(store: MemoryStore) -> None:
        key, _ = await keys.create(store, "laptop", NOW, expires_at=NOW + SECOND)
        await enters(store, key, NOW)
        assert "expired" in (await is_refused(store, key, NOW + SECOND)).message

    tell(story)


def test_without_a_credential_nothing_is_open() -> None:
    async def story(store: MemoryStore) -> None:
        for nothing in (None, ""):
            assert "didn't provide" in (await is_refused(store, nothing)).message
            assert isinstance(await door.identify_cookie(store, nothing, NOW), Refusal)

    tell(story)


class Unreachable(MemoryStore):
    """A store that is never asked."""

    async def key_by_hash(self, hash: str) -> KeyRow | None:
        raise AssertionError("nobody should look this up")

    async def secret(self, hash: str, now: datetime) -> Grant | None:
        raise AssertionError("nobody should look this up")


BODY = "0" * 43


@pytest.mark.parametrize(
    "hostile",
    [
        "vv_",
        "ek_",
        "sk-" + BODY,
        "vv_" + BODY[1:],
        "vv_" + BODY + "0",
        "VV_" + BODY,
        " vv_" + BODY,
        "vv_" + BODY + "\n",
        "vv_" + BODY[1:] + "é",
        "vv_" + BODY[1:] + "٣",  # a digit, but none of ours
        "vv_" + BODY[1:] + "\x00",
        "vv_" + BODY[1:] + "\ud800",
        "vv_" + "' OR '1'='1" + BODY,
        "ek_" + BODY + "\n",
        "ek_" + BODY[1:] + "\ud800",
        "vv_" + "0" * 10_000_000,
        "ek_" + "0" * 10_000_000,
        "\U0001f511",
    ],
    ids=lambda text: ascii(text[:24]),
)
def test_what_cannot_be_a_credential_never_reaches_the_store(hostile: str) -> None:
    async def main() -> None:
        await is_refused(Unreachable(), hostile)
        as_cookie = hostile.replace("vv_", "vs_").replace("ek_", "vs_")
        assert isinstance(await door.identify_cookie(Unreachable(), as_cookie, NOW), Refusal)

    live(main())


def test_keys_that_were_never_made_are_refused() -> None:
    async def story(store: MemoryStore) -> None:
        key, _ = await keys.create(store, "laptop", NOW)
        for wrong in ("vv_" + BODY, "ek_" + key[3:], key[:-1] + ("0" if key[-1] != "0" else "1")):
            await is_refused(store, wrong)

    tell(story)


def test_a_hash_is_no_key() -> None:
    async def story(store: MemoryStore) -> None:
        _, row = await keys.create(store, "laptop", NOW)
        await is_refused(store, row.hash)
        await is_refused(store, "vv_" + row.hash[:43])

    tell(story)


class Careless(MemoryStore):
    """A store that finds a key for everybody."""

    async def key_by_hash(self, hash: str) -> KeyRow | None:
        return next(iter(await self.keys()), None)


def test_the_door_does_not_take_the_stores_word_for_it() -> None:
    async def main() -> None:
        store = Careless()
        await keys.create(store, "laptop", NOW)
        await is_refused(store, "vv_" + BODY)

    live(main())


# Client secrets


KEY = Caller(credential="key", key_id="key_1")
GRANT = Grant(
    assistant="charlotte",
    subject="ann",
    role="guest",
    language="it",
    variables={"city": "Torino"},
    conversation_id="conv_1",
    session={"audio": {"output": {"voice": "cedar"}}},
)


def test_a_client_secret_carries_all_that_it_was_minted_with() -> None:
    async def story(store: MemoryStore) -> None:
        key, row = await keys.create(store, "laptop", NOW)
        secret = await minted(store, await enters(store, key), GRANT)
        assert secret.value.startswith("ek_")
        assert secret.expires_at == NOW + timedelta(minutes=10)
        for _ in range(2):  # one secret may start several calls
            assert await enters(store, secret.value) == Caller(
                credential="secret",
                key_id=row.id,
                subject="ann",
                assistant="charlotte",
                role="guest",
                language="it",
                variables={"city": "Torino"},
                conversation_id="conv_1",
                session={"audio": {"output": {"voice": "cedar"}}},
                browser=True,
            )

    tell(story)


@pytest.mark.parametrize("seconds", [10, 600, 7200])
def test_a_client_secret_lives_as_long_as_was_asked(seconds: int) -> None:
    async def story(store: MemoryStore) -> None:
        secret = await minted(store, OWNER, Grant(), seconds)
        await enters(store, secret.value, NOW + (seconds - 1) * SECOND)
        refusal = await is_refused(store, secret.value, NOW + seconds * SECOND)
        assert "expired" in refusal.message

    tell(story)


@pytest.mark.parametrize("seconds", [-1, 0, 9, 7201, 10**30])
def test_a_client_secret_lives_ten_seconds_to_two_hours(seconds: int) -> None:
    async def story(store: MemoryStore) -> None:
        with pytest.raises(InvalidRequest) as refused:
            await client_secrets.mint(store, OWNER, Grant(), NOW, seconds)
        assert refused.value.param == "expires_after.seconds"

    tell(story)


def test_a_client_secret_ends_with_the_key_that_minted_it() -> None:
    async def story(store: MemoryStore) -> None:
        key, row = await keys.create(store, "laptop", NOW, expires_at=NOW + 60 * SECOND)
        secret = await minted(store, await enters(store, key), Grant())
        await enters(store, secret.value)
        await is_refused(store, secret.value, NOW + 60 * SECOND)
        await store.revoke_key(row.id, NOW)
        assert "revoked" in (await is_refused(store, secret.value)).message

    tell(story)


def test_nobody_gives_away_more_than_they_have() -> None:
    async def story(store: MemoryStore) -> None:
        bound = Caller(credential="key", key_id="key_1", assistant="charlotte")
        other = await client_secrets.mint(store, bound, Grant(assistant="coach"), NOW)
        assert isinstance(other, Refusal)
        assert other.status == 403
        elses = await client_secrets.mint(store, OWNER, Grant(subject="ann"), NOW)
        assert isinstance(elses, Refusal)
        assert elses.status == 403
        secret = await minted(store, OWNER, Grant())
        again = await client_secrets.mint(store, await enters(store, secret.value), Grant(), NOW)
        assert isinstance(again, Refusal)
        assert again.status == 403

    tell(story)


def test_what_the_caller_is_bound_to_is_filled_in() -> None:
    bound = Caller(credential="key", key_id="key_1", assistant="charlotte")
    narrowed = client_secrets.narrow(bound, Grant(key_id="key_of_another", subject="ann"))
    assert narrowed == Grant(key_id="key_1", assistant="charlotte", subject="ann")
    assert client_secrets.narrow(OWNER, Grant(assistant="coach")) == Grant(
        assistant="coach", subject=sign_in.OWNER
    )
    assert client_secrets.narrow(KEY, Grant()) == Grant(key_id="key_1")


# Signing in


def code_of(link: str) -> str:
    return link.partition("#code=")[2]


async def signed_in(store: MemoryStore) -> str:
    cookie = await sign_in.sign_in(store, await sign_in.new_code(store, NOW), NOW)
    assert isinstance(cookie, str)
    return cookie


def test_a_link_signs_in_once() -> None:
    async def story(store: MemoryStore) -> None:
        link = sign_in.link("http://localhost:8080/", await sign_in.new_code(store, NOW))
        assert link.startswith("http://localhost:8080/#code=")
        cookie = await sign_in.sign_in(store, code_of(link), NOW)
        assert isinstance(cookie, str)
        assert await door.identify_cookie(store, cookie, NOW) == OWNER
        again = await sign_in.sign_in(store, code_of(link), NOW)
        assert isinstance(again, Refusal)
        assert again.code == "invalid_code"

    tell(story)


def test_a_link_is_good_for_ten_minutes() -> None:
    async def story(store: MemoryStore) -> None:
        for after, good in ((599 * SECOND, True), (600 * SECOND, False)):
            code = await sign_in.new_code(store, NOW)
            assert isinstance(await sign_in.sign_in(store, code, NOW + after), str) is good

    tell(story)


@pytest.mark.parametrize("code", ["", "0", BODY, BODY + "\n", "é" * 43, "\ud800", "0" * 10**7])
def test_no_code_is_guessed(code: str) -> None:
    async def story(store: MemoryStore) -> None:
        await sign_in.new_code(store, NOW)
        assert isinstance(await sign_in.sign_in(store, code, NOW), Refusal)

    tell(story)


def test_a_cookie_lasts_thirty_days() -> None:
    async def story(store: MemoryStore) -> None:
        cookie = await signed_in(store)
        just_before = NOW + timedelta(days=30) - SECOND
        assert isinstance(await door.identify_cookie(store, cookie, just_before), Caller)
        expired = await door.identify_cookie(store, cookie, NOW + timedelta(days=30))
        assert isinstance(expired, Refusal)

    tell(story)


def test_signing_out_ends_this_cookie_also_for_who_copied_it() -> None:
    async def story(store: MemoryStore) -> None:
        mine, another = await signed_in(store), await signed_in(store)
        await sign_in.sign_out(store, mine)
        refused = await door.identify_cookie(store, mine, NOW)
        assert isinstance(refused, Refusal)
        assert (refused.status, refused.code) == (401, "not_signed_in")
        assert await door.identify_cookie(store, another, NOW) == OWNER
        await sign_in.sign_out(store, mine)  # twice does no harm
        await sign_in.sign_out(store, "nonsense")

    tell(story)


def test_a_cookie_is_no_key_and_a_key_no_cookie() -> None:
    async def story(store: MemoryStore) -> None:
        cookie = await signed_in(store)
        key, _ = await keys.create(store, "laptop", NOW)
        secret = (await minted(store, OWNER, Grant())).value
        for disguise in (cookie, "ek_" + cookie[3:], "vv_" + cookie[3:]):
            await is_refused(store, disguise)
        for other in (key, secret, "vs_" + secret[3:]):
            assert isinstance(await door.identify_cookie(store, other, NOW), Refusal)
        await sign_in.sign_out(store, secret)  # nor does signing out end a secret
        await enters(store, secret)

    tell(story)


def test_no_token_stands_in_the_store() -> None:
    async def story(store: MemoryStore) -> None:
        code = await sign_in.new_code(store, NOW)
        cookie = await signed_in(store)
        secret = (await minted(store, OWNER, Grant())).value
        kept = repr(vars(store))
        for token in (code, cookie, secret):
            assert token not in kept
            assert tokens.digest(token) in kept

    tell(story)
