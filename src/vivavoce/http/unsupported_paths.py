"""Let pages of every origin read that a path of the protocol is not supported here.

A browser asks by a preflight before it sends a request with a credential. Without an answer that
allows it, the page learns nothing: neither a status nor a code. The refusal holds no data of
anybody, and a cookie is never allowed.
"""

from __future__ import annotations

from fastapi import Response
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PATHS = ("/v1/realtime/translations/calls", "/v1/realtime/translations/client_secrets")
UNSUPPORTED = frozenset((*PATHS, *(f"/openai{path}" for path in PATHS)))


class ReadableRefusals:
    """Answer preflights for unsupported paths, and add CORS headers to the refusals."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope) if scope["type"] == "http" else {}
        if "origin" not in headers or scope["path"] not in UNSUPPORTED:
            await self._app(scope, receive, send)
        elif scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            await _preflight(headers.get("access-control-request-headers"))(scope, receive, send)
        else:
            await self._app(scope, receive, _readable(send))


def _preflight(asked: str | None) -> Response:
    headers = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "POST"}
    if asked:
        headers["Access-Control-Allow-Headers"] = asked
    return Response(status_code=204, headers=headers)


def _readable(send: Send) -> Send:
    async def send_readable(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).setdefault("Access-Control-Allow-Origin", "*")
        await send(message)

    return send_readable
