"""Pads what is told in pieces, so that the lengths of frames do not give the words away.

Whoever watches an encrypted connection sees how long each frame is. Random letters bring each
piece of text to a multiple of 16 (protocol §4.1): all of 403 recorded deltas are padded so. They
hide a length and are no secret, so ordinary dice do.
"""

from __future__ import annotations

import random
import string
from typing import cast

import msgspec

from ..protocol import server

STEP = 16  # UTF-16 units, as the recorded server counts
_LETTERS = string.ascii_letters + string.digits
_PIECES = (
    server.TextDelta,
    server.TranscriptDelta,
    server.ArgumentsDelta,
    server.McpArgumentsDelta,
    server.TranscriptionDelta,
)


def padded(event: server.ServerEvent) -> server.ServerEvent:
    """The event as it goes onto the wire. Sound is not padded: its pieces are equally long."""
    if not isinstance(event, _PIECES):
        return event
    padding = "".join(random.choices(_LETTERS, k=-_units(event.delta) % STEP))
    return cast("server.ServerEvent", msgspec.structs.replace(event, obfuscation=padding))


def _units(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2
