"""How a person comes in: a link with a code that works once, then a cookie.

The link is printed where only the operator reads it. The code stands in its fragment, which no
browser sends and no server logs; the page posts it. The cookie is a random token whose hash is in
the store (docs/decisions/sign-in.md), so that signing out really ends it, everywhere.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from ..core import ids
from ..store.base import Grant, SecretRow, Store
from . import tokens
from .auth_failure import AuthFailure, signed_out

CODE_LIVES = timedelta(minutes=10)
COOKIE = "vivavoce"
COOKIE_PREFIX = "vs_"
ID_KIND = "si"
COOKIE_LIVES = timedelta(days=30)
OWNER = "owner"  # whoever holds a sign-in link: this server's own person


async def new_code(store: Store, now: datetime) -> str:
    code = tokens.make("")
    await store.add_code(tokens.digest(code), now + CODE_LIVES)
    return code


def link(base_url: str, code: str) -> str:
    return f"{base_url.rstrip('/')}/#code={code}"


async def sign_in(store: Store, code: str, now: datetime) -> str | AuthFailure:
    """The value of the cookie. Set it HttpOnly, SameSite=Strict, and Secure over TLS."""
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
    await store.add_secret(row)
    return cookie


async def check(store: Store, cookie: str, now: datetime) -> SecretRow | AuthFailure:
    if not tokens.looks_like(COOKIE_PREFIX, cookie):
        return signed_out()
    row = await store.secret_by_hash(tokens.digest(cookie))
    return row if row is not None and is_valid(row, now) else signed_out()


def is_valid(row: SecretRow, now: datetime) -> bool:
    return row.revoked_at is None and now < row.expires_at


async def sign_out(store: Store, cookie: str, now: datetime) -> str | None:
    """End a sign-in and the secrets that it minted, also where the cookie was copied to.

    Returns the id of the sign-in. None: there was none, or it had ended already.
    """
    row = await check(store, cookie, now)
    if isinstance(row, AuthFailure) or not await store.revoke_secret(row.id, now):
        return None
    return row.id
