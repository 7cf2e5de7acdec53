"""The outbox alone, where a test needs no whole call."""

from __future__ import annotations

from vivavoce.core.types import Frame
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


class Written:
    """A connection that keeps what it writes, and needs no loop."""

    full = False

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.closed: int | None = None

    def write(self, data: Frame) -> None:
        self.frames.append(bytes(data))

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def close(self, code: int, reason: str) -> None:
        self.closed = code


def frames(*waiting: tuple[bytes, int, bool]) -> tuple[Written, Outbox]:
    """Put frames, each with its receipt and whether it may be late, into an outbox."""
    wire = Written()
    outbox = Outbox(wire, lambda: 0.0)
    for data, receipt, may_be_late in waiting:
        outbox.put(data, receipt=receipt, may_be_late=may_be_late)
    return wire, outbox


def test_frames_overtake_a_receipt_that_may_be_late() -> None:
    wire, outbox = frames((b"transcript", 1, True), (b"audio", 0, False), (b"done", 2, False))
    assert wire.frames == [b"audio"]
    assert not outbox.empty
    outbox.committed(2)
    assert wire.frames == [b"audio", b"transcript", b"done"]
    assert outbox.empty


def test_a_late_receipt_still_waits_for_its_own_commit() -> None:
    wire, outbox = frames((b"first", 1, True), (b"second", 2, True), (b"audio", 0, False))
    outbox.committed(1)
    assert wire.frames == [b"audio", b"first"]
    outbox.committed(2)
    assert wire.frames == [b"audio", b"first", b"second"]


def test_a_late_receipt_never_overtakes_the_frames_before_it() -> None:
    """A transcript that leaves before its item was added would be about an unknown item."""
    wire, outbox = frames((b"done", 1, False), (b"added", 0, False), (b"transcript", 2, True))
    outbox.committed(2)
    assert wire.frames == [b"done", b"added", b"transcript"]


def test_an_outbox_closes_only_after_its_late_receipts() -> None:
    wire, outbox = frames((b"transcript", 1, True))
    outbox.close(CloseCode.NORMAL, "")
    assert wire.closed is None
    outbox.committed(1)
    assert wire.frames == [b"transcript"]
    assert wire.closed == CloseCode.NORMAL


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
