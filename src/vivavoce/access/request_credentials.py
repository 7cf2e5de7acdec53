"""Extract the credential from a request, and check the origin of the page that sent it. Pure.

A credential arrives in one of two headers, or in an offered subprotocol, because browsers cannot
set headers on a WebSocket (protocol §1.10.2).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from urllib.parse import urlsplit

SUBPROTOCOL = "realtime"
_KEY_SUBPROTOCOL = "openai-insecure-api-key."
_BETA, _BETA_SUBPROTOCOL = "realtime=v1", "openai-beta.realtime-v1"
_DEFAULT_PORTS = {"http": 80, "https": 443}
LONGEST_ORIGIN = 300  # characters
_HOST = re.compile(r"[a-z0-9._:-]+")  # what a browser sends: names beyond ASCII are encoded


def parse_subprotocols(header: str | None) -> tuple[str, ...]:
    """Return the subprotocols in a `Sec-WebSocket-Protocol` header, in their order."""
    return tuple(name for part in (header or "").split(",") if (name := part.strip()))


def select_subprotocol(subprotocols: Sequence[str]) -> str | None:
    """Return `realtime` if the client offers it. The subprotocol with the key is never selected."""
    return SUBPROTOCOL if SUBPROTOCOL in subprotocols else None


def extract_credential(
    *,
    authorization: str | None = None,
    api_key: str | None = None,
    subprotocols: Sequence[str] = (),
) -> str | None:
    """Return the first credential that the request carries, without checking it."""
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
    """Return whether the client opts in to the beta, by `OpenAI-Beta` or a subprotocol (§1.9)."""
    features = (name.strip() for name in (header or "").split(","))
    return _BETA in features or _BETA_SUBPROTOCOL in subprotocols


def origin_allowed(
    origin: str | None, *, host: str | None, secure: bool, allowed: Collection[str] = ()
) -> bool:
    """Return whether a page from this origin may use the server.

    The server's own page and the origins in `allowed` may. `host` is the request's `Host` header,
    and `secure` is true if the request came over TLS. `allowed` contains origins, such as
    `https://example.org` or the server's public URL behind a proxy, or `*` for all of them.
    A request without `Origin` comes from a program, and its credential is enough.
    """
    if origin is None:
        return True
    came_from = _normal(origin)
    if came_from is None:  # "null": a sandboxed frame, a file
        return False
    scheme = "https" if secure else "http"
    ours = _normal(f"{scheme}://{host}") if host else None
    return came_from == ours or any(entry == "*" for entry in allowed) or is_listed(origin, allowed)


def is_listed(origin: str, listed: Iterable[str]) -> bool:
    """Return whether a list of origins has this one, however it is written."""
    came_from = _normal(origin)
    return came_from is not None and any(_normal(entry) == came_from for entry in listed)


def origin_text(origin: str | None) -> str | None:
    """Return the origin as people write it, for messages and logs, or None if it is none."""
    normal = _normal(origin) if origin and len(origin) <= LONGEST_ORIGIN else None
    if normal is None:
        return None
    scheme, host, port = normal
    if not _HOST.fullmatch(host):
        return None
    host = f"[{host}]" if ":" in host else host
    return f"{scheme}://{host}" if port == _DEFAULT_PORTS[scheme] else f"{scheme}://{host}:{port}"


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
