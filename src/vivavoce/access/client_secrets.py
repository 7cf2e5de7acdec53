"""Client secrets: `ek_…`, what a browser starts its calls with instead of a key.

Whoever mints one gives away no more than they have. It may start any number of calls until it
expires (protocol §1.3); a call that has begun goes on. It ends with the key that minted it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from ..core.values import Caller
from ..errors import InvalidRequest
from ..store.base import Grant, Store
from . import keys, tokens
from .refusal import Refusal, expired, not_yours, revoked

PREFIX = "ek_"
DEFAULT_S = 600
SHORTEST_S, LONGEST_S = 10, 7200


@dataclass(frozen=True, slots=True)
class ClientSecret:
    value: str
    expires_at: datetime


def narrow(caller: Caller, grant: Grant) -> Grant | Refusal:
    """The grant, with what the caller is bound to filled in; a refusal if it asks for more."""
    if caller.assistant is not None and grant.assistant not in (None, caller.assistant):
        return not_yours("assistant")
    if caller.credential == "cookie" and grant.subject not in (None, caller.subject):
        return not_yours("user")
    return msgspec.structs.replace(
        grant,
        key_id=caller.key_id,
        assistant=grant.assistant or caller.assistant,
        subject=caller.subject if caller.credential == "cookie" else grant.subject,
    )


def holder(grant: Grant) -> Caller:
    """Who comes with a secret that was minted for this."""
    return Caller(
        credential="secret",
        key_id=grant.key_id,
        subject=grant.subject,
        assistant=grant.assistant,
        role=grant.role,
        language=grant.language,
        variables=grant.variables,
        conversation_id=grant.conversation_id,
        session=grant.session,
        browser=True,
    )


async def mint(
    store: Store, caller: Caller, grant: Grant, now: datetime, seconds: int = DEFAULT_S
) -> ClientSecret | Refusal:
    """Raises `InvalidRequest` for a time to live that the protocol does not allow."""
    if caller.credential == "secret":
        return Refusal("forbidden", "A client secret cannot mint another one.", status=403)
    if not SHORTEST_S <= seconds <= LONGEST_S:
        raise InvalidRequest(
            "invalid_value",
            f"Invalid value: {seconds}. A client secret lives {SHORTEST_S} to {LONGEST_S} seconds.",
            "expires_after.seconds",
        )
    granted = narrow(caller, grant)
    if isinstance(granted, Refusal):
        return granted
    secret = ClientSecret(tokens.make(PREFIX), now + timedelta(seconds=seconds))
    await store.add_secret(tokens.digest(secret.value), secret.expires_at, granted)
    return secret


async def check(store: Store, secret: str, now: datetime) -> Grant | Refusal:
    if not tokens.looks_like(PREFIX, secret):
        return expired("client secret")
    grant = await store.secret(tokens.digest(secret), now)
    if grant is None:
        return expired("client secret")
    if grant.key_id is not None:
        key = await store.key(grant.key_id)
        if key is None:
            return revoked()
        if refusal := keys.refusal_of(key, now):
            return refusal
    return grant
