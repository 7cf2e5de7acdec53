"""Read an upgrade request, and write it as picows wants it.

picows compares whole header values: it takes `Connection: Upgrade` and refuses the equal
`Connection: keep-alive, Upgrade`. Its refusals are plain text without protecting headers. So a
request is checked here, and picows gets one that says the same in its words.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

from ..access.request_headers import merged, tokens
from ..errors import InvalidRequest
from ..runtime.refusals import CallRefused, invalid

VERSION = "13"  # RFC 6455; 7 and 8 are drafts that differ in nothing that concerns a server
VERSIONS = (VERSION, "8", "7")
REFUSED = b"GET / HTTP/1.1\r\n\r\n"  # makes picows send the refusal that was decided


@dataclass(frozen=True, slots=True)
class Handshake:
    """A valid upgrade request. `headers`: one value for each name, in small letters."""

    target: bytes
    headers: Mapping[str, str]

    def as_picows_reads_it(self) -> bytes:
        """Return the request with the headers that picows looks at, in one spelling."""
        lines = [
            b"GET " + self.target + b" HTTP/1.1",
            b"Upgrade: websocket",
            b"Connection: Upgrade",
            b"Sec-WebSocket-Version: " + VERSION.encode(),
            b"Sec-WebSocket-Key: " + self.headers["sec-websocket-key"].encode("latin-1"),
        ]
        return b"\r\n".join([*lines, b"", b""])


def read(data: bytes) -> Handshake:
    """Read the request that uvicorn replays. Raises `CallRefused`."""
    first, *lines = data.partition(b"\r\n\r\n")[0].split(b"\r\n")
    method, target, _ = first.split(b" ", 2)
    fields = (line.decode("latin-1").partition(":") for line in lines)
    try:
        headers = merged((name, value) for name, _, value in fields)
    except InvalidRequest as error:
        raise invalid(error) from None
    if why := _fault(method, headers):
        raise CallRefused(400, "invalid_handshake", why)
    return Handshake(target, headers)


def _fault(method: bytes, headers: Mapping[str, str]) -> str | None:
    """Return what is wrong with a handshake (RFC 6455 §4.2.1). None: nothing."""
    if method != b"GET":
        return "A WebSocket begins with a GET request."
    if "websocket" not in tokens(headers.get("upgrade")):
        return "The header 'Upgrade' must contain 'websocket'."
    if "upgrade" not in tokens(headers.get("connection")):
        return "The header 'Connection' must contain 'Upgrade'."
    if headers.get("content-length", "0").strip("0") or "transfer-encoding" in headers:
        return "The request that begins a WebSocket has no body."
    if headers.get("sec-websocket-version") not in VERSIONS:
        return f"The header 'Sec-WebSocket-Version' must be {VERSION}."
    if not _is_key(headers.get("sec-websocket-key", "")):
        return "The header 'Sec-WebSocket-Key' must be 16 bytes in base64."
    return None


def _is_key(written: str) -> bool:
    try:
        return len(base64.b64decode(written, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False
