"""A dialect with other names for some events, and without one of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from vivavoce.protocol import codec
from vivavoce.protocol.client import ClientEvent
from vivavoce.protocol.codec import Data
from vivavoce.protocol.server import ServerEvent

RENAMED = {
    "conversation.item.added": "conversation.item.created",
    "response.output_text.delta": "response.text.delta",
    "response.output_audio.delta": "response.audio.delta",
}
UNKNOWN = {"conversation.item.done"}


@dataclass
class BetaDialect:
    """Enough of the beta protocol to tell the two apart. Counts what it encodes, by type."""

    name: str = "beta"
    encoded: list[str] = field(default_factory=list)

    def decode(self, data: Data) -> ClientEvent:
        if b"modalities" not in bytes(data if not isinstance(data, str) else data.encode()):
            return codec.decode(data)
        event = msgspec.json.decode(data)
        session = event.get("session")
        if session is not None and "modalities" in session:  # of the flat session, one field
            modalities = session.pop("modalities")
            event["session"] = {"type": "realtime", "output_modalities": modalities[:1]} | session
        return codec.decode(msgspec.json.encode(event))

    def encode(self, event: ServerEvent) -> bytes | None:
        plain = msgspec.to_builtins(event)
        self.encoded.append(plain["type"])
        if plain["type"] in UNKNOWN:
            return None
        return msgspec.json.encode(plain | {"type": RENAMED.get(plain["type"], plain["type"])})

    def translate(self, frame: bytes, event: ServerEvent | None) -> bytes | None:
        return frame if event is None else self.encode(event)
