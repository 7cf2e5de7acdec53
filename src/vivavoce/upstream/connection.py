"""Connects to a hosted realtime model, or says why it cannot.

The key goes into one header and nowhere else: not into the URL, an error or the log. The operator
writes the address into `assistant.toml`. It may therefore be a private address, although
`net.allow_private` forbids those that come from elsewhere.
"""

from __future__ import annotations

import logging
import re
from urllib.parse import urlencode, urlsplit, urlunsplit

from .. import web_address
from ..errors import VivavoceError
from ..net.dial import UnreachableError, dial
from ..net.websocket import SLOW_PEER_TIMEOUT_S, Socket

log = logging.getLogger(__name__)

WITHIN_S = 8.0  # shorter than the time in which a call must be set up
SAFETY_IDENTIFIER = 256  # characters
_PLAIN = re.compile(rf"[!-~]{{1,{SAFETY_IDENTIFIER}}}")
_SCHEMES = {"https": "wss", "http": "ws"}


class NotConnected(VivavoceError):
    """The connection failed. The client gets `code` and the message."""

    def __init__(self, code: str, message: str, *, retry: bool) -> None:
        super().__init__(message)
        self.code = code
        self.retry = retry  # True if it may work in a minute


def is_safety_identifier(text: str) -> bool:
    """Return True if a provider gets this id of an end user: plain ASCII without spaces."""
    return _PLAIN.fullmatch(text) is not None


def address(base_url: str, model: str) -> str:
    """Return the WebSocket URL: `https://host/v1` → `wss://host/v1/realtime?model=…`.

    A path that already ends with `/realtime` is kept.
    """
    url = urlsplit(base_url)
    path = url.path.rstrip("/")
    if not path.endswith("/realtime"):
        path += "/realtime"
    scheme = _SCHEMES.get(url.scheme, url.scheme)
    return urlunsplit((scheme, url.netloc, path, urlencode({"model": model}), ""))


async def connect(
    base_url: str,
    model: str,
    key: str | None,
    *,
    largest: int,
    within_s: float = WITHIN_S,
    timeout_s: float = SLOW_PEER_TIMEOUT_S,
    safety_identifier: str | None = None,
) -> Socket:
    """Open the connection, or raise `NotConnected`.

    `safety_identifier`: the client's id of its end user, which the provider gets if it is plain
    ASCII of at most `SAFETY_IDENTIFIER` characters.
    """
    if not key or not (key.isascii() and key.isprintable()):
        message = "The assistant's provider has no usable key on this server."
        raise NotConnected("upstream_not_configured", message, retry=False)
    headers = {"Authorization": f"Bearer {key}"}
    if safety_identifier is not None and is_safety_identifier(safety_identifier):
        headers["OpenAI-Safety-Identifier"] = safety_identifier
    try:
        return await dial(
            address(base_url, model),
            headers=headers,
            subprotocol=None,
            largest=largest,
            within_s=within_s,
            timeout_s=timeout_s,
        )
    except UnreachableError as error:
        server = web_address.with_port(base_url)
        reason = str(error).replace(key, "…")
        log.warning(
            "upstream_unreachable",
            extra={"server": server, "status": error.status, "reason": reason},
        )
        raise _why(error.status) from error


def _why(status: int | None) -> NotConnected:
    match status:
        case 401 | 403:
            message = "The model's provider did not accept this server's key."
            return NotConnected("upstream_refused", message, retry=False)
        case 429:
            message = "The model's provider is busy, or this server's quota there is used up."
            return NotConnected("upstream_busy", message, retry=True)
        case int() if 300 <= status < 500:
            message = "The model's provider did not accept this call."
            return NotConnected("upstream_refused", message, retry=False)
        case _:
            message = "The model cannot be reached at the moment."
            return NotConnected("upstream_unavailable", message, retry=True)
