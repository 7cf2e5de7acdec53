"""Puts the packets of one stream in order. It knows sequence numbers, and no sound.

A packet that is missing may still come, so later ones wait for it: until two have come after it.
That is 40 ms, once per lost packet. Nothing is added for good, because the receiver plays nothing:
what waited is passed on at once.
"""

from __future__ import annotations

from dataclasses import dataclass

from .rtp import SEQUENCES, RtpPacket, signed

WAITING = 2  # packets after a missing one before it counts as lost
GAP = 10  # packets: a wider gap is a new beginning, not a loss
_NUMBERS = SEQUENCES


@dataclass(frozen=True, slots=True)
class InOrder:
    """The next packet of the stream. `lost`: number of packets that are missing before it.

    `begins`: the stream begins here, or goes on in another place.
    """

    packet: RtpPacket
    lost: int = 0
    begins: bool = False


class PacketWindow:
    """At most `WAITING` packets wait. Late ones and duplicates are dropped."""

    def __init__(self) -> None:
        self.late = 0  # packets that came after their turn or twice, and were dropped
        self._ssrc: int | None = None
        self._next = 0  # the number that is expected
        self._held: dict[int, RtpPacket] = {}
        self._astray: int | None = None  # the number after a packet that was far behind

    def __len__(self) -> int:
        return len(self._held)

    def put(self, packet: RtpPacket) -> list[InOrder]:
        """Take a packet, and return those that are now in order."""
        if packet.ssrc != self._ssrc:
            return self._begin(packet)
        ahead = self._ahead(packet.sequence_number)
        if ahead < 0 or packet.sequence_number in self._held:
            return self._late(packet, ahead)
        self._astray = None
        newest = max((self._ahead(number) for number in self._held), default=-1)
        if ahead - newest - 1 > GAP:
            return self.flush() + self._begin(packet)
        self._held[packet.sequence_number] = packet
        return self._take()

    def flush(self) -> list[InOrder]:
        """Return what waits, because what is missing will not come."""
        ready: list[InOrder] = []
        while self._held:
            ready.append(self._pass(self._first()))
        return ready

    def _late(self, packet: RtpPacket, ahead: int) -> list[InOrder]:
        """Drop a packet, unless it shows that the sender has restarted (RFC 3550 A.1)."""
        if ahead < -GAP and packet.sequence_number == self._astray:
            return self.flush() + self._begin(packet)
        self._astray = (packet.sequence_number + 1) % _NUMBERS if ahead < -GAP else None
        self.late += 1
        return []

    def _begin(self, packet: RtpPacket) -> list[InOrder]:
        self._held.clear()
        self._ssrc = packet.ssrc
        self._astray = None
        self._next = (packet.sequence_number + 1) % _NUMBERS
        return [InOrder(packet, begins=True)]

    def _take(self) -> list[InOrder]:
        ready: list[InOrder] = []
        while self._held:
            first = self._first()
            newest = max(self._ahead(number) for number in self._held)
            missing = self._ahead(first)
            if missing and newest - missing + 1 < WAITING:
                break
            ready.append(self._pass(first))
        return ready

    def _first(self) -> int:
        return min(self._held, key=self._ahead)

    def _ahead(self, number: int) -> int:
        return signed(number - self._next, _NUMBERS)

    def _pass(self, number: int) -> InOrder:
        lost = self._ahead(number)
        self._next = (number + 1) % _NUMBERS
        return InOrder(self._held.pop(number), lost)
