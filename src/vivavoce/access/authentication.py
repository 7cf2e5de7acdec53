"""Authenticate a request: find the caller that its credential belongs to."""

from __future__ import annotations

from datetime import datetime

from ..core.types import Caller
from ..store.base import KeyRow, Store
from . import client_secrets, keys, sign_in
from .auth_failure import AuthFailure, missing, signed_out, unknown


async def identify(store: Store, credential: str | None, now: datetime) -> Caller | AuthFailure:
    """Return the caller with this API key or client secret.

    A cookie is not accepted here, because browsers send it without being asked.
    """
    if not credential:
        return missing()
    if credential.startswith(keys.PREFIX):
        key = await keys.check(store, credential, now)
        return key if isinstance(key, AuthFailure) else _by_key(key)
    if credential.startswith(client_secrets.PREFIX):
        secret = await client_secrets.check(store, credential, now)
        return secret if isinstance(secret, AuthFailure) else client_secrets.holder(secret)
    return unknown()


async def identify_cookie(store: Store, cookie: str | None, now: datetime) -> Caller | AuthFailure:
    """Return the person that signed in with this browser."""
    if not cookie:
        return signed_out()
    row = await sign_in.check(store, cookie, now)
    if isinstance(row, AuthFailure):
        return row
    return Caller(credential="cookie", sign_in_id=row.id, subject=row.grant.subject, browser=True)


def _by_key(row: KeyRow) -> Caller:
    return Caller(credential="key", key_id=row.id, assistant=row.assistant)
