"""Read a request's headers by one rule, for HTTP and for WebSockets. Pure.

A client or a proxy may split a list over several lines (RFC 9110 §5.3). Of any other header one
line is allowed: of two `Origin` lines one program checks the first and another the last.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import InvalidRequest

SINGLE = frozenset(
    {
        "api-key",
        "authorization",
        "content-length",
        "content-type",
        "host",
        "origin",
        "sec-websocket-key",
        "sec-websocket-version",
        "transfer-encoding",
    }
)
_SEPARATORS = {"cookie": "; "}


def merged(lines: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return one value for each name, in small letters. Raises `InvalidRequest`."""
    found: dict[str, str] = {}
    for written, text in lines:
        name, value = written.lower(), text.strip()
        if name not in found:
            found[name] = value
        elif name in SINGLE:
            raise InvalidRequest(
                "invalid_header", f"The header '{name}' may be sent only once.", name
            )
        else:
            found[name] += _SEPARATORS.get(name, ", ") + value
    return found


def tokens(value: str | None) -> frozenset[str]:
    """Return the names in a list such as `keep-alive, Upgrade`, in small letters."""
    names = (name.strip().lower() for name in (value or "").split(","))
    return frozenset(filter(None, names))
