"""Accept valid credentials, and refuse all others with an exact reason."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from tests.support.virtual_time import live
from vivavoce.access import authentication, client_secrets, keys, sign_in, tokens
from vivavoce.access.auth_failure import AuthFailure
from vivavoce.access.client_secrets import ClientSecret
from vivavoce.access.credential_policy import CredentialPolicy
from vivavoce.core.types import Caller
from vivavoce.errors import InvalidRequest
from vivavoce.store.base import Grant, KeyRow, SecretRow
from vivavoce.store.memory import MemoryStore

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
POLICY = CredentialPolicy()
OWNER = Caller(credential="cookie", sign_in_id="si_1", subject=sign_in.OWNER, browser=True)

Story = Callable[[MemoryStore], Awaitable[None]]


def tell(story: Story) -> None:
    async def main() -> None:
        await story(MemoryStore())

    live(main())


async def enters(store: MemoryStore, credential: str | None, at: datetime = NOW) -> Caller:
    caller = await authentication.identify(store, credential, at)
    assert isinstance(caller, Caller), caller
    return caller


async def is_refused(store: MemoryStore, credential: str | None, at: datetime = NOW) -> AuthFailure:
    refusal = await authentication.identify(store, credential, at)
    assert isinstance(refusal, AuthFailure), refusal
    assert (refusal.status, refusal.code) == (401, "invalid_api_key")
    assert not credential or credential not in refusal.message
    return refusal


async def owner(store: MemoryStore) -> Caller:
    """Return the caller of a person who has signed in."""
    caller = await authentication.identify_cookie(store, await signed_in(store), NOW)
    assert isinstance(caller, Caller)
    return caller


async def minted(
    store: MemoryStore, caller: Caller, grant: Grant, seconds: int = 600
) -> ClientSecret:
    secret = await client_secrets.mint(store, POLICY, caller, grant, NOW, seconds)
    assert isinstance(secret, ClientSecret), secret
    return secret


# API keys


def test_a_valid_key_is_accepted() -> None:
    async def story(store: MemoryStore) -> None:
        key, row = await keys.create(store, "laptop", NOW)
        assert await enters(store, key) == Caller(credential="key", key_id=row.id)

    tell(story)


def test_a_key_for_one_assistant_makes_a_caller_bound_to_it() -> None:
    async def story(store: MemoryStore) -> None:
        key, row = await keys.create(store, "laptop", NOW, assistant="charlotte")
        caller = await enters(store, key)
        assert caller == Caller(credential="key", key_id=row.id, assistant="charlotte")

    tell(story)


def test_a_key_is_not_in_the_store() -> None:
    async def story(store: MemoryStore) -> None:
        key, row = await keys.create(store, "laptop", NOW)
        assert key.startswith("vv_")
        assert len(key) == 46
        assert row.id.startswith("key_")
        assert key not in repr(await store.keys())
        assert key[3:] not in repr(await store.keys())
        assert (await keys.create(store, "laptop", NOW))[0] != key

    tell(story)


def test_a_revoked_key_is_refused_at_its_next_use() -> None:
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


def test_a_missing_credential_is_refused() -> None:
    async def story(store: MemoryStore) -> None:
        for nothing in (None, ""):
            assert "didn't provide" in (await is_refused(store, nothing)).message
            assert isinstance(
                await authentication.identify_cookie(store, nothing, NOW), AuthFailure
            )

    tell(story)


class Unreachable(MemoryStore):
    """Fail at every use of the store."""

    async def key_by_hash(self, hash: str) -> KeyRow | None:
        raise AssertionError("a lookup that is not needed")

    async def secret_by_hash(self, hash: str) -> SecretRow | None:
        raise AssertionError("a lookup that is not needed")


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
        "vv_" + BODY[1:] + "٣",  # a digit, but not an ASCII digit
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
def test_a_malformed_credential_is_refused_without_reading_the_store(hostile: str) -> None:
    async def main() -> None:
        await is_refused(Unreachable(), hostile)
        as_cookie = hostile.replace("vv_", "vs_").replace("ek_", "vs_")
        assert isinstance(
            await authentication.identify_cookie(Unreachable(), as_cookie, NOW), AuthFailure
        )

    live(main())


def test_an_unknown_key_is_refused() -> None:
    async def story(store: MemoryStore) -> None:
        key, _ = await keys.create(store, "laptop", NOW)
        for wrong in ("vv_" + BODY, "ek_" + key[3:], key[:-1] + ("0" if key[-1] != "0" else "1")):
            await is_refused(store, wrong)

    tell(story)


def test_the_hash_of_a_key_is_refused_as_a_key() -> None:
    async def story(store: MemoryStore) -> None:
        _, row = await keys.create(store, "laptop", NOW)
        await is_refused(store, row.hash)
        await is_refused(store, "vv_" + row.hash[:43])

    tell(story)


class Careless(MemoryStore):
    """Find the same key for every hash."""

    async def key_by_hash(self, hash: str) -> KeyRow | None:
        return next(iter(await self.keys()), None)


def test_a_row_with_another_hash_is_refused() -> None:
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


def test_a_client_secret_makes_a_caller_with_its_whole_grant() -> None:
    async def story(store: MemoryStore) -> None:
        key, row = await keys.create(store, "laptop", NOW)
        secret = await minted(store, await enters(store, key), GRANT)
        assert secret.value.startswith("ek_")
        assert secret.expires_at == NOW + timedelta(minutes=10)
        for _ in range(2):  # one secret may start several calls
            assert await enters(store, secret.value) == Caller(
                credential="secret",
                key_id=row.id,
                secret_id=secret.id,
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
def test_a_client_secret_expires_after_the_requested_time(seconds: int) -> None:
    async def story(store: MemoryStore) -> None:
        secret = await minted(store, await owner(store), Grant(), seconds)
        await enters(store, secret.value, NOW + (seconds - 1) * SECOND)
        refusal = await is_refused(store, secret.value, NOW + seconds * SECOND)
        assert "expired" in refusal.message

    tell(story)


@pytest.mark.parametrize("seconds", [-1, 0, 9, 7201, 10**30])
def test_a_lifetime_below_ten_seconds_or_above_two_hours_is_refused(seconds: int) -> None:
    async def story(store: MemoryStore) -> None:
        with pytest.raises(InvalidRequest) as refused:
            await client_secrets.mint(store, POLICY, OWNER, Grant(), NOW, seconds)
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


def test_a_revoked_secret_starts_no_call() -> None:
    async def story(store: MemoryStore) -> None:
        key, _ = await keys.create(store, "laptop", NOW)
        caller = await enters(store, key)
        secret, other = await minted(store, caller, GRANT), await minted(store, caller, GRANT)
        assert secret.id.startswith("cs_")
        assert await client_secrets.revoke(store, POLICY, caller, secret.id, NOW)
        assert "client secret has been revoked" in (await is_refused(store, secret.value)).message
        await enters(store, other.value)
        assert await client_secrets.revoke(
            store, POLICY, caller, secret.id, NOW
        )  # a second time changes nothing

    tell(story)


def test_a_secret_is_revoked_only_by_its_minter() -> None:
    async def story(store: MemoryStore) -> None:
        key, _ = await keys.create(store, "laptop", NOW)
        another, _ = await keys.create(store, "phone", NOW)
        mine, theirs = await enters(store, key), await enters(store, another)
        signed_in = await owner(store)
        secret, pages = await minted(store, mine, GRANT), await minted(store, signed_in, Grant())
        operators = Caller(credential="key", subject="root")  # `vivavoce talk`
        talks = await minted(store, operators, Grant())
        for caller, name in (
            (theirs, secret.id),
            (signed_in, secret.id),
            (await owner(store), pages.id),  # another browser of the same person
            (mine, pages.id),
            (mine, talks.id),
            (operators, talks.id),
            (mine, "cs_never"),
            (signed_in, signed_in.sign_in_id or ""),
            (mine, mine.key_id or ""),
            (await enters(store, secret.value), secret.id),
        ):
            assert not await client_secrets.revoke(store, POLICY, caller, name, NOW), (caller, name)
        await enters(store, secret.value)
        await enters(store, pages.value)

    tell(story)


def test_signing_out_ends_the_secrets_that_were_minted_by_this_cookie() -> None:
    async def story(store: MemoryStore) -> None:
        cookies = [await signed_in(store), await signed_in(store)]
        secrets = []
        for cookie in cookies:
            caller = await authentication.identify_cookie(store, cookie, NOW)
            assert isinstance(caller, Caller)
            secrets.append(await minted(store, caller, Grant()))
            came = await enters(store, secrets[-1].value)
            assert (came.key_id, came.sign_in_id) == (None, caller.sign_in_id)
        await sign_in.sign_out(store, cookies[0], NOW)
        assert "revoked" in (await is_refused(store, secrets[0].value)).message
        await enters(store, secrets[1].value)

    tell(story)


def test_a_secret_minted_while_its_cookie_signs_out_is_refused() -> None:
    async def story(store: MemoryStore) -> None:
        cookie = await signed_in(store)
        caller = await authentication.identify_cookie(store, cookie, NOW)
        assert isinstance(caller, Caller)
        await sign_in.sign_out(store, cookie, NOW)
        secret = await minted(store, caller, Grant())
        assert "revoked" in (await is_refused(store, secret.value)).message

    tell(story)


def test_a_secret_does_not_outlive_the_cookie_that_minted_it() -> None:
    async def story(store: MemoryStore) -> None:
        caller, ends = await owner(store), NOW + sign_in.COOKIE_LIVES
        secret = await client_secrets.mint(store, POLICY, caller, Grant(), ends - SECOND)
        assert isinstance(secret, ClientSecret)
        await enters(store, secret.value, ends - SECOND)
        await is_refused(store, secret.value, ends)

    tell(story)


def test_a_secret_is_found_by_its_value() -> None:
    async def story(store: MemoryStore) -> None:
        secret = await minted(store, await owner(store), Grant())
        found = await client_secrets.of_value(store, f" {secret.value}\n")
        assert found is not None
        assert found.id == secret.id
        for wrong in ("", secret.id, secret.value[:-1], "ek_" + BODY, found.hash):
            assert await client_secrets.of_value(store, wrong) is None

    tell(story)


def test_a_grant_beyond_the_minters_own_rights_is_refused() -> None:
    async def story(store: MemoryStore) -> None:
        bound = Caller(credential="key", key_id="key_1", assistant="charlotte")
        other = await client_secrets.mint(store, POLICY, bound, Grant(assistant="coach"), NOW)
        assert isinstance(other, AuthFailure)
        assert other.status == 403
        elses = await client_secrets.mint(store, POLICY, OWNER, Grant(subject="ann"), NOW)
        assert isinstance(elses, AuthFailure)
        assert elses.status == 403
        secret = await minted(store, await owner(store), Grant())
        again = await client_secrets.mint(
            store, POLICY, await enters(store, secret.value), Grant(), NOW
        )
        assert isinstance(again, AuthFailure)
        assert again.status == 403

    tell(story)


def test_X15_only_the_operator_mints_for_the_operators_user() -> None:
    async def story(store: MemoryStore) -> None:
        grant = Grant(subject=sign_in.OWNER)
        for caller in (
            Caller(credential="key", key_id="key_1"),
            Caller(credential="key", key_id="key_1", assistant="charlotte"),
            Caller(credential="key", subject=sign_in.OWNER),
        ):
            refused = await client_secrets.mint(store, POLICY, caller, grant, NOW)
            assert isinstance(refused, AuthFailure)
            assert (refused.status, refused.code) == (403, "forbidden")
        assert not await store.secrets()
        assert isinstance(
            await client_secrets.mint(store, POLICY, OWNER, grant, NOW), client_secrets.ClientSecret
        )

    tell(story)


def test_a_grant_is_filled_in_with_the_minters_own_bounds() -> None:
    bound = Caller(credential="key", key_id="key_1", assistant="charlotte")
    narrowed = POLICY.may_mint(bound, Grant(subject="ann"))
    assert narrowed == Grant(assistant="charlotte", subject="ann")
    assert POLICY.may_mint(OWNER, Grant(assistant="coach")) == Grant(
        assistant="coach", subject=sign_in.OWNER
    )
    assert POLICY.may_mint(KEY, Grant()) == Grant()


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
        came = await authentication.identify_cookie(store, cookie, NOW)
        assert isinstance(came, Caller)
        assert came == msgspec.structs.replace(OWNER, sign_in_id=came.sign_in_id)
        again = await sign_in.sign_in(store, code_of(link), NOW)
        assert isinstance(again, AuthFailure)
        assert again.code == "invalid_code"

    tell(story)


def test_a_link_expires_after_ten_minutes() -> None:
    async def story(store: MemoryStore) -> None:
        for after, good in ((599 * SECOND, True), (600 * SECOND, False)):
            code = await sign_in.new_code(store, NOW)
            assert isinstance(await sign_in.sign_in(store, code, NOW + after), str) is good

    tell(story)


@pytest.mark.parametrize("code", ["", "0", BODY, BODY + "\n", "é" * 43, "\ud800", "0" * 10**7])
def test_a_wrong_code_is_refused(code: str) -> None:
    async def story(store: MemoryStore) -> None:
        await sign_in.new_code(store, NOW)
        assert isinstance(await sign_in.sign_in(store, code, NOW), AuthFailure)

    tell(story)


def test_a_cookie_expires_after_thirty_days() -> None:
    async def story(store: MemoryStore) -> None:
        cookie = await signed_in(store)
        just_before = NOW + timedelta(days=30) - SECOND
        assert isinstance(await authentication.identify_cookie(store, cookie, just_before), Caller)
        expired = await authentication.identify_cookie(store, cookie, NOW + timedelta(days=30))
        assert isinstance(expired, AuthFailure)

    tell(story)


def test_signing_out_ends_copies_of_the_cookie() -> None:
    async def story(store: MemoryStore) -> None:
        mine, another = await signed_in(store), await signed_in(store)
        ended = await sign_in.sign_out(store, mine, NOW)
        assert ended is not None
        assert ended.startswith("si_")
        refused = await authentication.identify_cookie(store, mine, NOW)
        assert isinstance(refused, AuthFailure)
        assert (refused.status, refused.code) == (401, "not_signed_in")
        assert isinstance(await authentication.identify_cookie(store, another, NOW), Caller)
        assert await sign_in.sign_out(store, mine, NOW) is None  # a second time changes nothing
        assert await sign_in.sign_out(store, "nonsense", NOW) is None

    tell(story)


def test_a_cookie_is_refused_as_a_key_and_a_key_as_a_cookie() -> None:
    async def story(store: MemoryStore) -> None:
        cookie = await signed_in(store)
        key, _ = await keys.create(store, "laptop", NOW)
        secret = (await minted(store, await owner(store), Grant())).value
        for disguise in (cookie, "ek_" + cookie[3:], "vv_" + cookie[3:]):
            await is_refused(store, disguise)
        for other in (key, secret, "vs_" + secret[3:]):
            assert isinstance(await authentication.identify_cookie(store, other, NOW), AuthFailure)
        await sign_in.sign_out(store, secret, NOW)  # signing out does not revoke a secret
        await enters(store, secret)

    tell(story)


def test_the_store_contains_hashes_instead_of_tokens() -> None:
    async def story(store: MemoryStore) -> None:
        code = await sign_in.new_code(store, NOW)
        cookie = await signed_in(store)
        secret = (await minted(store, await owner(store), Grant())).value
        kept = repr(vars(store))
        for token in (code, cookie, secret):
            assert token not in kept
            assert tokens.digest(token) in kept

    tell(story)
