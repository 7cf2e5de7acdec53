"""`WS /v1/realtime`, by picows on uvicorn's port and loop (protocol §1.10).

Uvicorn parses the upgrade request and hands the connection over; after the 101 it takes no part.
The handshake succeeds on every path below. A client that is refused gets an `error` event and a
close code, because that is what clients of this protocol understand.

Only the handshake of a sideband (protocol §1.11) waits: the server answers it when it knows the
credential and the call, because an unknown call is an HTTP 404.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from picows import (
    WSAutoPingStrategy,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
)
from picows.picows import WSProtocol  # type: ignore[attr-defined]

from ..access import client_secrets, request_credentials
from ..access.hosts import Hosts
from ..access.transport_security import TransportSecurity
from ..core.types import Frame
from ..net.graceful_close import GracefulClose
from ..net.security_headers import security_headers
from ..net.websocket import SLOW_PEER_TIMEOUT_S, Socket
from ..protocol import codec
from ..protocol.close_codes import CloseCode
from ..runtime.call_request import CallRequest
from ..runtime.call_setup import AGAIN_S, CallSetup, require_sideband_room
from ..runtime.client import Client
from ..runtime.cluster import CallRegistry
from ..runtime.dialects import DialectName
from ..runtime.live_call import LiveCall
from ..runtime.refusals import (
    SERVER,
    CallRefused,
    close_reason,
    error_event,
    http_answer,
    unknown_host,
    unknown_origin,
)
from . import handshake

log = logging.getLogger(__name__)
picows_log = logging.getLogger("vivavoce.picows")

PATHS: dict[str, DialectName] = {
    "/v1/realtime": "ga",
    "/openai/v1/realtime": "ga",
    "/openai/realtime": "beta",  # Azure's preview
    "/v1/realtime/translations": "translation",
    "/openai/v1/realtime/translations": "translation",
}
HANDSHAKE_S = 10.0  # longer than a sideband waits for its call
PING_AFTER_S = 20.0
QUERY_FIELDS = 100

UpgradeResponse = WSUpgradeResponseWithListener


class _Discard:
    """Receives what a refused client still sends, and drops it."""

    def frame(self, data: Frame) -> None: ...

    def writable(self) -> None: ...

    def lost(self, code: int, reason: str) -> None: ...


@dataclass(frozen=True, slots=True)
class UpgradeRequest:
    """An upgrade request, and the subprotocol to answer with."""

    request: CallRequest
    chosen: str | None

    @property
    def call_id(self) -> str | None:
        """The id of the running call, if this is a sideband."""
        return self.request.asked("call_id")


class WebSocketEndpoint:
    """Answers upgrade requests, and attaches clients to calls."""

    def __init__(
        self,
        call_setup: CallSetup,
        registry: CallRegistry,
        *,
        largest: int,
        timeout_s: float = SLOW_PEER_TIMEOUT_S,
        max_pending: int,
        security: TransportSecurity,
        origins: tuple[str, ...],
        hosts: Hosts = Hosts(),  # noqa: B008  # it does not change
        make_id: Callable[[str], str],
    ) -> None:
        self._call_setup = call_setup
        self._registry = registry
        self._largest = largest
        self._timeout_s = timeout_s
        self._max_pending = max_pending
        self._undecided: set[Socket] = set()
        self._refused: dict[Socket, None] = {}  # refused and not closed yet, the oldest first
        self._security = security
        self._origins = origins
        self._hosts = hosts
        self._make_id = make_id

    def parse_request(
        self, target: bytes, headers: Mapping[str, str]
    ) -> UpgradeRequest | UpgradeResponse:
        """Return the request, or the response that refuses it.

        `target`: path and query. `headers`: one value for each name, in small letters.
        """
        try:
            url = urlsplit(target.decode("latin-1"))
            query = dict(
                parse_qsl(
                    url.query, keep_blank_values=True, max_num_fields=QUERY_FIELDS, errors="replace"
                )
            )
        except ValueError:
            return self.refuse_handshake(
                CallRefused(400, "invalid_value", "This address cannot be read.")
            )
        if len(self._undecided) >= self._max_pending:
            message = (
                f"Too many connections are being set up. Please try again in {AGAIN_S} seconds."
            )
            return self.refuse_handshake(CallRefused(503, "server_busy", message, retry_s=AGAIN_S))
        if not self._hosts.answers_to(headers.get("host")):
            return self.refuse_handshake(unknown_host())
        dialect = PATHS.get(url.path.rstrip("/"))
        if dialect is None:
            return self.refuse_handshake(
                CallRefused(404, "not_found", "There is nothing at this address.")
            )
        origin, host = headers.get("origin"), headers.get("host")
        if not request_credentials.origin_allowed(
            origin, host=host, secure=self._security.is_secure(host), allowed=self._origins
        ):
            text = request_credentials.origin_text(origin)
            log.warning(
                "origin_not_allowed", extra={"origin": text, "setting": "server.public_url"}
            )
            return self.refuse_handshake(unknown_origin(text))
        offered = request_credentials.parse_subprotocols(headers.get("sec-websocket-protocol"))
        credential = request_credentials.extract_credential(
            authorization=headers.get("authorization"),
            api_key=headers.get("api-key"),
            subprotocols=offered,
        )
        if request_credentials.speaks_beta(headers.get("openai-beta"), offered):
            dialect = "beta"
        return UpgradeRequest(
            CallRequest(
                credential,
                "websocket",
                query,
                dialect,
                safety_identifier=headers.get("openai-safety-identifier"),
            ),
            request_credentials.select_subprotocol(offered),
        )

    # A new call

    def accept_call(self, upgrade: UpgradeRequest) -> UpgradeResponse:
        """Answer the handshake of a new call."""
        request, call_id = upgrade.request, self._make_id("rtc")
        call_headers = {"Vivavoce-Call-Id": call_id}
        conversation_id = request.query.get("conversation_id")
        is_secret = (request.credential or "").startswith(client_secrets.PREFIX)
        if not is_secret:  # a client secret may name a conversation
            conversation_id = conversation_id or self._make_id("conv")
        if conversation_id and conversation_id.isascii() and conversation_id.isprintable():
            call_headers["Vivavoce-Conversation-Id"] = conversation_id[:64]
        new = None if request.query.get("conversation_id") else conversation_id

        def on_connected(socket: Socket) -> None:
            self._registry.spawn(self._run_call(socket, request, call_id, new), "websocket")

        return self._accept(upgrade, on_connected, call_headers)

    async def _run_call(
        self, socket: Socket, request: CallRequest, call_id: str, new: str | None
    ) -> None:
        try:
            call = await self._call_setup.admit_in_time(
                request, call_id=call_id, conversation_id=new
            )
        except CallRefused as refused:
            self._refuse_client(socket, refused)
            return
        except Exception:
            message = "The call could not be set up."
            failed = CallRefused(500, SERVER, message, type=SERVER, close=CloseCode.INTERNAL_ERROR)
            self._refuse_client(socket, failed)
            raise
        self._undecided.discard(socket)
        client = call.driver.attach(socket, call.reader)
        socket.join(client)
        await call.live()

    # A sideband of a running call

    async def accept_sideband(self, upgrade: UpgradeRequest) -> UpgradeResponse:
        """Answer the handshake of a sideband. Wait for a call that is about to begin."""
        try:
            live, credentials = await self._call_setup.join(upgrade.request, upgrade.call_id or "")
        except CallRefused as refused:
            if refused.status == 404:
                return self.refuse_handshake(refused)
            reason = refused
            return self._accept(upgrade, lambda socket: self._refuse_client(socket, reason))
        return self._accept(upgrade, lambda socket: self._attach(socket, live, credentials))

    def _attach(self, socket: Socket, live: LiveCall, credentials: tuple[str, ...]) -> None:
        try:
            require_sideband_room(live)  # during the handshake the call may have ended or filled up
        except CallRefused as refused:
            self._refuse_client(socket, refused)
            return
        self._undecided.discard(socket)
        socket.join(self._registry.attach(live, socket, credentials))

    # Responses

    def wait_for(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a task that belongs to a handshake."""
        self._registry.spawn(work, "handshake")

    def start_shutdown(self) -> None:
        """End all calls, because the process ends. Each driver tells its clients."""
        self._registry.start_shutdown()

    def _accept(
        self,
        upgrade: UpgradeRequest,
        on_connected: Callable[[Socket], None],
        call_headers: Mapping[str, str] = {},
    ) -> UpgradeResponse:
        chosen = {"Sec-WebSocket-Protocol": upgrade.chosen} if upgrade.chosen else {}

        def connected(socket: Socket) -> None:
            self._undecided.add(socket)
            self._abort_oldest_refused()
            on_connected(socket)

        return WSUpgradeResponseWithListener(
            WSUpgradeResponse.create_101_response(
                extra_headers=security_headers(secure=self._security.strict)
                | chosen
                | dict(call_headers)
            ),
            TrackedSocket(self._largest, self._timeout_s, connected, self._forget),
        )

    def refuse_handshake(self, refused: CallRefused) -> UpgradeResponse:
        """Return the HTTP response that refuses a handshake."""
        status, headers, body = http_answer(refused, secure=self._security.strict)
        response = WSUpgradeResponse.create_error_response(status, body, headers)
        return WSUpgradeResponseWithListener(response, None)

    def _abort_oldest_refused(self) -> None:
        """Drop the oldest refused connections at the limit. Below it, let them finish closing."""
        while self._refused and len(self._undecided) + len(self._refused) > self._max_pending:
            oldest = next(iter(self._refused))
            del self._refused[oldest]
            oldest.abort()

    def _forget(self, socket: Socket) -> None:
        self._undecided.discard(socket)
        self._refused.pop(socket, None)

    def _refuse_client(self, socket: Socket, refused: CallRefused) -> None:
        if socket in self._undecided:  # otherwise the client has left already
            self._undecided.discard(socket)
            self._refused[socket] = None
        log.info("refused", extra={"code": refused.code})
        socket.write(codec.encode(error_event(refused, self._make_id("event"))))
        socket.close(refused.close, close_reason(refused))
        socket.join(_Discard())


class TrackedSocket(Socket):
    """A socket that reports when it is connected and when it is disconnected."""

    def __init__(
        self,
        largest: int,
        timeout_s: float,
        on_connected: Callable[[Socket], None],
        on_disconnected: Callable[[Socket], None],
    ) -> None:
        super().__init__(largest, timeout_s)
        self._on_connected = on_connected
        self._on_disconnected = on_disconnected

    def on_ws_connected(self, transport: Any) -> None:  # noqa: ANN401
        super().on_ws_connected(transport)
        self.leave_unread()
        self._on_connected(self)

    def on_ws_disconnected(self, transport: Any) -> None:  # noqa: ANN401
        super().on_ws_disconnected(transport)
        self._on_disconnected(self)


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


def protocol_class(
    endpoint: Callable[[], WebSocketEndpoint], largest: int
) -> type[asyncio.Protocol]:
    """Return the class for uvicorn's `ws=`, which makes one object per upgraded connection.

    The order in which uvicorn calls `connection_made`, `data_received` and `set_protocol` is not
    documented. So its version is pinned, and `tests/transports` checks the order.
    """

    class PicowsOnUvicorn(WSProtocol):  # type: ignore[misc]
        def __new__(cls, **_: object) -> PicowsOnUvicorn:
            made: PicowsOnUvicorn = WSProtocol.__new__(cls)
            return made

        def __init__(self, *, server_state: Any, **_: object) -> None:  # noqa: ANN401
            super().__init__(
                None, None, False, self._answer,
                ProtocolErrors(lambda: self._raw.stop_reading()), True, HANDSHAKE_S,
                True, PING_AFTER_S, PING_AFTER_S, WSAutoPingStrategy.PING_WHEN_IDLE,
                False,  # no automatic PONG: `Socket` knows what its client has read
                largest, None, 4096,
            )  # fmt: skip
            self._connections = server_state.connections
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
                self._decided = endpoint().refuse_handshake(refused)
                self._take(handshake.REFUSED)
                return
            upgrade = endpoint().parse_request(request.target, request.headers)
            if isinstance(upgrade, UpgradeRequest) and upgrade.call_id:
                self._raw.pause_reading()
                endpoint().wait_for(self._join(upgrade, request.as_picows_reads_it()))
            else:
                self._decided = (
                    endpoint().accept_call(upgrade)
                    if isinstance(upgrade, UpgradeRequest)
                    else upgrade
                )
                self._take(request.as_picows_reads_it())

        async def _join(self, upgrade: UpgradeRequest, request: bytes) -> None:
            self._decided = await endpoint().accept_sideband(upgrade)
            if not self._raw.is_closing():
                self._take(request)
                self._raw.resume_reading()

        def _answer(self, request: WSUpgradeRequest) -> UpgradeResponse:
            """Return the response that was decided. picows calls this after the request."""
            decided, self._decided = self._decided, None
            assert decided is not None
            return decided

        def _take(self, data: bytes) -> None:
            view = memoryview(data)
            while view:
                buffer = self.get_buffer(len(view))
                size = min(len(buffer), len(view))
                buffer[:size] = view[:size]
                self.buffer_updated(size)
                view = view[size:]

        def shutdown(self) -> None:
            """Begin the shutdown. uvicorn then waits until every connection is closed."""
            endpoint().start_shutdown()
            if isinstance(self.listener, Socket) and not isinstance(self.listener.receiver, Client):
                self.listener.close(CloseCode.SERVICE_RESTART, "service restart")

    return PicowsOnUvicorn
