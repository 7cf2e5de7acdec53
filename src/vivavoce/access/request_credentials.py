"""Where a request carries its credential, and where a page may come from. Pure.

The carriers are those of protocol §1.10.2: two headers, and for browsers, which cannot set headers
on a WebSocket, one of the offered subprotocols.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

SUBPROTOCOL = "realtime"
_KEY_SUBPROTOCOL = "openai-insecure-api-key."
_BETA, _BETA_SUBPROTOCOL = "realtime=v1", "openai-beta.realtime-v1"
_DEFAULT_PORTS = {"http": 80, "https": 443}


def parse_subprotocols(header: str | None) -> tuple[str, ...]:
    """The subprotocols in a `Sec-WebSocket-Protocol` header, in their order."""
    return tuple(name for part in (header or "").split(",") if (name := part.strip()))


def select_subprotocol(subprotocols: Sequence[str]) -> str | None:
    """What to answer: `realtime` if it was offered, never the one with the key, else nothing."""
    return SUBPROTOCOL if SUBPROTOCOL in subprotocols else None


def extract_credential(
    *,
    authorization: str | None = None,
    api_key: str | None = None,
    subprotocols: Sequence[str] = (),
) -> str | None:
    """The first credential that a request carries, untested. None: it carries none."""
    match (authorization or "").split():
        case [scheme, token] if scheme.lower() == "bearer":
            return token
    if api_key and api_key.strip():
        return api_key.strip()
    for name in subprotocols:
        if name.startswith(_KEY_SUBPROTOCOL):
            return name.removeprefix(_KEY_SUBPROTOCOL) or None
    return None


def speaks_beta(header: str | None, subprotocols: Sequence[str] = ()) -> bool:
    """Does a client opt in to the protocol's beta, by `OpenAI-Beta` or a subprotocol (§1.9)?"""
    features = (name.strip() for name in (header or "").split(","))
    return _BETA in features or _BETA_SUBPROTOCOL in subprotocols


def origin_allowed(
    origin: str | None, *, host: str | None, secure: bool, allowed: Iterable[str] = ()
) -> bool:
    """May a page of this `Origin` talk to us? Ours may, those on the list, and who is no page.

    `host` is the request's `Host` header, `secure` whether it came over TLS. `allowed` holds
    origins (`https://example.org`, and the server's public URL if a proxy stands before it), or
    `*` for all. Programs send no `Origin`; they have to bring a key like everybody else.
    """
    if origin is None:
        return True
    came_from = _normal(origin)
    if came_from is None:  # "null": a sandboxed frame, a file
        return False
    scheme = "https" if secure else "http"
    ours = _normal(f"{scheme}://{host}") if host else None
    return came_from == ours or any(
        entry == "*" or _normal(entry) == came_from for entry in allowed
    )


def _normal(origin: str) -> tuple[str, str, int] | None:
    try:
        parts = urlsplit(origin)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or port is None:
        return None
    if parts.username is not None or parts.path not in ("", "/") or parts.query or parts.fragment:
        return None
    return parts.scheme, parts.hostname, port
