"""What went through the sockets of calls that we answer. A relay's sound is not looked at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class TrafficCounters:
    """Plain numbers, because they change with every frame. Bytes are of the messages alone."""

    frames_in: int = 0
    bytes_in: int = 0
    frames_out: int = 0
    bytes_out: int = 0
