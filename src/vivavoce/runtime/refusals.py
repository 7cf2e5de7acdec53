"""What comes of a knock that gets no call: said by each transport in its own way."""

from __future__ import annotations

from ..access.refusal import Refusal
from ..errors import VivavoceError

INVALID, SERVER, RATE = "invalid_request_error", "server_error", "rate_limit_error"


class Refused(VivavoceError):
    """No call comes of it. `status` is HTTP's; `close` is the WebSocket's close code."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str | None = None,
        type: str = INVALID,
        close: int = 4000,
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


def refused(refusal: Refusal) -> Refused:
    """In the words of whoever looked at the credential."""
    return Refused(refusal.status, refusal.code, refusal.message, close=3000)


def no_translation() -> Refused:
    return Refused(
        501, "translation_not_supported", "This server has no translation sessions.", close=4000
    )


def no_call() -> Refused:
    """In the protocol's words, which are the same for a call that is somebody else's (§1.2)."""
    return Refused(404, "call_id_not_found", "No session found for the provided call_id", param="")


def not_stored() -> Refused:
    return Refused(
        503, "storage_unavailable", "The conversation could not be stored.", type=SERVER, close=1011
    )
