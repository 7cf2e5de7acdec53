"""The bodies of errors: in an `error` event (protocol §3.1) and over HTTP (protocol §1.2)."""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from ..errors import InvalidRequest
from .server import ErrorBody


def invalid_request(error: InvalidRequest, event_id: str | None = None) -> ErrorBody:
    """Return the body for an event that the client should not have sent.

    `event_id`: the client's id of the event, for an error that does not know it.
    """
    return ErrorBody(
        type="invalid_request_error",
        code=error.code,
        message=error.message,
        param=error.param,
        event_id=error.event_id or event_id,
    )


def server_error(code: str, message: str) -> ErrorBody:
    """Return the body for a failure that is not the client's fault."""
    return ErrorBody(type="server_error", code=code, message=message)


def refusal(
    type: str, code: str, message: str, param: str | None = None, retry_s: int | None = None
) -> ErrorBody:
    """Return the body for a call that the server refuses. `retry_s`: when to try again."""
    retry_after = retry_s or UNSET
    return ErrorBody(type=type, code=code, message=message, param=param, retry_after=retry_after)


def envelope(type: str, code: str | None, message: str, param: str | None = None) -> bytes:
    """Return the JSON body of an HTTP error."""
    body = {"message": message, "type": type, "param": param, "code": code}
    return msgspec.json.encode({"error": body})
