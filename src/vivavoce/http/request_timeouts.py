"""What a stranger may cost before anybody can ask who they are: a little time, a little memory.

uvicorn waits for ever for a request that does not come, and keeps headers of any size. Bodies are
bounded by the application itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sized
from typing import Any, cast

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ..net.graceful_close import GracefulClose, unsent
from ..runtime.refusals import CallRefused, http_answer

REQUEST_WITHIN_S = 10.0  # from its first byte, or from connecting, to its last
HEAD_BYTES = 64 * 1024  # of a request before its body
PIPELINED = 100  # requests that wait because an earlier one is still being answered
READ_WITHIN_S = 10.0  # with a client that takes no byte of its answer

_REASONS = {408: "Request Timeout", 431: "Request Header Fields Too Large"}


class TooManyRequests(Exception):
    """A client asks for more and does not wait for answers."""


class Flow(FlowControl):
    """uvicorn's flow control, which does not read on while requests wait for their turn."""

    def __init__(self, transport: asyncio.Transport, pipeline: Sized) -> None:
        super().__init__(transport)
        self._pipeline = pipeline

    def resume_reading(self) -> None:
        """uvicorn asks for this after each answer, and whenever a body is wanted."""
        if not self._pipeline:
            super().resume_reading()


class TimedHttpProtocol(HttpToolsProtocol):
    """uvicorn's connection, with an end to its patience."""

    def __init__(self, *args: Any, **more: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **more)
        self._coming = False  # is a request on its way: begun, and not whole
        self._head: int | None = 0  # bytes of a head that is not whole yet; None: it is
        self._timer: asyncio.TimerHandle | None = None
        self._reader: asyncio.TimerHandle | None = None  # rings when the client reads nothing
        self._unsent = 0  # bytes, when the client was last looked at

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._leaving = GracefulClose.of(transport)
        transport = cast("asyncio.Transport", self._leaving)
        super().connection_made(transport)
        self.flow = Flow(transport, self.pipeline)
        self._be_patient()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_more()
        self._stop_watch()
        self._leaving.left()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._be_patient()
        if self._head is not None:
            self._head += len(data)
        super().data_received(data)
        if self._head is not None and self._head > HEAD_BYTES:
            self._refuse(431, "The request's headers are too large.")

    def handle_websocket_upgrade(self) -> None:
        self._wait_no_more()
        self._stop_watch()
        self._head = None
        super().handle_websocket_upgrade()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._coming = True
        self._be_patient()

    def on_headers_complete(self) -> None:
        self._head = None
        super().on_headers_complete()
        if len(self.pipeline) > PIPELINED:
            raise TooManyRequests  # the parser cannot be paused

    def on_message_complete(self) -> None:
        self._wait_no_more()
        self._coming = False
        self._head = 0  # of the next
        super().on_message_complete()
        self._be_patient()  # if its answer went ahead of it, the next one is waited for

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self.flow.resume_reading()  # uvicorn did so before it took the next one out
        if self._coming:  # the next one: perhaps it is its turn now
            self._unset_keepalive_if_required()  # that one waits for requests that have not begun
            self._be_patient()

    def send_400_response(self, msg: str) -> None:
        if self._is_behind():  # another request's answer would be taken for this one's
            self.transport.close()
        else:
            super().send_400_response(msg)

    # A client that does not read

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_watch()

    def _watch(self) -> None:
        self._unsent = unsent(self.transport)
        self._reader = self.loop.call_later(READ_WITHIN_S, self._look)

    def _look(self) -> None:
        if unsent(self.transport) < self._unsent:
            self._watch()
        else:
            self.transport.abort()

    def _stop_watch(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            self._reader = None

    # A client that does not finish its request

    def _be_patient(self) -> None:
        if self._timer is None and not self._is_behind():
            self._timer = self.loop.call_later(REQUEST_WITHIN_S, self._give_up)

    def _wait_no_more(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        self._refuse(408, "No whole request came.")

    def _refuse(self, status: int, message: str) -> None:
        if self.transport.is_closing():
            return
        if self._may_answer():
            if self.cycle is not None:
                self.cycle.disconnected = True  # what the application answers now is not sent
            _, headers, body = http_answer(CallRefused(status, "invalid_request", message))
            headers |= {"content-length": str(len(body)), "connection": "close"}
            lines = [f"HTTP/1.1 {status} {_REASONS[status]}"]
            lines += [f"{name.lower()}: {value}" for name, value in headers.items()]
            self.transport.write("\r\n".join([*lines, "", ""]).encode() + body)
        self.transport.close()

    def _may_answer(self) -> bool:
        """Is it this request's turn, and has nobody begun to answer it?"""
        if self._is_behind():
            return False
        return self._head is not None or not self.cycle.response_started

    def _is_behind(self) -> bool:
        """Is a request before it still being answered? What comes may not be read then."""
        if self._head is None:  # the newest cycle is its own
            return bool(self.pipeline)
        return self.cycle is not None and not self.cycle.response_complete
