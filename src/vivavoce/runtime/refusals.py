"""Refusals: why the server refuses a call or a request, and the one place that tells the client so.

The code that refuses raises `CallRefused`. An HTTP client reads it as `http_answer`. A WebSocket
client reads it as `error_event`, and then as a close with its close code and `close_reason`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ..access.auth_failure import AuthFailure
from ..access.policy import Policy
from ..assistants import Assistant
from ..core.types import Caller
from ..errors import InvalidRequest, VivavoceError
from ..net.security_headers import security_headers
from ..protocol import error_body, server
from ..protocol.close_codes import CloseCode

INVALID, SERVER, RATE = "invalid_request_error", "server_error", "rate_limit_error"
MAX_NAMES = 20  # assistants that one message lists


class CallRefused(VivavoceError):
    """The server does not start this call, or does not do what this request asks for.

    `status` is the HTTP status, `close` the close code of a WebSocket. `retry_s` is the number of
    seconds after which a new attempt may succeed. `headers` belong to the HTTP response.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str | None = None,
        type: str = INVALID,
        close: CloseCode = CloseCode.DO_NOT_RETRY,
        retry_s: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.param = param
        self.type = type
        self.close = close
        self.retry_s = retry_s
        self.headers = headers or {}


# What the client reads


class HttpAnswer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


def http_answer(refused: CallRefused, *, secure: bool = False) -> HttpAnswer:
    """Return the HTTP response that tells a client of a refusal (protocol §1.2).

    `secure`: clients connect over TLS.
    """
    headers = {"Content-Type": "application/json", **refused.headers} | security_headers(
        secure=secure
    )
    if refused.retry_s:
        headers["Retry-After"] = str(refused.retry_s)
    body = error_body.envelope(refused.type, refused.code, refused.message, refused.param)
    return HttpAnswer(refused.status, headers, body)


def error_event(refused: CallRefused, event_id: str) -> server.Error:
    """Return the `error` event that tells a WebSocket client of a refusal (protocol §3.1)."""
    body = error_body.refusal(
        refused.type, refused.code, refused.message, refused.param, refused.retry_s
    )
    return server.Error(event_id=event_id, error=body)


def close_reason(refused: CallRefused) -> str:
    """Return the text beside the close code, for clients that read nothing else."""
    return f"{refused.type}.{refused.code}"


# Why


def refused(failure: AuthFailure) -> CallRefused:
    """Refuse a credential with the words of the module that checked it."""
    return CallRefused(failure.status, failure.code, failure.message, close=CloseCode.UNAUTHORIZED)


def invalid(error: InvalidRequest) -> CallRefused:
    """Refuse a request that is wrong, where no call exists yet that could answer it."""
    return CallRefused(400, error.code, error.message, param=error.param)


def unknown_host() -> CallRefused:
    """Refuse a request to a name that is not this server's."""
    message = (
        "This server does not answer to the name in the header 'Host'. Its operator allows names "
        "with server.public_url and server.allowed_hosts."
    )
    return CallRefused(421, "host_not_allowed", message, param="host")


def unknown_origin(origin: str | None) -> CallRefused:
    """Refuse a page of another origin. `origin`: as a URL, or None if it cannot be shown.

    A TLS proxy without `server.public_url` is the usual cause, so the message names the setting.
    """
    if origin is None:
        message = "This page may not connect: it has no origin that this server could know."
    else:
        message = (
            f"This page may not connect: unknown Origin {origin}. If that is the address of this "
            f'server, its operator sets server.public_url = "{origin}". If it is the address of '
            "another site, the operator adds it to server.allowed_origins."
        )
    return CallRefused(403, "origin_not_allowed", message)


def no_widget(assistant: str, origin: str | None) -> CallRefused:
    """Refuse a page that may not show this assistant. `origin`: as a URL, or None."""
    if origin is None:
        message = "A widget runs on a page of a website, and this request names none in 'Origin'."
    else:
        message = (
            f"No assistant named '{assistant[:40]}' has a widget on pages of {origin}. Its author "
            f'allows them with [widget] origins = ["{origin}"] in assistant.toml.'
        )
    return CallRefused(403, "origin_not_allowed", message)


def upgrade_required() -> CallRefused:
    """Refuse a request for a WebSocket that arrived as a plain GET."""
    return CallRefused(
        426,
        "upgrade_required",
        "This address takes WebSocket connections, and the request had no header Upgrade: "
        "websocket. If a proxy is in front of this server, it must pass on the headers Upgrade "
        "and Connection.",
        headers={"Upgrade": "websocket", "Connection": "Upgrade"},
    )


def no_translation() -> CallRefused:
    """Refuse a translation session."""
    return CallRefused(501, "translation_not_supported", "This server has no translation sessions.")


def no_webrtc(fix: str) -> CallRefused:
    """Refuse a call over WebRTC. `fix`: what the operator of this server can do."""
    message = (
        f"This server has no calls over WebRTC. Please connect to /v1/realtime by WebSocket. {fix}"
    )
    return CallRefused(501, "webrtc_not_supported", message)


def no_assistant(
    name: str,
    caller: Caller,
    assistants: Iterable[Assistant],
    policy: Policy,
    param: str | None = None,
) -> CallRefused:
    """Refuse an unknown assistant. The message names those that the caller may list."""
    names = [one.name for one in assistants if policy.may_list(caller, one.name)]
    message = f"There is no assistant named '{name[:40]}'."
    if names:
        message += f" There are: {', '.join(names[:MAX_NAMES])}{' …' if names[MAX_NAMES:] else '.'}"
    return CallRefused(404, "assistant_not_found", message, param=param)


def no_call() -> CallRefused:
    """Refuse an unknown call, and in the same words a call of another caller (protocol §1.2)."""
    return CallRefused(
        404, "call_id_not_found", "No session found for the provided call_id", param=""
    )


def busy(message: str, retry_s: int) -> CallRefused:
    """Refuse a call that this server has no time for now."""
    return CallRefused(
        503, "server_busy", message, type=SERVER, close=CloseCode.TRY_AGAIN_LATER, retry_s=retry_s
    )


def not_stored() -> CallRefused:
    """Refuse a call because the store failed to record its beginning."""
    return CallRefused(
        503,
        "storage_unavailable",
        "The conversation could not be stored.",
        type=SERVER,
        close=CloseCode.INTERNAL_ERROR,
    )
