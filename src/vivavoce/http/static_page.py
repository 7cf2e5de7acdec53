"""Serve the web page that is built from `web/`. It loads nothing from other servers."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.routing import Match, Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..net.security_headers import security_headers

STATIC = Path(__file__).parent / "static"

UNBUILT = """<!doctype html><meta charset="utf-8"><title>Vivavoce</title>
<h1>Vivavoce is running</h1><p>The page has not been built: run <code>make web</code>.</p>"""

METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")


class SecurityHeaders:
    """Add the protecting headers to every response. Its own `Cache-Control` stays."""

    def __init__(self, app: ASGIApp, *, secure: bool) -> None:
        self._app = app
        self._headers = {k.encode(): v.encode() for k, v in security_headers(secure=secure).items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name.lower() for name, _ in message["headers"]}
                missing = [pair for pair in self._headers.items() if pair[0] not in own]
                message["headers"] = [*message["headers"], *missing]
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


class Page(StaticFiles):
    """The page's files. Any other path does not exist, whatever the method of the request."""

    def __init__(self, app: FastAPI, folder: Path) -> None:
        super().__init__(directory=folder, html=True)
        self._routes = app.routes

    async def get_response(self, path: str, scope: Scope) -> Response:
        _, found = await run_in_threadpool(self.lookup_path, path)
        if found is None:
            if methods := self._methods(scope):
                raise HTTPException(405, headers={"Allow": ", ".join(methods)})
            raise HTTPException(404)
        if scope["method"] not in ("GET", "HEAD"):
            raise HTTPException(405, headers={"Allow": "GET, HEAD"})
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"  # kept, and asked about before each use
        return response

    def _methods(self, scope: Scope) -> list[str]:
        """Return the methods by which another route serves this path."""
        others = [route for route in self._routes if not isinstance(route, Mount)]
        asked = [(method, dict(scope, method=method)) for method in METHODS]
        return [
            method
            for method, other in asked
            if any(route.matches(other)[0] is Match.FULL for route in others)
        ]


def install(app: FastAPI) -> None:
    """Serve the page. Call this last, because it matches every path that has no other route."""
    if (STATIC / "index.html").is_file():
        app.mount("/", Page(app, STATIC), name="page")
    else:

        @app.get("/", include_in_schema=False)
        async def unbuilt() -> Response:
            return Response(UNBUILT, media_type="text/html")
