"""How a call ends: the word that is stored for it, and what each client reads at the end."""

from __future__ import annotations

from ..access.auth_failure import AuthFailure
from ..protocol.close_codes import HUNG_UP, CloseCode
from . import refusals
from .client_port import ClientPort
from .outgoing_event import OutgoingEvent


class CallEnding:
    """Keeps the first reason for which this side ended a call."""

    def __init__(self) -> None:
        self.word = "ended"  # stored as `calls.ending`
        self.close_frame: tuple[int, str] | None = None  # set when this side ends the call
        self._revoked: AuthFailure | None = None

    def hang_up(self, code: int, reason: str) -> None:
        if self.close_frame is None:
            self.word = reason.replace(" ", "_")
            self.close_frame = (code, reason)

    def revoke(self, why: AuthFailure) -> None:
        if self.close_frame is None:
            self.word = why.code
            self.close_frame, self._revoked = (CloseCode.UNAUTHORIZED, close_reason(why)), why

    def closed_by(self, side: str, code: int) -> None:
        """Note which side closed the call's own connection, unless the call has a word already."""
        if self.word == "ended":
            self.word = f"{side}_closed_{code}"

    def close(self, client: ClientPort, code: int, reason: str) -> None:
        """Close a client after what still waits to be written to it."""
        if last := self._last_event(client):
            client.send(last)  # ignored if the client is already closing
        client.close(*self._close_frame_of(client, code, reason))

    def abort(self, client: ClientPort, code: int, reason: str) -> None:
        """Close a client now, and drop the frames that wait to be written to it."""
        client.abort(*self._close_frame_of(client, code, reason), self._last_event(client))

    def _close_frame_of(self, client: ClientPort, code: int, reason: str) -> tuple[int, str]:
        if self._revoked is None:
            return code, reason
        if client.sideband:  # its own credential is still valid
            return CloseCode.NORMAL, HUNG_UP
        return CloseCode.UNAUTHORIZED, close_reason(self._revoked)

    def _last_event(self, client: ClientPort) -> OutgoingEvent | None:
        if self._revoked is None or client.sideband:
            return None
        return _revoked_event(self._revoked)


def dismiss(client: ClientPort, why: AuthFailure, *, at_once: bool) -> None:
    """End one sideband, whose credential was revoked. Nothing more is read from it.

    It closes after what waits for it, or `at_once`.
    """
    client.stop_reading()
    if at_once:
        client.abort(CloseCode.UNAUTHORIZED, close_reason(why), _revoked_event(why))
    else:
        client.send(_revoked_event(why))
        client.close(CloseCode.UNAUTHORIZED, close_reason(why))


def close_reason(why: AuthFailure) -> str:
    """Return the text of the close frame with code 3000, as for an invalid credential."""
    return refusals.close_reason(refusals.refused(why))


def _revoked_event(why: AuthFailure) -> OutgoingEvent:
    return OutgoingEvent(refusals.error_event(refusals.refused(why), "event_revoked"))
