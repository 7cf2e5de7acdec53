"""Limit the bytes of request bodies: of one, of one credential's, and of all at once.

FastAPI reads the body before a route looks at the credential. A client without a credential could
therefore make the server keep one body for each connection. Here the server checks the credential
first, for every body that is larger than a sign-in needs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..access import authentication, request_credentials
from ..core.types import Caller
from ..errors import StoreError
from ..runtime.credentials_in_use import credential_ids
from ..runtime.refusals import SERVER, CallRefused
from . import errors
from .services import Services, admitted, cookie_of

MIB = 2**20
LARGEST_BODY = MIB
LARGEST_FILE = 8 * MIB  # of an upload to the knowledge
FILES = "/api/knowledge/"
UNAUTHENTICATED_BODY = 4096  # bytes, without a valid credential: enough to sign in
ALL_BODIES = 64 * MIB  # that are received at the same time
ONE_CALLERS_BODIES = 8 * MIB
AGAIN_S = 5


class BodyBudget:
    """Counts the bytes that may arrive for running requests. A body counts with its whole size."""

    def __init__(self, all_callers: int = ALL_BODIES, one_caller: int = ONE_CALLERS_BODIES) -> None:
        self._all = all_callers
        self._one = one_caller
        self._reserved: Counter[str] = Counter()

    @contextmanager
    def reserve(self, caller: str, size: int) -> Iterator[None]:
        """Reserve bytes for a body. Raises `CallRefused` beyond a budget."""
        if self._reserved.total() + size > self._all or self._reserved[caller] + size > self._one:
            raise CallRefused(
                503,
                "server_busy",
                f"Too many large requests at once. Please try again in {AGAIN_S} seconds.",
                type=SERVER,
                retry_s=AGAIN_S,
            )
        self._reserved[caller] += size
        try:
            yield
        finally:
            self._reserved[caller] -= size
            if not self._reserved[caller]:
                del self._reserved[caller]


class BodySizeLimit:
    """Refuse a body that is larger than every route allows, or than its sender may send."""

    def __init__(self, app: ASGIApp, budget: Callable[[], BodyBudget] = BodyBudget) -> None:
        self._app = app
        self._budget = budget()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        size = _size(scope) if scope["type"] == "http" else 0
        try:
            if size > _largest(scope):
                raise CallRefused(413, "request_too_large", "The body is too large.")
            if size > UNAUTHENTICATED_BODY:
                caller = await _caller(Request(scope))
                with self._budget.reserve(credential_ids(caller)[-1], size):
                    await self._app(scope, _counted(receive, size), send)
            else:
                await self._app(scope, _counted(receive, UNAUTHENTICATED_BODY), send)
        except CallRefused as refused:
            await errors.response(refused)(scope, receive, send)
        except StoreError:
            await errors.response(errors.storage_unavailable())(scope, receive, send)


def _counted(receive: Receive, most: int) -> Receive:
    """Receive a body, and fail when it has more than `most` bytes."""
    received = 0

    async def counted() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > most:
            raise HTTPException(413, "The body is too large")
        return message

    return counted


async def _caller(request: Request) -> Caller:
    """Return the caller of this request. Raises `CallRefused`. Each route checks more."""
    at: Services = request.app.state.services
    credential = request_credentials.extract_credential(
        authorization=request.headers.get("authorization"), api_key=request.headers.get("api-key")
    )
    if credential is None and (cookie := cookie_of(request, at)):
        return admitted(await authentication.identify_cookie(at.store, cookie, at.now()))
    return admitted(await authentication.identify(at.store, credential, at.now()))


def _size(scope: Scope) -> int:
    """Return the most bytes that the body may have. One of unknown length may be the largest."""
    headers = dict(scope.get("headers", ()))
    if b"transfer-encoding" in headers:
        return _largest(scope)
    declared = headers.get(b"content-length", b"0")
    if not declared.isdigit():  # `bytes.isdigit` knows ASCII digits only
        return 0
    return int(declared[:20]) if len(declared) <= 20 else _largest(scope) + 1


def _largest(scope: Scope) -> int:
    """Return the most bytes that a body of this request may have."""
    upload = scope.get("method") == "PUT" and scope["path"].startswith(FILES)
    return LARGEST_FILE if upload else LARGEST_BODY
