"""API keys: `vv_…`, for programs. The server shows a key once, and stores only its hash.

Every use reads the key's row, so that a key that another process revokes is refused at its next
use. That costs an indexed read in a thread, less than a millisecond per connection.
"""

from __future__ import annotations

import secrets
from datetime import datetime

from ..core import ids
from ..store.base import KeyRow, Store
from . import audit, tokens
from .auth_failure import AuthFailure, expired, revoked, unknown

PREFIX = "vv_"


async def create(
    store: Store,
    name: str,
    now: datetime,
    *,
    assistant: str | None = None,
    expires_at: datetime | None = None,
    by: str = audit.UNKNOWN,
) -> tuple[str, KeyRow]:
    """Make a key. Return its value, which cannot be shown again, and its row.

    `by` is the actor of the audit log.
    """
    key = tokens.make(PREFIX)
    row = KeyRow(
        id=ids.new_id("key", now.timestamp(), secrets.token_bytes(ids.RANDOM_BYTES)),
        name=name,
        hash=tokens.digest(key),
        created_at=now,
        assistant=assistant,
        expires_at=expires_at,
    )
    act = audit.act("key_created", by, row.id, now)
    await store.add_key(row, act)
    audit.log_act(act)
    return key, row


async def revoke(store: Store, key_id: str, now: datetime, *, by: str) -> bool:
    """Revoke a key. Return False if its id is unknown, or if it is revoked already."""
    act = audit.act("key_revoked", by, key_id, now)
    revoked = await store.revoke_key(key_id, now, act)
    if revoked:
        audit.log_act(act)
    return revoked


async def check(store: Store, key: str, now: datetime) -> KeyRow | AuthFailure:
    """Return the row of a valid key, or why it is not valid."""
    if not tokens.looks_like(PREFIX, key):
        return unknown()
    digest = tokens.digest(key)
    row = await store.key_by_hash(digest)
    if row is None or not tokens.same(row.hash, digest):
        return unknown()
    return refusal_of(row, now) or row


def refusal_of(row: KeyRow, now: datetime) -> AuthFailure | None:
    """Return why this key is not valid. None: it is."""
    if row.revoked_at is not None:
        return revoked("API key")
    if row.expires_at is not None and row.expires_at <= now:
        return expired("API key")
    return None
