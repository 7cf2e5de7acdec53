"""The header of an RTP packet (RFC 3550 §5.1), read and written.

Payloads are bytes of the codec. Timestamps count 48,000 per second for Opus, whatever rate it was
made of (RFC 7587 §4.1).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

TICKS_PER_MS = 48
SEQUENCES = 1 << 16
TIMESTAMPS = 1 << 32
_HEADER = struct.Struct("!BBHII")
_VERSION = 2 << 6


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """A packet as it was received. The first fields are named as aiortc's statistics read them."""

    sequence_number: int
    timestamp: int
    ssrc: int
    payload_type: int
    payload: bytes


def parse(data: bytes) -> RtpPacket:
    """Read a packet; its extensions and sources are skipped. Raises `ValueError`."""
    if len(data) < _HEADER.size:
        raise ValueError("an RTP packet is shorter than its header")
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
    if first >> 6 != 2:
        raise ValueError("this is not version 2 of RTP")
    start = _HEADER.size + 4 * (first & 15)
    if first & 16:  # an extension header: 2 bytes for its kind, 2 for its length in words
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4], "big")
    end = len(data) - (data[-1] if first & 32 else 0)
    if start > end or (first & 32 and not data[-1]):
        raise ValueError("an RTP packet is shorter than its header says")
    return RtpPacket(sequence, timestamp, ssrc, second & 127, data[start:end])


def build(
    payload: bytes, *, payload_type: int, sequence: int, timestamp: int, ssrc: int, marker: bool
) -> bytes:
    """Write a packet without extensions. `marker`: it is the first one after silence."""
    second = payload_type | (128 if marker else 0)
    return _HEADER.pack(_VERSION, second, sequence, timestamp, ssrc) + payload


def signed(difference: int, modulus: int) -> int:
    """Return the shortest distance between two numbers that wrap: -modulus/2 to modulus/2 - 1."""
    half = modulus // 2
    return (difference + half) % modulus - half
