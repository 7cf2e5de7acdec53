"""A bad network between two peers of one machine: media that is lost or late.

It stands at one peer's ICE transport, so sockets, ICE, DTLS and SRTP are real. Only media is hurt:
a lost DTLS flight is repeated after a second, which no test is about.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any


@dataclass
class Lossy:
    """Loses each packet with a probability, and delays the others by 0 to `jitter_s`.

    `drops` decides instead of chance, if it is given: it gets the number of the packet.
    """

    loss: float = 0.0
    jitter_s: float = 0.0
    seed: int = 7
    drops: Callable[[int], bool] | None = None
    sent: int = 0
    lost: int = 0
    _random: Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = Random(self.seed)

    def hurt(self, transport: Any) -> None:  # noqa: ANN401  # aiortc's RTCIceTransport
        """Lose and delay what this transport sends."""
        send = transport._send

        async def lossy_send(data: bytes) -> None:
            if not is_media(data):
                await send(data)
            elif not self._loses():
                delay = self.jitter_s * self._random.random()
                if delay:
                    asyncio.get_running_loop().call_later(delay, _run, send, data)
                else:
                    await send(data)

        transport._send = lossy_send

    def _loses(self) -> bool:
        number, self.sent = self.sent, self.sent + 1
        lost = self.drops(number) if self.drops else self._random.random() < self.loss
        self.lost += lost
        return lost


def is_media(data: bytes) -> bool:
    """Return whether a datagram is RTP, by RFC 7983 and RFC 5761."""
    return 127 < data[0] < 192 and not 192 <= data[1] <= 223


def _run(send: Any, data: bytes) -> None:  # noqa: ANN401
    """Send later, unless the connection is gone. Sending never waits, so it needs no task."""
    coroutine = send(data)
    try:
        coroutine.send(None)
    except (StopIteration, ConnectionError):
        return
    coroutine.close()
