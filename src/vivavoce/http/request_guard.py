"""Refuse requests that no route should see: to another server's name, or with doubtful headers."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from ..access.hosts import Hosts
from ..access.request_headers import merged
from ..errors import InvalidRequest
from ..runtime.refusals import invalid, unknown_host
from . import errors


class RequestGuard:
    """Check `Host`, and that no header is ambiguous."""

    def __init__(self, app: ASGIApp, hosts: Hosts) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        lines = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in scope["headers"]]
        try:
            headers = merged(lines)
        except InvalidRequest as error:
            await errors.response(invalid(error))(scope, receive, send)
            return
        if not self._hosts.answers_to(headers.get("host")):
            await errors.response(unknown_host())(scope, receive, send)
            return
        scope["headers"] = [(k.encode(), v.encode("latin-1")) for k, v in headers.items()]
        await self._app(scope, receive, send)
