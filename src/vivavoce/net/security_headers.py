"""The headers of every response that protect the page from other pages, and answers from caches.

HTTP and WebSockets send the same ones, with refusals too.
"""

from __future__ import annotations

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "worker-src 'self'",
        "media-src 'self' blob:",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_ALWAYS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "permissions-policy": "microphone=(self), camera=(self)",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",  # a file of the page says otherwise
}
_YEAR_S = 365 * 24 * 3600


def security_headers(*, secure: bool) -> dict[str, str]:
    """Return the headers. `secure`: clients connect over TLS, and must not connect without it."""
    strict = {"strict-transport-security": f"max-age={_YEAR_S}"} if secure else {}
    return _ALWAYS | strict
