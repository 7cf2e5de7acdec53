"""Assemble all routes into one application. Package `app` constructs the services they use."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import Depends, FastAPI, Request
from starlette.middleware.cors import CORSMiddleware

from .. import __version__
from ..access.hosts import Hosts
from ..errors import InvalidRequest
from ..protocol.surrogates import half_pair
from . import errors, health, metrics, static_page, unsupported_paths
from .api import (
    assistants,
    audit,
    calls,
    connections,
    conversations,
    events,
    feedback,
    knowledge,
    questions,
    sign_in,
    sources,
    tool_runs,
    variables,
    voices,
    widget,
)
from .body_limits import BodySizeLimit
from .request_guard import RequestGuard
from .services import Services
from .v1 import calls as control
from .v1 import client_secrets, flat, models, translations, upgrade, webrtc
from .widget_cors import WidgetCors

V1 = (models, client_secrets, flat, control, translations, webrtc, upgrade)

Lifespan = Callable[[], AbstractAsyncContextManager[Services]]


def make(
    lifespan: Lifespan, *, origins: tuple[str, ...] = (), hosts: Hosts, secure: bool
) -> FastAPI:
    """Return the application. `origins`: pages of other origins that may use the `/v1` routes.

    `hosts`: the names that it answers to. `secure`: clients connect over TLS.
    """

    @asynccontextmanager
    async def on_lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with lifespan() as services:
            app.state.services = services
            yield

    app = FastAPI(
        title="Vivavoce",
        version=__version__,
        summary="Realtime voice assistants, self-hosted",
        lifespan=on_lifespan,
        dependencies=[Depends(whole_text)],
        docs_url=None,  # FastAPI's pages load their scripts from other servers
        redoc_url=None,
    )
    errors.install(app)
    own = (sign_in, assistants, variables, voices, conversations, calls, audit, tool_runs, events)
    more = (knowledge, questions, sources, widget, connections, feedback)
    for module in (health, metrics, *own, *more, *V1):
        app.include_router(module.router)
    for module in V1:  # the paths that Azure uses (protocol §1.12)
        app.include_router(module.router, prefix="/openai", include_in_schema=False)
    app.include_router(upgrade.azure_preview, prefix="/openai", include_in_schema=False)
    static_page.install(app)
    app.add_middleware(BodySizeLimit)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=list(origins),
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=["*"],  # the SDKs send about twelve; cookies are not allowed here
        expose_headers=["Location", "X-Request-Id"],
    )  # fmt: skip
    app.add_middleware(WidgetCors)
    app.add_middleware(unsupported_paths.ReadableRefusals)
    app.add_middleware(RequestGuard, hosts=hosts)
    app.add_middleware(static_page.SecurityHeaders, secure=secure)
    return app


async def whole_text(request: Request) -> None:
    """Refuse a body with half of a surrogate pair.

    Python's JSON decoder accepts it, but neither a response nor the store can encode it. Only a
    body that may contain one is decoded a second time.
    """
    if half := half_pair(await request.body()):
        message = f"Invalid value for '{half.path}': half of a surrogate pair is not a character."
        raise InvalidRequest("invalid_value", message, half.path)
