"""Make the text of credentials from random bytes, and hash it for the store.

A token has 256 random bits and cannot be guessed. It therefore needs no slow hash with a salt, as
a password would. A plain SHA-256 can be looked up by an index at every call.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets

from ..core import ids

BYTES = 32
_BODY = f"[0-9A-Za-z]{{{ids.length_of(BYTES)}}}"


def make(prefix: str) -> str:
    """Return a new token: `prefix`, then 43 random characters."""
    return prefix + ids.opaque(secrets.token_bytes(BYTES))


def looks_like(prefix: str, token: str) -> bool:
    """Return whether the text has the form of a token.

    Other text is refused without a hash and without a read of the store.
    """
    return re.fullmatch(re.escape(prefix) + _BODY, token) is not None


def digest(token: str) -> str:
    """Return the hash of a token for the store, in hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()


def same(one: str, other: str) -> bool:
    """Compare two digests in a time that does not depend on where they differ."""
    return hmac.compare_digest(one.encode(), other.encode())
