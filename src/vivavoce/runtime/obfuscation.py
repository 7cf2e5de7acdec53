"""Pads text deltas, so that the lengths of frames do not reveal the words.

An observer of an encrypted connection sees the length of each frame. Random letters extend each
delta to a multiple of 16 units (protocol §4.1); all 403 recorded deltas are padded like this. The
letters hide a length and are not secret, so a fast random generator is enough.
"""

from __future__ import annotations

import random
import string
from typing import cast

import msgspec

from ..protocol import server

STEP = 16  # UTF-16 units, as the recorded server counts
_LETTERS = string.ascii_letters + string.digits
_TEXT_DELTAS = (
    server.TextDelta,
    server.TranscriptDelta,
    server.ArgumentsDelta,
    server.McpArgumentsDelta,
    server.TranscriptionDelta,
)


def padded(event: server.ServerEvent) -> server.ServerEvent:
    """Return the event with padding. Audio is not padded, because its deltas are equally long."""
    if not isinstance(event, _TEXT_DELTAS):
        return event
    padding = "".join(random.choices(_LETTERS, k=-_units(event.delta) % STEP))
    return cast("server.ServerEvent", msgspec.structs.replace(event, obfuscation=padding))


def _units(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2
