"""Client secrets: `ek_…`. A browser starts its calls with one instead of a key.

The policy lets a caller grant no more than the caller itself may do. A secret may start any number
of calls until it expires (protocol §1.3), and a call that has begun goes on. A revoked secret
starts no call, and the calls that it began end. A secret ends with the key or the sign-in that
minted it.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..core import ids
from ..core.types import Caller
from ..errors import InvalidRequest
from ..store.base import Grant, SecretRow, Store
from . import audit, keys, sign_in, tokens, visitors
from .auth_failure import AuthFailure, expired, reserved_user, revoked
from .policy import Policy

PREFIX = "ek_"
ID_KIND = "cs"
_KEY, _SIGN_IN = "key_", "si_"  # prefixes of a minter's id
DEFAULT_S = 600
SHORTEST_S, LONGEST_S = 10, 7200


@dataclass(frozen=True, slots=True)
class ClientSecret:
    id: str
    value: str
    expires_at: datetime


def holder(row: SecretRow) -> Caller:
    """Return the caller of a stored client secret."""
    minted_by = row.minted_by or ""
    return granted(
        row.grant,
        visitor=visitors.is_minter(minted_by),
        secret_id=row.id,
        key_id=minted_by if minted_by.startswith(_KEY) else None,
        sign_in_id=minted_by if minted_by.startswith(_SIGN_IN) else None,
    )


def granted(
    grant: Grant,
    *,
    visitor: bool = False,
    secret_id: str | None = None,
    key_id: str | None = None,
    sign_in_id: str | None = None,
) -> Caller:
    """Return the caller of a secret with this grant."""
    return Caller(
        credential="secret",
        key_id=key_id,
        secret_id=secret_id,
        sign_in_id=sign_in_id,
        subject=grant.subject,
        assistant=grant.assistant,
        role=grant.role,
        language=grant.language,
        variables=grant.variables,
        conversation_id=grant.conversation_id,
        session=grant.session,
        safety_identifier=grant.safety_identifier,
        defines_session=grant.defines_session,
        browser=True,
        visitor=visitor,
    )


def narrow(policy: Policy, caller: Caller, grant: Grant) -> Grant | AuthFailure:
    """Return the grant, narrowed to what this caller may give.

    Whatever the policy, only the operator mints for the operator's own user.
    """
    narrowed = policy.may_mint(caller, grant)
    if isinstance(narrowed, AuthFailure):
        return narrowed
    return reserved_user() if sign_in.is_reserved(narrowed.subject, caller) else narrowed


async def mint(
    store: Store,
    policy: Policy,
    caller: Caller,
    grant: Grant,
    now: datetime,
    ttl_s: int = DEFAULT_S,
) -> ClientSecret | AuthFailure:
    """Make a client secret whose grant is narrowed by the policy.

    Raises `InvalidRequest` for a time to live that the protocol does not allow.
    """
    narrowed = narrow(policy, caller, grant)
    if isinstance(narrowed, AuthFailure):
        return narrowed
    if not SHORTEST_S <= ttl_s <= LONGEST_S:
        raise InvalidRequest(
            "invalid_value",
            f"Invalid value: {ttl_s}. A client secret lives {SHORTEST_S} to {LONGEST_S} seconds.",
            "expires_after.seconds",
        )
    secret_id = ids.new_id(ID_KIND, now.timestamp(), secrets.token_bytes(ids.RANDOM_BYTES))
    secret = ClientSecret(secret_id, tokens.make(PREFIX), now + timedelta(seconds=ttl_s))
    hash = tokens.digest(secret.value)
    minted_by = policy.minter_id(caller)
    act = audit.act("secret_minted", audit.actor(caller), secret_id, now)
    row = SecretRow(secret_id, hash, secret.expires_at, narrowed, minted_by)
    await store.add_secret(row, act)
    audit.log_act(act)
    return secret


async def check(store: Store, secret: str, now: datetime) -> SecretRow | AuthFailure:
    """Return the row of a valid secret, or why it is not valid.

    An unknown secret counts as expired, because expired rows are deleted after a day.
    """
    if not tokens.looks_like(PREFIX, secret):
        return expired("client secret")
    row = await store.secret_by_hash(tokens.digest(secret))
    if row is None:
        return expired("client secret")
    return await refusal_of(store, row, now) or row


async def refusal_of(store: Store, row: SecretRow, now: datetime) -> AuthFailure | None:
    """Return why this secret starts no call: its own state, or its minter's. None: it is valid."""
    if row.revoked_at is not None:
        return revoked("client secret")
    if row.expires_at <= now:
        return expired("client secret")
    minted_by = row.minted_by or ""
    if minted_by.startswith(_KEY):
        key = await store.key(minted_by)
        return revoked("API key") if key is None else keys.refusal_of(key, now)
    if minted_by.startswith(_SIGN_IN):
        cookie = await store.secret(minted_by)
        if cookie is None or not sign_in.is_valid(cookie, now):
            return revoked("client secret")
    return None


async def of_value(store: Store, value: str) -> SecretRow | None:
    """Find the row of a secret by its value, for an operator that found a leaked secret."""
    value = value.strip()
    if not tokens.looks_like(PREFIX, value):
        return None
    return await store.secret_by_hash(tokens.digest(value))


async def revoke(
    store: Store, policy: Policy, caller: Caller, secret_id: str, now: datetime
) -> bool:
    """Revoke a secret that this caller minted. Return False if the caller did not mint it.

    To revoke a secret a second time changes nothing, and returns True.
    """
    minted_by = policy.minter_id(caller)
    if minted_by is None or not await store.has_minted(minted_by, secret_id):
        return False
    await revoke_as(store, audit.actor(caller), secret_id, now)
    return True


async def revoke_as(store: Store, actor: str, secret_id: str, now: datetime) -> bool:
    """Revoke any secret, for an actor who may. Return False if it is unknown or revoked already."""
    act = audit.act("secret_revoked", actor, secret_id, now)
    revoked = await store.revoke_secret(secret_id, now, act)
    if revoked:
        audit.log_act(act)
    return revoked
