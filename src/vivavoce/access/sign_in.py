"""How a person comes in: a link with a code that works once, then a cookie.

The link is printed where only the operator reads it. The code stands in its fragment, which no
browser sends and no server logs; the page posts it. The cookie is a random token whose hash is in
the store (docs/decisions/sign-in.md), so that signing out really ends it, everywhere.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from ..store.base import Grant, Store
from . import tokens
from .refusal import Refusal, signed_out

CODE_LIVES = timedelta(minutes=10)
COOKIE = "vivavoce"
COOKIE_PREFIX = "vs_"
COOKIE_LIVES = timedelta(days=30)
OWNER = "owner"  # whoever holds a sign-in link: this server's own person


async def new_code(store: Store, now: datetime) -> str:
    code = tokens.make("")
    await store.add_code(tokens.digest(code), now + CODE_LIVES)
    return code


def link(base_url: str, code: str) -> str:
    return f"{base_url.rstrip('/')}/#code={code}"


async def sign_in(store: Store, code: str, now: datetime) -> str | Refusal:
    """The value of the cookie. Set it HttpOnly, SameSite=Strict, and Secure over TLS."""
    if not tokens.looks_like("", code) or not await store.use_code(tokens.digest(code), now):
        return Refusal(
            "invalid_code",
            "This sign-in link has been used or is too old. `vivavoce link` prints a new one.",
        )
    cookie = tokens.make(COOKIE_PREFIX)
    await store.add_secret(tokens.digest(cookie), now + COOKIE_LIVES, Grant(subject=OWNER))
    return cookie


async def check(store: Store, cookie: str, now: datetime) -> Grant | Refusal:
    if not tokens.looks_like(COOKIE_PREFIX, cookie):
        return signed_out()
    return await store.secret(tokens.digest(cookie), now) or signed_out()


async def sign_out(store: Store, cookie: str) -> None:
    """Whoever has copied the cookie is out too."""
    if tokens.looks_like(COOKIE_PREFIX, cookie):
        await store.drop_secret(tokens.digest(cookie))
