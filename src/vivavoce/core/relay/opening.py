"""The handshake with an upstream: from the relay's `session.update` to the session it confirms.

The relay does not wait for `session.created`, because some upstreams send none. Both sides may send
frames before the handshake is over. They are held, and sent in order when the call opens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...protocol import codec
from ...protocol.peek import peek_type
from ...protocol.server import Error, ErrorBody
from ..effects import ClientId
from ..inputs import FromClient
from .frames import session_of, with_session

if TYPE_CHECKING:
    import msgspec

OPENING_TIMEOUT_S = 10.0
MAX_HELD_BYTES = 1024 * 1024  # of either side, until the call opens or a greeting ends


@dataclass(frozen=True, slots=True)
class HeldFrame:
    """A client's frame that is sent later."""

    frame: FromClient
    client_id: ClientId | None


@dataclass(frozen=True, slots=True)
class Opened:
    """The upstream confirmed the session."""

    session: msgspec.Raw
    created: bytes  # the `session.created` for the client, with the confirmed session


@dataclass(frozen=True, slots=True)
class OpeningFailed:
    """No call comes of this connection. `retryable`: another attempt may succeed.

    `error`: what the upstream answered, if it answered.
    """

    retryable: bool
    error: ErrorBody | None = None


OpeningStep = Opened | OpeningFailed


class Opening:
    """One handshake, and the frames that are held until it is over."""

    def __init__(self, now: float) -> None:
        self.deadline = now + OPENING_TIMEOUT_S
        self._created: bytes | None = None
        self._upstream_frames: list[bytes] = []
        self._upstream_bytes = 0
        self._client_frames: list[HeldFrame] = []

    def receive(self, data: bytes) -> OpeningStep | None:
        """Take a frame of the upstream. Return the step that it makes possible, if any."""
        kind = peek_type(data)
        if kind == b"session.created" and self._created is None:
            self._created = data
            return None
        if kind == b"session.updated":
            session = session_of(data)
            return Opened(session, with_session(self._created or data, session))
        if kind == b"error":
            event = codec.decode_server(data)
            return OpeningFailed(
                retryable=False, error=event.error if isinstance(event, Error) else None
            )
        self._upstream_frames.append(data)
        self._upstream_bytes += len(data)
        return OpeningFailed(retryable=True) if self._upstream_bytes > MAX_HELD_BYTES else None

    def hold(self, frame: HeldFrame) -> None:
        """Keep a client's frame until the call opens.

        The client's reader bounds the list: it stops reading at `MAX_HELD_BYTES`.
        """
        self._client_frames.append(frame)

    @property
    def response_requested(self) -> bool:
        """True if a client already asked for a response."""
        return any(peek_type(held.frame.data) == b"response.create" for held in self._client_frames)

    def release_upstream_frames(self) -> list[bytes]:
        """Return the upstream's frames that were held, oldest first, and hold them no longer."""
        frames, self._upstream_frames = self._upstream_frames, []
        return frames

    def release_client_frames(self) -> list[HeldFrame]:
        """Return the clients' frames that were held, oldest first, and hold them no longer."""
        frames, self._client_frames = self._client_frames, []
        return frames
