"""All routes in one application. `app` gives it the services; nothing here makes any."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import msgspec
from fastapi import Depends, FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .. import __version__
from ..errors import InvalidRequest
from ..runtime.refusals import CallRefused
from . import errors, health, metrics, static_page
from .api import assistants, calls, conversations, sign_in
from .services import Services
from .v1 import calls as control
from .v1 import client_secrets, flat, models, translations

LARGEST_BODY = 1024 * 1024
V1 = (models, client_secrets, flat, control, translations)

Lifespan = Callable[[], AbstractAsyncContextManager[Services]]


def make(lifespan: Lifespan, *, origins: tuple[str, ...] = ()) -> FastAPI:
    @asynccontextmanager
    async def living(app: FastAPI) -> AsyncIterator[None]:
        async with lifespan() as services:
            app.state.services = services
            yield

    app = FastAPI(
        title="Vivavoce",
        version=__version__,
        summary="Realtime voice assistants, self-hosted",
        lifespan=living,
        dependencies=[Depends(whole_text)],
        docs_url=None,  # the usual pages load their scripts from elsewhere
        redoc_url=None,
    )
    errors.install(app)
    for room in (health, metrics, sign_in, assistants, conversations, calls, *V1):
        app.include_router(room.router)
    for room in V1:  # where Azure has them (protocol §1.12)
        app.include_router(room.router, prefix="/openai", include_in_schema=False)
    static_page.install(app)
    app.add_middleware(BodySizeLimit)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=list(origins),
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=["*"],  # the SDKs send a dozen of their own; no cookie comes this way
        expose_headers=["Location", "X-Request-Id"],
    )  # fmt: skip
    app.add_middleware(static_page.SecurityHeaders)
    return app


async def whole_text(request: Request) -> None:
    """Refuse a body with half a surrogate pair. Python's JSON takes it; no answer and no store do.

    Only a body that may hold one is decoded a second time.
    """
    body = await request.body()
    if _HALVES.search(body):
        try:
            msgspec.json.decode(body)
        except (ValueError, RecursionError):
            raise InvalidRequest("invalid_value", "The body is not JSON in Unicode.") from None


_HALVES = re.compile(rb"\\u[dD][89a-fA-F]")


class BodySizeLimit:
    """Refuses bodies larger than anything we take, before reading them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > LARGEST_BODY:
                raise HTTPException(413, "The body is too large")
            return message

        declared = next((v for k, v in scope.get("headers", ()) if k == b"content-length"), b"0")
        if scope["type"] == "http" and _length(declared) > LARGEST_BODY:
            refused = CallRefused(413, "request_too_large", "The body is too large.")
            await errors.response(refused)(scope, receive, send)
            return
        await self._app(scope, counted, send)


def _length(declared: bytes) -> int:
    """Read the bytes of a body from its header. A number of more than 20 digits is too large."""
    if not declared.isdigit():  # of ASCII alone, as these are bytes
        return 0
    return int(declared[:20]) if len(declared) <= 20 else LARGEST_BODY + 1
