"""Let browsers read what a widget needs from this server on pages of other websites.

Browsers load a module and its worklets from another origin only with CORS. The widget's own routes
check the origin themselves, so every page may read their refusals. No route here takes a cookie.
"""

from __future__ import annotations

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

FILES = ("/widget.js", "/widget-worklets.js")
ROUTES = "/api/widget/"
CALLS = "/v1/realtime/calls"  # WebRTC: for the pages of the origins that an assistant names


class WidgetCors:
    """Answer preflights, and add the headers of CORS, for the paths of widgets."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._readable = CORSMiddleware(
            app,
            allow_origins=["*"],
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            expose_headers=["Location", "Retry-After"],
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        readable = scope["type"] == "http" and _is_for_widgets(scope)
        await (self._readable if readable else self._app)(scope, receive, send)


def _is_for_widgets(scope: Scope) -> bool:
    path: str = scope["path"]
    if path in FILES or path.startswith(ROUTES):
        return True
    if path != CALLS:
        return False
    origin = dict(scope["headers"]).get(b"origin", b"").decode("latin-1")
    return origin != "" and origin in scope["app"].state.services.widget_origins
