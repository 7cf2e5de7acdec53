"""Decide which requests came over TLS, where a proxy in front of the server may end it. Pure.

A server behind a proxy has two addresses: `public_url`, which people open, and the one that it
listens on, which programs and pages of the same machine may use without TLS. The `Host` header says
which of them a browser asked for, and a page cannot set that header.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class TransportSecurity:
    """`tls`: the server itself speaks it. `public_url`: the address that people open."""

    tls: bool = False
    public_url: str = ""

    @property
    def strict(self) -> bool:
        """Return whether people must not connect without TLS."""
        return self.tls or self._public_is_https

    def is_secure(self, host: str | None, origin: str | None = None) -> bool:
        """Return whether the request with these headers came over TLS.

        A proxy may pass its own name as `Host`. A page that came over TLS then says so by `Origin`.
        """
        if self.tls:
            return True
        return self._public_is_https and (
            _netloc(f"https://{host}") == _netloc(self.public_url)
            or (origin or "").startswith("https:")
        )

    @property
    def _public_is_https(self) -> bool:
        return self.public_url.startswith("https:")


def _netloc(url: str) -> tuple[str, int] | None:
    try:
        parts = urlsplit(url)
        return (parts.hostname or "").rstrip("."), parts.port or 443
    except ValueError:
        return None
