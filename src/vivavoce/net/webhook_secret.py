"""The secrets of Standard Webhooks, which sign requests: 24 to 64 bytes in base64.

https://github.com/standard-webhooks/standard-webhooks, "Signature scheme". The library that signs
takes any text: it ignores characters that are no base64, and a secret of one byte is enough for it.
"""

from __future__ import annotations

import base64
import binascii

PREFIX = "whsec_"
LEAST_BYTES, MOST_BYTES = 24, 64


def problem(secret: str) -> str | None:
    """Say what is wrong with a secret, as the end of a sentence. None: it can sign."""
    text = secret.removeprefix(PREFIX).rstrip("=")
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):  # also of text that is not ASCII
        return f"is not a secret: base64 is expected, as in {PREFIX}…"
    if not LEAST_BYTES <= len(key) <= MOST_BYTES:
        return (
            f"is a secret of {len(key)} bytes: {LEAST_BYTES} to {MOST_BYTES} are allowed. "
            f"`openssl rand -base64 {LEAST_BYTES}` makes one"
        )
    return None
