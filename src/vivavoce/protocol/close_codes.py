"""The close codes of WebSocket connections that this server sends, reads or reports.

1000 to 1015 are WebSocket's own (RFC 6455 §7.4.1 and IANA's registry), and so is 3000. The range
4000 to 4999 belongs to applications; this server uses 4000 of it.
"""

from __future__ import annotations

from enum import IntEnum


class CloseCode(IntEnum):
    """A close code, and in `text` what it means to the peer that receives it."""

    text: str

    def __new__(cls, value: int, text: str) -> CloseCode:
        """Make a member that equals its number and carries its text."""
        code = int.__new__(cls, value)
        code._value_ = value
        code.text = text
        return code

    NORMAL = 1000, "the call ended as intended"
    GOING_AWAY = 1001, "the peer is leaving"
    PROTOCOL_ERROR = 1002, "a frame that WebSocket does not allow"
    RESERVED = 1004, "reserved, never sent"
    NO_STATUS = 1005, "the close frame had no code"
    ABNORMAL = 1006, "the connection was lost without a close frame"
    INVALID_DATA = 1007, "a message that cannot be read"
    MESSAGE_TOO_BIG = 1009, "a message exceeds the size limit"
    INTERNAL_ERROR = 1011, "the server failed"
    SERVICE_RESTART = 1012, "the server restarts; connect again"
    TRY_AGAIN_LATER = 1013, "the server is overloaded; connect again later"
    BAD_GATEWAY = 1014, "the server behind the gateway gave an invalid answer"
    TLS_HANDSHAKE = 1015, "the TLS handshake failed"
    UNAUTHORIZED = 3000, "the credential is missing, invalid or not allowed"
    DO_NOT_RETRY = 4000, "the call is refused or taken over; do not connect again"


HUNG_UP = "hung_up"
"""The close reason of a call that its client, an operator or a transport ended."""

REFUSALS = frozenset({CloseCode.UNAUTHORIZED, CloseCode.DO_NOT_RETRY})
"""Codes of a connection that was refused for a reason that a new attempt does not change."""

_NEVER_SENT = frozenset({CloseCode.RESERVED, CloseCode.ABNORMAL, CloseCode.TLS_HANDSHAKE})
_RETRYABLE = frozenset(
    {
        CloseCode.NORMAL,
        CloseCode.GOING_AWAY,
        CloseCode.NO_STATUS,
        CloseCode.ABNORMAL,
        CloseCode.INTERNAL_ERROR,
        CloseCode.SERVICE_RESTART,
        CloseCode.TRY_AGAIN_LATER,
        CloseCode.BAD_GATEWAY,
        CloseCode.TLS_HANDSHAKE,
    }
)


def is_retryable(code: int) -> bool:
    """Return True if a new connection may succeed after the peer closed with this code."""
    return code in _RETRYABLE


def is_lost(code: int) -> bool:
    """Return True if the connection ended without a close frame: the peer gave no reason."""
    return code in (CloseCode.ABNORMAL, CloseCode.TLS_HANDSHAKE)


def sendable(code: int, fallback: CloseCode) -> int:
    """Return a code that a close frame may carry (RFC 6455 §7.4): `code` itself if it may."""
    if code == CloseCode.NO_STATUS:
        return CloseCode.NORMAL
    return code if 1000 <= code < 5000 and code not in _NEVER_SENT else fallback
