"""`WS /v1/realtime`, by picows on uvicorn's port and loop (protocol §1.10).

Uvicorn parses the upgrade request and hands the connection over; after the 101 it is out of the
way. The handshake always succeeds on our paths: who has no right to be here is told so by an
`error` event and a close code, because that is what the clients of this protocol understand.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from msgspec import UNSET
from picows import (
    WSAutoPingStrategy,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
)
from picows.picows import WSProtocol  # type: ignore[attr-defined]

from ..access import carriers
from ..net.websocket import Frame, Socket
from ..protocol import codec, server
from ..protocol.envelope import envelope
from ..runtime.hub import SERVICE_RESTART, Hub
from ..runtime.reception import Knock, Reception, Refused

log = logging.getLogger("vivavoce.websocket")

PATHS = ("/v1/realtime", "/openai/v1/realtime")
HANDSHAKE_S = 5.0
PING_AFTER_S = 20.0
ADMIT_WITHIN_S = 10.0
QUERY_FIELDS = 100


class _Deaf:
    """The far end of a socket that was refused: nobody listens."""

    def frame(self, data: Frame) -> None: ...

    def writable(self) -> None: ...

    def lost(self, code: int, reason: str) -> None: ...


class Door:
    """Answers upgrade requests, and brings who comes in to the reception."""

    def __init__(
        self,
        reception: Reception,
        hub: Hub,
        *,
        largest: int,
        strangers: int,
        secure: bool,
        origins: tuple[str, ...],
        make_id: Callable[[str], str],
    ) -> None:
        self._reception = reception
        self._hub = hub
        self._largest = largest
        self._room = strangers
        self._strangers: set[Socket] = set()
        self._secure = secure
        self._origins = origins
        self._make_id = make_id

    def open(self, request: WSUpgradeRequest) -> WSUpgradeResponseWithListener | None:
        """picows asks this for each handshake."""
        try:
            url = urlsplit(request.path.decode("latin-1"))
            query = dict(parse_qsl(url.query, max_num_fields=QUERY_FIELDS, errors="replace"))
        except ValueError:
            return _no(400, "invalid_value", "This address cannot be read.")
        if len(self._strangers) >= self._room:
            return _no(503, "server_busy", "Too many connections wait at the door. Please try "
                       "again in a few seconds.")  # fmt: skip
        headers = {name.lower(): value for name, value in request.headers.items()}
        if url.path.rstrip("/") not in PATHS:
            return _no(404, "not_found", "There is nothing at this address.")
        origin, host = headers.get("origin"), headers.get("host")
        if not carriers.welcome(origin, host=host, secure=self._secure, allowed=self._origins):
            return _no(403, "origin_not_allowed", "This page may not connect: unknown Origin.")
        if query.get("call_id"):
            return _no(404, "call_id_not_found", "No session found for the provided call_id")
        offered = carriers.offered(headers.get("sec-websocket-protocol"))
        credential = carriers.credential(
            authorization=headers.get("authorization"),
            api_key=headers.get("api-key"),
            subprotocols=offered,
        )
        knock = Knock(credential, "websocket", query)
        chosen = carriers.select(offered)
        answer = {"Sec-WebSocket-Protocol": chosen} if chosen else {}
        conversation_id = query.get("conversation_id")
        if not (knock.credential or "").startswith("ek_"):  # a secret may name one itself
            conversation_id = conversation_id or self._make_id("conv")
        if conversation_id and conversation_id.isascii() and conversation_id.isprintable():
            answer["Vivavoce-Conversation-Id"] = conversation_id[:64]
        new = None if query.get("conversation_id") else conversation_id
        socket = Visitor(
            self._largest, lambda me: self._welcome(me, knock, new), self._strangers.discard
        )
        return WSUpgradeResponseWithListener(
            WSUpgradeResponse.create_101_response(extra_headers=answer), socket
        )

    def _welcome(self, socket: Socket, knock: Knock, new: str | None) -> None:
        self._strangers.add(socket)
        self._hub.spawn(self._live(socket, knock, new), "websocket")

    async def _live(self, socket: Socket, knock: Knock, new: str | None) -> None:
        try:
            async with asyncio.timeout(ADMIT_WITHIN_S):
                call = await self._reception.admit(knock, conversation_id=new)
        except Refused as refused:
            self._refuse(socket, refused)
            return
        except TimeoutError:  # a machine that is busy, or still preparing what an assistant needs
            self._refuse(socket, Refused(
                503, "server_busy", "The call could not be set up in time. Please try again in a "
                "minute.", type="server_error", close=1013,
            ))  # fmt: skip
            return
        except Exception:
            self._refuse(socket, Refused(500, "server_error", "The call could not be set up.",
                                         type="server_error", close=1011))  # fmt: skip
            raise
        self._strangers.discard(socket)
        client = call.line.attach(socket, call.reader)
        socket.join(client)
        await call.live()

    def _refuse(self, socket: Socket, refused: Refused) -> None:
        body = server.ErrorBody(
            type=refused.type,
            code=refused.code,
            message=refused.message,
            param=refused.param,
            retry_after=refused.retry_s or UNSET,
        )
        log.info("refused", extra={"code": refused.code})
        socket.write(codec.encode(server.Error(event_id=self._make_id("event"), error=body)))
        socket.close(refused.close, f"{refused.type}.{refused.code}")
        socket.join(_Deaf())


class Visitor(Socket):
    """A socket that says when it is connected, and when it is no more."""

    def __init__(
        self, largest: int, welcome: Callable[[Socket], None], farewell: Callable[[Socket], None]
    ) -> None:
        super().__init__(largest)
        self._welcome = welcome
        self._farewell = farewell

    def on_ws_connected(self, transport: Any) -> None:  # noqa: ANN401
        super().on_ws_connected(transport)
        self._welcome(self)

    def on_ws_disconnected(self, transport: Any) -> None:  # noqa: ANN401
        super().on_ws_disconnected(transport)
        self._farewell(self)


def _no(status: int, code: str, message: str) -> WSUpgradeResponseWithListener:
    body = envelope("invalid_request_error", code, message)
    headers = {"Content-Type": "application/json"}
    response = WSUpgradeResponse.create_error_response(status, body, headers)
    return WSUpgradeResponseWithListener(response, None)


def protocol_class(door: Callable[[], Door], largest: int) -> type[asyncio.Protocol]:
    """What uvicorn's `ws=` takes: it makes one for each upgraded connection.

    The order in which uvicorn calls `connection_made`, `data_received` and `set_protocol` is its
    own affair, so its version is pinned and `tests/transports` holds it to this.
    """

    class PicowsOnUvicorn(WSProtocol):  # type: ignore[misc]
        def __new__(cls, **_: object) -> PicowsOnUvicorn:
            made: PicowsOnUvicorn = WSProtocol.__new__(cls)
            return made

        def __init__(self, *, server_state: Any, **_: object) -> None:  # noqa: ANN401
            super().__init__(
                None, None, False, lambda request: door().open(request),
                logging.getLogger("vivavoce.picows"), True, HANDSHAKE_S,
                True, PING_AFTER_S, PING_AFTER_S, WSAutoPingStrategy.PING_WHEN_IDLE, True,
                largest, None, 4096,
            )  # fmt: skip
            self._connections = server_state.connections

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self._connections.add(self)
            super().connection_made(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            self._connections.discard(self)
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            """Uvicorn replays the handshake request; the rest comes by buffers."""
            view = memoryview(data)
            while view:
                buffer = self.get_buffer(len(view))
                size = min(len(buffer), len(view))
                buffer[:size] = view[:size]
                self.buffer_updated(size)
                view = view[size:]

        def shutdown(self) -> None:
            """Uvicorn leaves, and waits until every connection is gone."""
            if isinstance(self.listener, Socket):
                self.listener.close(SERVICE_RESTART, "service restart")

    return PicowsOnUvicorn
