"""Turn every exception of a route into an error response in the protocol's shape."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from ..errors import InvalidRequest, StoreError
from ..failures import log_failure
from ..protocol.error_body import envelope
from ..runtime.refusals import INVALID, SERVER, CallRefused, http_answer, invalid

log = logging.getLogger(__name__)

_CODES = {404: "not_found", 405: "method_not_allowed", 413: "request_too_large"}
_VALIDATION_ERRORS = {  # pydantic's type of error → the protocol's code and words (§1.2, §3.2)
    "missing": ("missing_required_parameter", "Missing required parameter"),
    "extra_forbidden": ("unknown_parameter", "Unknown parameter"),
}


def install(app: FastAPI) -> None:
    """Add a handler for each kind of exception."""

    @app.exception_handler(CallRefused)
    async def on_refusal(request: Request, error: CallRefused) -> Response:
        return response(error)

    @app.exception_handler(InvalidRequest)
    async def on_invalid_request(request: Request, error: InvalidRequest) -> Response:
        return response(invalid(error))

    @app.exception_handler(RequestValidationError)
    async def on_invalid_body(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        param = ".".join(str(part) for part in first["loc"][1:]) or None
        code, sentence = _VALIDATION_ERRORS.get(first["type"], ("invalid_value", first["msg"]))
        message = f"{sentence}: '{param}'." if param else f"{sentence}."
        return response(CallRefused(400, code, message, param=param))

    @app.exception_handler(HTTPException)
    async def on_http_exception(request: Request, error: HTTPException) -> Response:
        code = _CODES.get(error.status_code)
        body = envelope(INVALID, code, f"{error.detail}.")
        return Response(body, error.status_code, error.headers, "application/json")

    @app.exception_handler(StoreError)
    async def on_store_error(request: Request, error: StoreError) -> Response:
        return response(
            CallRefused(503, "storage_unavailable", "The store is unavailable.", type=SERVER)
        )

    @app.exception_handler(Exception)
    async def on_bug(request: Request, error: Exception) -> Response:
        log_failure(log, "request_failed", error, route=_route(request))
        message = "Something went wrong on the server."
        return response(CallRefused(500, "internal_error", message, type=SERVER))


def response(refused: CallRefused) -> Response:
    """Return the response that tells a client of a refusal."""
    status, headers, body = http_answer(refused)
    return Response(body, status, headers)


def _route(request: Request) -> str:
    """Return the path as it is declared. The path of the request may contain a user's name."""
    return str(getattr(request.scope.get("route"), "path", "unknown"))
