"""One event on its way to clients: encoded once per dialect, however many clients read it."""

from __future__ import annotations

from ..protocol.frame_limit import fitted
from ..protocol.server import ServerEvent
from .dialects import Dialect
from .obfuscation import padded


class OutgoingEvent:
    """A server event, or the frame of an upstream that says it.

    The driver makes one for each event, and the ports ask it for their bytes.
    """

    __slots__ = ("_frames", "event", "upstream_frame")

    def __init__(self, event: ServerEvent | None, upstream_frame: bytes | None = None) -> None:
        """`event` is None for a frame of an upstream whose type this server does not know."""
        self.event = event
        self.upstream_frame = upstream_frame
        self._frames: dict[str, bytes | None] = {}

    def encoded(self, dialect: Dialect) -> bytes | None:
        """Return the frame in this dialect. None: the dialect has no such event."""
        name = dialect.name
        if name in self._frames:
            return self._frames[name]
        frame = self._frames[name] = self._encode(dialect)
        return frame

    def _encode(self, dialect: Dialect) -> bytes | None:
        if self.upstream_frame is not None:
            return dialect.translate(self.upstream_frame, self.event)
        assert self.event is not None
        frame = dialect.encode(padded(self.event))
        return None if frame is None else fitted(frame)
