"""Bounds what a client can make aiortc keep of messages that are not complete.

aiortc 1.16 announces a window of 1 MiB, and keeps what a client sends beyond it. A message that
never ends, pieces without a beginning, or many tiny pieces would fill the memory of the server. So
this module looks at each piece, on the object of one call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aiortc import RTCSctpTransport

MOST_KEPT = 512 * 1024  # bytes: a message of 256 KiB, and what comes before it is complete
MOST_PIECES = 4096  # each costs 200 bytes beside its data; browsers send 1,200 bytes in one


def bound(transport: RTCSctpTransport, on_excess: Callable[[], None]) -> None:
    """Call `on_excess` once a client exceeds the bounds, and drop all that comes later."""
    sctp: Any = transport
    receive = sctp._receive_data_chunk
    whole_window = sctp._advertised_rwnd
    exceeded = False

    async def receive_within_bounds(chunk: Any) -> None:  # noqa: ANN401  # aiortc's DataChunk
        nonlocal exceeded
        if exceeded:
            return
        await receive(chunk)
        if whole_window - sctp._advertised_rwnd > MOST_KEPT or _pieces(sctp) > MOST_PIECES:
            exceeded = True
            sctp._inbound_streams.clear()
            on_excess()

    sctp._receive_data_chunk = receive_within_bounds


def _pieces(sctp: Any) -> int:  # noqa: ANN401
    """Return the number of pieces that are kept. A stream without any counts too."""
    return sum(1 + len(stream.reassembly) for stream in sctp._inbound_streams.values())
