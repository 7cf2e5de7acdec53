"""The end of a relayed call: what its clients, the store and the log learn about it.

Clients do not receive the provider's own words: they may quote the provider's key.
"""

from __future__ import annotations

from ...errors import InvalidRequest
from ...protocol import error_body, server
from ...protocol.close_codes import HUNG_UP, CloseCode, is_lost, is_retryable, sendable
from .. import effects as do
from .effect_queue import RelayEffectQueue
from .upstream_state import EndStatus, UpstreamState

_KEY_REFUSED = {"invalid_api_key", "authentication_error", "401", "403"}
_MESSAGES = {
    "upstream_unavailable": "The model cannot be reached at the moment.",
    "upstream_refused": "The model's provider did not accept this call.",
    "upstream_lost": "The connection to the model was lost.",
}


class RelayEnding:
    """Queues the effects that end a call. The machine receives no input after them."""

    def __init__(self, effects: RelayEffectQueue) -> None:
        self._effects = effects

    def hang_up(self, upstream: UpstreamState, code: int, reason: str) -> None:
        """End a call that its last client has left. `code` and `reason`: of its close frame."""
        details = server.StatusDetails(type="cancelled", reason="client_cancelled")
        self._record_responses(upstream, "cancelled", details)
        code = sendable(code, CloseCode.GOING_AWAY)
        self._effects.request(do.CloseUpstream(code, reason))
        self._close(CloseCode.NORMAL, HUNG_UP)

    def give_up(
        self, *, retryable: bool, reason: str, error: server.ErrorBody | None = None
    ) -> None:
        """End a call that did not open. `reason`: for the log, if the provider sent no error."""
        self._effects.request(do.ReportUpstream.of("upstream_refused", _why(error, reason), error))
        code = "upstream_unavailable" if retryable else "upstream_refused"
        close = CloseCode.TRY_AGAIN_LATER if retryable else CloseCode.DO_NOT_RETRY
        self._effects.send_error(error_body.server_error(code, _MESSAGES[code]))
        self._close(close, f"server_error.{code}")

    def lose(self, upstream: UpstreamState, code: int, reason: str) -> None:
        """End a call whose upstream closed the connection, or whose connection broke."""
        if not upstream.flowing:
            why = f"the connection ended with {code} before the session was confirmed"
            self.give_up(retryable=is_retryable(code), reason=why)
            return
        if is_lost(code):
            message = _MESSAGES["upstream_lost"]
            self._effects.send_error(error_body.server_error("upstream_lost", message))
        self._record_responses(upstream, "failed", upstream_lost())
        self._close(sendable(code, CloseCode.INTERNAL_ERROR), reason)

    def expire(self, upstream: UpstreamState, max_session_s: float) -> None:
        """End a call that has reached its maximum duration."""
        minutes = round(max_session_s / 60)
        message = f"Your session hit the maximum duration of {minutes} minutes."
        self._reject(InvalidRequest("session_expired", message))
        self._record_responses(upstream, "failed", _failed("session_expired", message))
        self._close(CloseCode.GOING_AWAY, message)

    def end_inactive(self, message: str) -> None:
        """End a call in which the user does nothing."""
        self._reject(InvalidRequest("session_idle", message))
        self._close(CloseCode.NORMAL, message)

    def _reject(self, error: InvalidRequest) -> None:
        self._effects.send_error(error_body.invalid_request(error))

    def _record_responses(
        self, upstream: UpstreamState, status: EndStatus, details: server.StatusDetails
    ) -> None:
        """End the running responses in the store. The client learns it from the call's end."""
        for response in upstream.end_responses(status, details):
            self._effects.request(do.Record(server.ResponseDone(response=response)))

    def _close(self, code: int, reason: str) -> None:
        self._effects.request(do.CloseCall(code, reason))


def upstream_lost() -> server.StatusDetails:
    """Return the details of a response whose upstream was lost."""
    return _failed("upstream_lost", _MESSAGES["upstream_lost"])


def _failed(code: str, message: str) -> server.StatusDetails:
    error = server.Failure(type="server_error", code=code, message=message)
    return server.StatusDetails(type="failed", error=error)


def _why(error: server.ErrorBody | None, reason: str) -> str:
    """Return why the provider refused, for the log."""
    if error is None:
        return reason
    if _KEY_REFUSED & {error.code, error.type}:
        return "the provider did not accept this server's key"
    return "the provider refused the session"
