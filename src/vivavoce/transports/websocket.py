"""`WS /v1/realtime`, by picows on uvicorn's port and loop (protocol §1.10).

    picows_protocol   takes the connection over from uvicorn
    handshake         validates the upgrade request, and writes it as picows wants it
    upgrade_request   what the client asks for: path, query, credential, subprotocol
    websocket         answers it, and attaches the client to a call

The handshake succeeds on every path of `upgrade_request`. A client that is refused gets an `error`
event and a close code, because that is what clients of this protocol understand.

Only the handshake of a sideband (protocol §1.11) waits: the server answers it when it knows the
credential and the call, because an unknown call is an HTTP 404.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from picows import WSUpgradeResponse, WSUpgradeResponseWithListener

from ..access import client_secrets
from ..access.hosts import Hosts
from ..access.transport_security import TransportSecurity
from ..core.types import Frame
from ..net.security_headers import security_headers
from ..net.websocket import SLOW_PEER_TIMEOUT_S, Socket
from ..protocol import codec
from ..protocol.close_codes import CloseCode
from ..runtime.call_setup import AGAIN_S, CallSetup, require_sideband_room
from ..runtime.call_spec import CallRequest
from ..runtime.cluster import CallRegistry
from ..runtime.live_call import LiveCall
from ..runtime.refusals import SERVER, CallRefused, close_reason, error_event, http_answer
from .upgrade_request import UpgradeParser, UpgradeRequest, parse_target

log = logging.getLogger(__name__)

UpgradeResponse = WSUpgradeResponseWithListener


class _Discard:
    """Receives what a refused client still sends, and drops it."""

    def frame(self, data: Frame) -> None: ...

    def writable(self) -> None: ...

    def lost(self, code: int, reason: str) -> None: ...


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
        self._parser = UpgradeParser(security=security, origins=origins, hosts=hosts)
        self._make_id = make_id

    def parse_request(
        self, target: bytes, headers: Mapping[str, str]
    ) -> UpgradeRequest | UpgradeResponse:
        """Return the request, or the response that refuses it.

        `target`: path and query. `headers`: one value for each name, in small letters.
        """
        try:
            path, query = parse_target(target)
            self._require_room()
            return self._parser.parse(path, query, headers)
        except CallRefused as refused:
            return self.refuse_handshake(refused)

    def _require_room(self) -> None:
        if len(self._undecided) >= self._max_pending:
            message = (
                f"Too many connections are being set up. Please try again in {AGAIN_S} seconds."
            )
            raise CallRefused(503, "server_busy", message, retry_s=AGAIN_S)

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
        if call.spec.own_events:
            call.tell_own_events(client)
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
