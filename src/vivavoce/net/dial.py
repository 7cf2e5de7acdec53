"""Outgoing WebSockets, to hosted realtime models and from our own command line."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from functools import cache

from picows import WSError, WSUpgradeRequest, WSUpgradeResponse, ws_connect
from picows.common import WSInvalidStatusError

from ..errors import VivavoceError
from .websocket import SLOW_PEER_TIMEOUT_S, Socket

HANDSHAKE_S = 10.0
LARGEST = 16 * 1024 * 1024


class UnreachableError(VivavoceError):
    """No WebSocket was opened. `status`: of the HTTP response, if the server sent one."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


@cache
def _tls() -> ssl.SSLContext:
    """Load the system's certificates once: that takes longer than a handshake."""
    return ssl.create_default_context()


async def dial(
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    subprotocol: str | None = "realtime",
    largest: int = LARGEST,
    within_s: float = HANDSHAKE_S,
    timeout_s: float = SLOW_PEER_TIMEOUT_S,
    certified_name: str | None = None,
) -> Socket:
    """Connect to a `ws://` or `wss://` URL. Raises `UnreachableError`.

    A redirect is never followed: it would carry the credential to another server.
    `largest`: bytes of a message. `timeout_s`: see `Socket`. `certified_name`: the name that the
    server's certificate must have, instead of the URL's host.
    """
    extra = dict(headers or {})
    if subprotocol:
        extra["Sec-WebSocket-Protocol"] = subprotocol

    def listener(request: WSUpgradeRequest, response: WSUpgradeResponse) -> Socket:
        return Socket(largest, timeout_s)

    try:
        # picows leaves its transport open when it is cancelled, so its own timeout must end first
        async with asyncio.timeout(within_s + 1):
            _, socket = await ws_connect(
                listener,
                url,
                ssl_context=_tls() if url.startswith("wss:") else None,
                extra_headers=extra,
                websocket_handshake_timeout=within_s,
                max_frame_size=largest,
                max_redirects=0,
                read_buffer_init_size=4096,
                enable_auto_pong=False,  # `Socket` answers: it knows how much the peer has read
                enable_auto_ping=True,
                auto_ping_idle_timeout=20,
                auto_ping_reply_timeout=20,
                server_hostname=certified_name,
            )
    except WSInvalidStatusError as error:
        status = error.response.status.value if error.response else None
        raise UnreachableError(f"the server answered with HTTP {status}", status) from None
    except TimeoutError:
        raise UnreachableError(f"no answer within {within_s:g} s") from None
    except (OSError, WSError, ssl.SSLError) as error:
        raise UnreachableError(str(error) or type(error).__name__) from None
    assert isinstance(socket, Socket)
    return socket
