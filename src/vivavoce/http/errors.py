"""Turn every exception of a route into an error response in the protocol's shape."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from ..errors import InvalidRequest, StoreError
from ..failures import log_failure
from ..protocol.error_body import envelope
from ..protocol.validation_errors import shorten
from ..runtime.refusals import INVALID, SERVER, CallRefused, http_answer, invalid

log = logging.getLogger(__name__)

_CODES = {404: "not_found", 405: "method_not_allowed", 413: "request_too_large"}
_EXPECTED = {  # pydantic's type of error → the type that was expected
    "string_type": "string",
    "int_type": "integer",
    "float_type": "number",
    "bool_type": "boolean",
    "dict_type": "object",
    "model_type": "object",
    "model_attributes_type": "object",
    "list_type": "array",
}
_TYPES = ((bool, "boolean"), (str, "string"), (int, "integer"), (float, "number"),
          (dict, "object"), (list, "array"))  # fmt: skip


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
        return response(invalid(invalid_body(error.errors()[0])))

    @app.exception_handler(HTTPException)
    async def on_http_exception(request: Request, error: HTTPException) -> Response:
        code = _CODES.get(error.status_code)
        body = envelope(INVALID, code, f"{error.detail}.")
        return Response(body, error.status_code, error.headers, "application/json")

    @app.exception_handler(StoreError)
    async def on_store_error(request: Request, error: StoreError) -> Response:
        return response(storage_unavailable())

    @app.exception_handler(Exception)
    async def on_bug(request: Request, error: Exception) -> Response:
        log_failure(log, "request_failed", error, route=_route(request))
        message = "Something went wrong on the server."
        return response(CallRefused(500, "internal_error", message, type=SERVER))


def invalid_body(error: Mapping[str, Any]) -> InvalidRequest:
    """Return one of pydantic's errors in the protocol's words (§1.2, §3.2)."""
    if error["type"] == "json_invalid":
        message = f"The body is not valid JSON: see character {error['loc'][-1]}."
        return InvalidRequest("invalid_value", message)
    param = shorten(".".join(str(part) for part in error["loc"][1:]))
    code, message = _code_and_message(error, param or "body")
    return InvalidRequest(code, message, param or None)


def _code_and_message(error: Mapping[str, Any], param: str) -> tuple[str, str]:
    kind, given, limits = error["type"], error.get("input"), error.get("ctx") or {}
    if kind == "missing":
        return "missing_required_parameter", f"Missing required parameter: '{param}'."
    if kind == "extra_forbidden":
        return "unknown_parameter", f"Unknown parameter: '{param}'."
    if kind in _EXPECTED:
        got = next((name for type, name in _TYPES if isinstance(given, type)), "null")
        return (
            "invalid_type",
            f"Invalid type for '{param}': expected {_EXPECTED[kind]}, but got {got}.",
        )
    if kind == "literal_error":
        return (
            "invalid_value",
            f"Invalid value: '{shorten(str(given))}'. Supported values are: {limits['expected']}.",
        )
    if kind == "int_parsing":
        return "invalid_type", f"Invalid type for '{param}': expected integer."
    if "ge" in limits:
        return "invalid_value", f"Invalid value for '{param}': expected at least {limits['ge']}."
    if "le" in limits:
        return "invalid_value", f"Invalid value for '{param}': expected at most {limits['le']}."
    return (
        "invalid_value",
        f"Invalid value for '{param}': {shorten(error['msg'].removeprefix('Value error, '))}.",
    )


def storage_unavailable() -> CallRefused:
    """Refuse a request that needs the store, which fails."""
    return CallRefused(503, "storage_unavailable", "The store is unavailable.", type=SERVER)


def response(refused: CallRefused) -> Response:
    """Return the response that tells a client of a refusal."""
    status, headers, body = http_answer(refused)
    return Response(body, status, headers)


def _route(request: Request) -> str:
    """Return the path as it is declared. The path of the request may contain a user's name."""
    return str(getattr(request.scope.get("route"), "path", "unknown"))
