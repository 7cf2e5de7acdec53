"""What comes of a knock that gets no call: said by each transport in its own way."""

from __future__ import annotations

from collections.abc import Iterable

from ..access.auth_failure import AuthFailure
from ..access.policy import Policy
from ..assistants import Assistant
from ..core.types import Caller
from ..errors import VivavoceError
from ..protocol.close_codes import CloseCode

INVALID, SERVER, RATE = "invalid_request_error", "server_error", "rate_limit_error"
NAMED = 20  # assistants in one sentence


class CallRefused(VivavoceError):
    """No call comes of it. `status` is HTTP's; `close` is the WebSocket's close code."""

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
    ) -> None:
        """`retry_s`: in so many seconds it is worth trying again."""
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.param = param
        self.type = type
        self.close = close
        self.retry_s = retry_s


def refused(refusal: AuthFailure) -> CallRefused:
    """In the words of whoever looked at the credential."""
    return CallRefused(refusal.status, refusal.code, refusal.message, close=CloseCode.UNAUTHORIZED)


def no_translation() -> CallRefused:
    return CallRefused(
        501,
        "translation_not_supported",
        "This server has no translation sessions.",
        close=CloseCode.DO_NOT_RETRY,
    )


def no_assistant(
    name: str,
    caller: Caller,
    assistants: Iterable[Assistant],
    policy: Policy,
    param: str | None = None,
) -> CallRefused:
    """Refuse an unknown assistant. The message names those that the caller may list."""
    there = [one.name for one in assistants if policy.may_list(caller, one.name)]
    message = f"There is no assistant named '{name[:40]}'."
    if there:
        message += f" There are: {', '.join(there[:NAMED])}{' …' if there[NAMED:] else '.'}"
    return CallRefused(404, "assistant_not_found", message, param=param)


def no_call() -> CallRefused:
    """In the protocol's words, which are the same for a call that is somebody else's (§1.2)."""
    return CallRefused(
        404, "call_id_not_found", "No session found for the provided call_id", param=""
    )


def not_stored() -> CallRefused:
    return CallRefused(
        503,
        "storage_unavailable",
        "The conversation could not be stored.",
        type=SERVER,
        close=CloseCode.INTERNAL_ERROR,
    )
