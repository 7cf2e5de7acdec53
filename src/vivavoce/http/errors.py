"""Every error leaves in one envelope, whoever raised it."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from ..errors import InvalidRequest, StoreError
from ..failures import log_failure
from ..protocol.error_body import envelope
from ..runtime.refusals import CallRefused

log = logging.getLogger("vivavoce.http")

JSON = "application/json"
_CODES = {404: "not_found", 405: "method_not_allowed", 413: "request_too_large"}
_UNREADABLE = {  # what pydantic calls it → the protocol's code and words (§1.2, §3.2)
    "missing": ("missing_required_parameter", "Missing required parameter"),
    "extra_forbidden": ("unknown_parameter", "Unknown parameter"),
}


def install(app: FastAPI) -> None:
    @app.exception_handler(CallRefused)
    async def refused(request: Request, error: CallRefused) -> Response:
        body = envelope(error.type, error.code, error.message, error.param)
        headers = {"Retry-After": str(error.retry_s)} if error.retry_s else None
        return Response(body, error.status, headers, JSON)

    @app.exception_handler(InvalidRequest)
    async def invalid(request: Request, error: InvalidRequest) -> Response:
        body = envelope("invalid_request_error", error.code, error.message, error.param)
        return Response(body, 400, media_type=JSON)

    @app.exception_handler(RequestValidationError)
    async def unreadable(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        param = ".".join(str(part) for part in first["loc"][1:]) or None
        code, sentence = _UNREADABLE.get(first["type"], ("invalid_value", first["msg"]))
        message = f"{sentence}: '{param}'." if param else f"{sentence}."
        return Response(
            envelope("invalid_request_error", code, message, param), 400, media_type=JSON
        )

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        code = _CODES.get(error.status_code)
        body = envelope("invalid_request_error", code, f"{error.detail}.")
        return Response(body, error.status_code, error.headers, JSON)

    @app.exception_handler(StoreError)
    async def store(request: Request, error: StoreError) -> Response:
        body = envelope("server_error", "storage_unavailable", "The store is unavailable.")
        return Response(body, 503, media_type=JSON)

    @app.exception_handler(Exception)
    async def bug(request: Request, error: Exception) -> Response:
        log_failure(log, "request_failed", error, route=_route(request))
        body = envelope("server_error", "internal_error", "Something went wrong on the server.")
        return Response(body, 500, media_type=JSON)


def _route(request: Request) -> str:
    """Name the path as it is declared: the client's own may hold a user's name."""
    return str(getattr(request.scope.get("route"), "path", "unknown"))
