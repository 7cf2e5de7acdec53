"""Limit the time and the memory that a client costs before it is authenticated.

uvicorn waits without a limit for a request that does not come, and keeps headers of any size. The
application itself limits the size of bodies.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sized
from typing import Any, cast

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ..access.request_headers import tokens
from ..net.graceful_close import GracefulClose, unsent
from ..runtime.refusals import CallRefused, http_answer

REQUEST_WITHIN_S = 10.0  # from the first byte, or from connecting, to the last byte
HEAD_BYTES = 64 * 1024  # bytes of a request before its body
PIPELINED = 100  # requests that wait for the response to an earlier one
READ_WITHIN_S = 10.0  # without the client reading a byte of the response

_REASONS = {400: "Bad Request", 408: "Request Timeout", 431: "Request Header Fields Too Large"}


class TooManyRequests(Exception):
    """Report a client that pipelines more than `PIPELINED` requests."""


class Flow(FlowControl):
    """Pause reading in uvicorn's flow control while pipelined requests wait."""

    def __init__(self, transport: asyncio.Transport, pipeline: Sized) -> None:
        super().__init__(transport)
        self._pipeline = pipeline

    def resume_reading(self) -> None:
        """Read on if no request waits. uvicorn calls this after a response, and for a body."""
        if not self._pipeline:
            super().resume_reading()


class TimedHttpProtocol(HttpToolsProtocol):
    """Add timeouts and a limit for headers to uvicorn's HTTP connection."""

    def __init__(self, *args: Any, secure: bool = False, **more: Any) -> None:  # noqa: ANN401
        """`secure`: clients connect over TLS."""
        super().__init__(*args, **more)
        self._secure = secure
        self._receiving = False  # a request has begun and is not complete
        self._head: int | None = 0  # bytes of an incomplete head; None: it is complete
        self._timer: asyncio.TimerHandle | None = None  # for the request to be complete
        self._read_timer: asyncio.TimerHandle | None = None  # for the client to read
        self._unsent = 0  # bytes, when `_read_timer` was started

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._leaving = GracefulClose.of(transport)
        transport = cast("asyncio.Transport", self._leaving)
        super().connection_made(transport)
        self.flow = Flow(transport, self.pipeline)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._stop_read_timer()
        self._leaving.left()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._start_timer()
        if self._head is not None:
            self._head += len(data)
        super().data_received(data)
        if self._head is not None and self._head > HEAD_BYTES:
            self._refuse(431, "The request's headers are too large.")

    def handle_websocket_upgrade(self) -> None:
        self._stop_timer()
        self._stop_read_timer()
        self._head = None
        super().handle_websocket_upgrade()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._receiving = True
        self._start_timer()

    def on_headers_complete(self) -> None:
        self._head = None
        super().on_headers_complete()
        if len(self.pipeline) > PIPELINED:
            raise TooManyRequests  # because the parser cannot be paused

    def on_message_complete(self) -> None:
        self._stop_timer()
        self._receiving = False
        self._head = 0  # bytes of the next request
        super().on_message_complete()
        self._start_timer()  # the next request: this one may already have its response

    def on_response_complete(self) -> None:
        super().on_response_complete()
        # uvicorn resumed too early, when the next request was still in the pipeline.
        self.flow.resume_reading()
        if self._receiving:  # the next request, whose turn it may be now
            self._unset_keepalive_if_required()  # this timer is for requests that have not begun
            self._start_timer()

    def _get_upgrade(self) -> bytes | None:
        """Read lists as lists, also those that are split over several lines."""

        def listed(header: bytes) -> frozenset[str]:
            lines = [value.decode("latin-1") for name, value in self.headers if name == header]
            return tokens(",".join(lines))

        if "upgrade" in listed(b"connection") and "websocket" in listed(b"upgrade"):
            return b"websocket"
        return None

    def send_400_response(self, msg: str) -> None:
        if self._is_behind():  # the client would take it for the response to another request
            self.transport.close()
        else:
            self._write_refusal(400, "The request is not valid HTTP.")
            self.transport.close()

    # A client that does not read its response

    def pause_writing(self) -> None:
        super().pause_writing()
        self._start_read_timer()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_read_timer()

    def _start_read_timer(self) -> None:
        self._unsent = unsent(self.transport)
        self._read_timer = self.loop.call_later(READ_WITHIN_S, self._on_read_timeout)

    def _on_read_timeout(self) -> None:
        if unsent(self.transport) < self._unsent:
            self._start_read_timer()
        else:
            self.transport.abort()

    def _stop_read_timer(self) -> None:
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None

    # A client that does not complete its request

    def _start_timer(self) -> None:
        if self._timer is None and not self._is_behind():
            self._timer = self.loop.call_later(REQUEST_WITHIN_S, self._on_timeout)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_timeout(self) -> None:
        self._timer = None
        self._refuse(408, "No whole request came.")

    def _refuse(self, status: int, message: str) -> None:
        if self.transport.is_closing():
            return
        if self._may_answer():
            if self.cycle is not None:
                self.cycle.disconnected = True  # discards the application's own response
            self._write_refusal(status, message)
        self.transport.close()

    def _write_refusal(self, status: int, message: str) -> None:
        refused = CallRefused(status, "invalid_request", message)
        _, headers, body = http_answer(refused, secure=self._secure)
        headers |= {"content-length": str(len(body)), "connection": "close"}
        lines = [f"HTTP/1.1 {status} {_REASONS[status]}"]
        lines += [f"{name.lower()}: {value}" for name, value in headers.items()]
        self.transport.write("\r\n".join([*lines, "", ""]).encode() + body)

    def _may_answer(self) -> bool:
        """Return whether it is this request's turn and its response has not begun."""
        if self._is_behind():
            return False
        return self._head is not None or not self.cycle.response_started

    def _is_behind(self) -> bool:
        """Return whether an earlier request still waits for its response.

        The server may then have paused reading, so that its timeout must not run.
        """
        if self._head is None:  # the newest cycle is this request's own
            return bool(self.pipeline)
        return self.cycle is not None and not self.cycle.response_complete
