"""The outbox alone, where a test needs no whole call."""

from __future__ import annotations

from vivavoce.protocol.close_codes import CloseCode
from vivavoce.runtime.outbox import Outbox

from ..support.fakes import FakeWire
from ..support.upstream import RawWire
from ..support.virtual_time import live


class Clogged(FakeWire):
    @property
    def full(self) -> bool:
        return True


def test_one_that_overflowed_is_no_longer_late() -> None:
    """A deadline of a client that is gone would fire without an end."""
    wire = Clogged(closed=None)
    wire.close = lambda code, reason: codes.append(code)  # type: ignore[method-assign]
    codes: list[int] = []
    outbox = Outbox(wire, lambda: 5.0, limit=100)
    for _ in range(50):
        outbox.put(b"x" * 10)
    assert codes == [CloseCode.TRY_AGAIN_LATER]
    outbox.committed(1)
    outbox.flush()
    assert outbox.deadline() is None
    assert not outbox.full
    assert not outbox.over_high_water


class Valve(RawWire):
    """Full until it is opened."""

    open = False

    @property
    def full(self) -> bool:
        return not self.open


def test_a_forwarded_frame_that_waits_is_a_copy() -> None:
    """A frame lies in the socket's buffer, which the next read fills again."""

    async def story() -> None:
        wire = Valve()
        outbox = Outbox(wire, lambda: 0.0)
        buffer = bytearray(b"first")
        outbox.forward(memoryview(buffer))
        buffer[:] = b"other"
        wire.open = True
        outbox.flush()
        assert wire.frames == [b"first"]

    live(story())
