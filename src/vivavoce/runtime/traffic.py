"""Counts the messages of calls that this server answers. Forwarded frames are not counted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class TrafficCounters:
    """Plain numbers, because they change with every frame. Bytes are those of the messages."""

    frames_in: int = 0
    bytes_in: int = 0
    frames_out: int = 0
    bytes_out: int = 0
