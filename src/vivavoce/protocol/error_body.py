"""The body of every HTTP error (protocol §1.2)."""

from __future__ import annotations

import msgspec


def envelope(type: str, code: str | None, message: str, param: str | None = None) -> bytes:
    body = {"message": message, "type": type, "param": param, "code": code}
    return msgspec.json.encode({"error": body})
