"""A client sends pieces of messages that never become complete, to aiortc's own transport."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from vivavoce.transports.webrtc import sctp_bounds, without_pyav

from aiortc import RTCConfiguration, RTCPeerConnection  # isort: skip
from aiortc.rtcsctptransport import DataChunk  # isort: skip

assert without_pyav  # imported before aiortc


def piece(number: int, size: int, *, flags: int = 0, stream: int = 0) -> DataChunk:
    """Return a piece of a message. `flags`: 2 begins a message, 1 ends it, 4 is unordered."""
    chunk = DataChunk()
    chunk.flags, chunk.tsn, chunk.stream_id = flags, number, stream
    chunk.stream_seq, chunk.protocol, chunk.user_data = 0, 51, bytes(size)
    return chunk


def attack(pieces: list[DataChunk]) -> tuple[int, int]:
    """Bring the pieces. Return the number of reports, and the bytes that are kept."""
    told: list[str] = []

    async def main() -> int:
        connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        connection.createDataChannel("oai-events")
        sctp: Any = connection.sctp
        sctp._last_received_tsn = 0
        sctp_bounds.bound(sctp, lambda: told.append("excess"))
        for chunk in pieces:
            await sctp._receive_data_chunk(chunk)
        kept = sum(len(c.user_data) for s in sctp._inbound_streams.values() for c in s.reassembly)
        await connection.close()
        return kept

    kept = asyncio.run(main())
    return len(told), kept


def test_a_message_that_never_ends_is_dropped_at_512_kib() -> None:
    pieces = [piece(n, 1200, flags=2 if n == 1 else 0) for n in range(1, 2000)]
    assert attack(pieces) == (1, 0)


def test_pieces_without_a_beginning_are_dropped_too() -> None:
    assert attack([piece(n, 1200, flags=4) for n in range(1, 2000)]) == (1, 0)


def test_tiny_pieces_are_counted() -> None:
    assert attack([piece(n, 1) for n in range(1, 5000)]) == (1, 0)


def test_streams_are_counted() -> None:
    assert attack([piece(n, 1, flags=3, stream=n) for n in range(1, 5000)])[0] == 1


@pytest.mark.parametrize("size", [1200, 60_000])
def test_a_message_of_256_kib_is_allowed(size: int) -> None:
    count = 256 * 1024 // size
    pieces = [piece(n, size, flags=2 if n == 1 else 0) for n in range(1, count + 1)]
    assert attack(pieces) == (0, count * size)
