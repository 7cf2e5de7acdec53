"""Dialects: the ways in which clients spell events.

The machines know one vocabulary, and a dialect translates it.
"""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias

from ..protocol import codec
from ..protocol.client import ClientEvent
from ..protocol.codec import Data
from ..protocol.server import ServerEvent

DialectName: TypeAlias = Literal["ga", "beta", "translation"]


class Dialect(Protocol):
    """A codec, shared by all clients that spell events the same way. It keeps no state."""

    @property
    def name(self) -> str: ...

    def decode(self, data: Data) -> ClientEvent:
        """Return the event, or raise `InvalidRequest` with the `event_id` of the invalid one."""

    def encode(self, event: ServerEvent) -> bytes | None:
        """Return the frame. None: this dialect has no such event."""

    def translate(self, frame: bytes, event: ServerEvent | None) -> bytes | None:
        """Return the frame for what an upstream sent. `event`: its meaning, if it is known."""


class Ga:
    """The protocol as `protocol/` types it. An upstream's frames are passed on as they are."""

    name = "ga"

    def decode(self, data: Data) -> ClientEvent:
        return codec.decode(data)

    def encode(self, event: ServerEvent) -> bytes:
        return codec.encode(event)

    def translate(self, frame: bytes, event: ServerEvent | None) -> bytes:
        return frame


GA = Ga()


class Silent:
    """Of a client that receives no events, such as a telephone. What it sends is the protocol."""

    name = "silent"

    def decode(self, data: Data) -> ClientEvent:
        return codec.decode(data)

    def encode(self, event: ServerEvent) -> None:
        return None

    def translate(self, frame: bytes, event: ServerEvent | None) -> None:
        return None


SILENT = Silent()
