"""Credentials as text: made of dice, kept as hashes.

A token is 256 random bits, so a plain SHA-256 is the right hash: there is nothing to guess that a
slow hash with a salt would have to protect, and a fast one can be looked up by an index at every
call. (Passwords are another matter. There are none here.)
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
    """A new token: `prefix`, then 43 characters that nobody has seen before."""
    return prefix + ids.opaque(secrets.token_bytes(BYTES))


def looks_like(prefix: str, token: str) -> bool:
    """Could this be one of ours? If not, it costs neither a hash nor a look at the disk."""
    return re.fullmatch(re.escape(prefix) + _BODY, token) is not None


def digest(token: str) -> str:
    """What is kept of a token, in hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()


def same(one: str, other: str) -> bool:
    """Compares digests, in a time that does not tell where they differ."""
    return hmac.compare_digest(one.encode(), other.encode())
