"""Takes a connection over from uvicorn, so that picows reads it.

Uvicorn parses the upgrade request and hands the connection over; after the 101 it takes no part.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from picows import WSAutoPingStrategy, WSUpgradeRequest
from picows.picows import WSProtocol  # type: ignore[attr-defined]

from ..net.graceful_close import GracefulClose
from ..net.websocket import Socket
from ..protocol.close_codes import CloseCode
from ..runtime.client import Client
from ..runtime.refusals import CallRefused
from . import handshake
from .upgrade_request import UpgradeRequest
from .websocket import UpgradeResponse, WebSocketEndpoint

picows_log = logging.getLogger("vivavoce.picows")

HANDSHAKE_S = 10.0  # longer than a sideband waits for its call
PING_AFTER_S = 20.0


class ProtocolErrors:
    """The logger of one connection, for picows.

    picows reports a client's protocol error only to its logger. It closes the connection 10 ms
    later, and meanwhile it would read on and keep everything.
    """

    def __init__(self, on_error: Callable[[], None]) -> None:
        self._on_error = on_error

    def isEnabledFor(self, level: int) -> bool:  # the method that a logger has
        return False

    def debug(self, *_: object) -> None: ...

    log = info = debug

    def warning(self, message: str, *values: object) -> None:
        picows_log.warning(message, *values)

    def error(self, message: str, *values: object) -> None:
        picows_log.error(message, *values)
        self._on_error()

    def exception(self, message: str, *values: object) -> None:
        picows_log.exception(message, *values)
        self._on_error()


class PicowsOnUvicorn(WSProtocol):  # type: ignore[misc]
    """One connection. uvicorn makes it and hands over the upgrade request; picows does the rest.

    The order in which uvicorn calls `connection_made`, `data_received` and `set_protocol` is not
    documented. So its version is pinned, and `tests/transports` checks the order.
    """

    def __new__(cls, *_: object, **__: object) -> PicowsOnUvicorn:
        made: PicowsOnUvicorn = WSProtocol.__new__(cls)
        return made

    def __init__(
        self,
        endpoint: Callable[[], WebSocketEndpoint],
        largest: int,
        *,
        server_state: Any,  # noqa: ANN401
        **_: object,
    ) -> None:
        """`endpoint`: returns the endpoint of the running server. `largest`: bytes of a message."""
        super().__init__(
            None, None, False, self._answer,
            ProtocolErrors(lambda: self._raw.stop_reading()), True, HANDSHAKE_S,
            True, PING_AFTER_S, PING_AFTER_S, WSAutoPingStrategy.PING_WHEN_IDLE,
            False,  # no automatic PONG: `Socket` knows what its client has read
            largest, None, 4096,
        )  # fmt: skip
        self._connections = server_state.connections
        self._endpoint = endpoint
        self._decided: UpgradeResponse | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._connections.add(self)
        self._raw = GracefulClose.of(transport)
        super().connection_made(self._raw)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self._raw.left()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take the handshake request, which uvicorn replays. Later data comes by buffers."""
        try:
            request = handshake.read(data)
        except CallRefused as refused:
            self._decided = self._endpoint().refuse_handshake(refused)
            self._pass_to_picows(handshake.REFUSED)
            return
        upgrade = self._endpoint().parse_request(request.target, request.headers)
        if isinstance(upgrade, UpgradeRequest) and upgrade.call_id:
            self._raw.pause_reading()
            self._endpoint().wait_for(self._answer_sideband(upgrade, request.as_picows_reads_it()))
        else:
            self._decided = (
                self._endpoint().accept_call(upgrade)
                if isinstance(upgrade, UpgradeRequest)
                else upgrade
            )
            self._pass_to_picows(request.as_picows_reads_it())

    async def _answer_sideband(self, upgrade: UpgradeRequest, request: bytes) -> None:
        self._decided = await self._endpoint().accept_sideband(upgrade)
        if not self._raw.is_closing():
            self._pass_to_picows(request)
            self._raw.resume_reading()

    def _answer(self, request: WSUpgradeRequest) -> UpgradeResponse:
        """Return the response that was decided. picows calls this after the request."""
        decided, self._decided = self._decided, None
        assert decided is not None
        return decided

    def _pass_to_picows(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            buffer = self.get_buffer(len(view))
            size = min(len(buffer), len(view))
            buffer[:size] = view[:size]
            self.buffer_updated(size)
            view = view[size:]

    def shutdown(self) -> None:
        """Begin the shutdown. uvicorn then waits until every connection is closed."""
        self._endpoint().start_shutdown()
        if isinstance(self.listener, Socket) and not isinstance(self.listener.receiver, Client):
            self.listener.close(CloseCode.SERVICE_RESTART, "service restart")


def protocol_class(
    endpoint: Callable[[], WebSocketEndpoint], largest: int
) -> type[asyncio.Protocol]:
    """Return what uvicorn's `ws=` calls like a class, for each connection."""
    return cast("type[asyncio.Protocol]", partial(PicowsOnUvicorn, endpoint, largest))
