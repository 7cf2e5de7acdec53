"""Sign a person in: a link contains a code that works once, and the code is exchanged for a cookie.

The command line prints the link, so that only the operator reads it. The code is in the link's
fragment, which browsers do not send and servers do not log. The page posts the code. The cookie is
a random token whose hash is in the store (docs/decisions/sign-in.md), so that signing out ends the
cookie in every browser that has a copy.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from ..core import ids
from ..core.types import Caller
from ..store.base import Grant, SecretRow, Store
from . import audit, tokens
from .auth_failure import AuthFailure, signed_out

CODE_LIVES = timedelta(minutes=10)
_COOKIE = "vivavoce"
COOKIE_PREFIX = "vs_"
ID_KIND = "si"
COOKIE_LIVES = timedelta(days=30)
OWNER = "owner"  # the user of every sign-in link: the person whose server this is


def cookie_name(*, secure: bool) -> str:
    """Return the cookie's name. Over TLS, browsers bind a `__Host-` cookie to this one host."""
    return f"__Host-{_COOKIE}" if secure else _COOKIE


async def new_code(store: Store, now: datetime, *, by: str = audit.UNKNOWN) -> str:
    """Make a code that signs in once, within `CODE_LIVES`. `by` is the actor of the audit log."""
    code = tokens.make("")
    act = audit.act("sign_in_link_made", by, None, now)
    await store.add_code(tokens.digest(code), now + CODE_LIVES, act)
    audit.log_act(act)
    return code


def link(base_url: str, code: str) -> str:
    """Return the sign-in link with this code."""
    return f"{base_url.rstrip('/')}/#code={code}"


async def sign_in(
    store: Store, code: str, now: datetime, *, peer: str | None = None
) -> str | AuthFailure:
    """Use up the code and return the value of a new cookie.

    Set the cookie HttpOnly, SameSite=Strict, and Secure over TLS. `peer` is the browser's address.
    """
    if not tokens.looks_like("", code) or not await store.use_code(tokens.digest(code), now):
        return AuthFailure(
            "invalid_code",
            "This sign-in link has been used or is too old. `vivavoce link` prints a new one.",
        )
    cookie = tokens.make(COOKIE_PREFIX)
    row = SecretRow(
        id=ids.new_id(ID_KIND, now.timestamp(), secrets.token_bytes(ids.RANDOM_BYTES)),
        hash=tokens.digest(cookie),
        expires_at=now + COOKIE_LIVES,
        grant=Grant(subject=OWNER),
    )
    act = audit.act("signed_in", row.id, None, now, peer=peer)
    await store.add_secret(row, act)
    audit.log_act(act)
    return cookie


async def check(store: Store, cookie: str, now: datetime) -> SecretRow | AuthFailure:
    """Return the row of a valid cookie, or why it is not valid."""
    if not tokens.looks_like(COOKIE_PREFIX, cookie):
        return signed_out()
    row = await store.secret_by_hash(tokens.digest(cookie))
    return row if row is not None and is_valid(row, now) else signed_out()


def is_valid(row: SecretRow, now: datetime) -> bool:
    """Return whether the sign-in is neither revoked nor expired."""
    return row.revoked_at is None and now < row.expires_at


def is_reserved(subject: str | None, caller: Caller) -> bool:
    """Return whether this is the operator's user, and the caller has not signed in as it."""
    return subject == OWNER and (caller.sign_in_id is None or caller.subject != OWNER)


async def sign_out(
    store: Store, cookie: str, now: datetime, *, peer: str | None = None
) -> str | None:
    """End a sign-in and the secrets that it minted. Copies of the cookie end too.

    Return the id of the sign-in. None: the cookie is unknown, or its sign-in has already ended.
    """
    row = await check(store, cookie, now)
    if isinstance(row, AuthFailure):
        return None
    act = audit.act("signed_out", row.id, None, now, peer=peer)
    if not await store.revoke_secret(row.id, now, act):
        return None
    audit.log_act(act)
    return row.id
