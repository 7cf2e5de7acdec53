"""The reader of a client: order, long appends in pieces, and backpressure."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from vivavoce.audio import pcm as audio
from vivavoce.core.inputs import AudioReceived, InvalidFrame, SessionInput
from vivavoce.protocol import client, codec, server
from vivavoce.protocol.items import Message, Part
from vivavoce.runtime.client import Client
from vivavoce.runtime.loop_share import LoopQueue
from vivavoce.runtime.outbox import Outbox
from vivavoce.runtime.reader import BACKLOG, EVENTS, SessionReader

from ..support.fakes import WINDOW, FakeWire
from ..support.virtual_time import live

PIECE = audio.silence(96)
CLEAR = codec.encode(client.AudioClear())


class PiecewiseDecoder:
    """Takes 96 ms at a time, and drops an incomplete piece."""

    def decode(self, data: bytes) -> Iterator[AudioReceived]:
        for start in range(0, len(data) - len(PIECE) + 1, len(PIECE)):
            yield AudioReceived(data[start : start + len(PIECE)])

    def held_back(self) -> Iterator[AudioReceived]:
        return iter(())


@dataclass
class FakeDriver:
    """A reader and its inputs, in order, each with its turn of the loop."""

    told: list[tuple[int, SessionInput]] = field(default_factory=list)
    wire: FakeWire = field(default_factory=FakeWire)
    turn: int = 0
    stop_at: int | None = None  # the number of inputs after which the client leaves
    behind: Callable[[], bool] = lambda: False
    each_s: float = 0.0  # what it costs to tell one thing
    clock: float = 0.0

    def __post_init__(self) -> None:
        self.outbox = Outbox(self.wire, lambda: 0.0)
        self.client = Client(self, 1, self.wire, self.outbox, self._reader)

    def _reader(self, client: Client) -> SessionReader:
        self.reader = SessionReader(
            self,
            client,
            PiecewiseDecoder(),
            behind=self.behind,
            queue=LoopQueue(lambda: self.clock),
        )
        return self.reader

    def feed(self, event: SessionInput, client_id: int | None = None) -> None:
        self.told.append((self.turn, event))
        self.clock += self.each_s
        if len(self.told) == self.stop_at:
            self.reader.discard()
        self.reconcile()

    def reconcile(self) -> None:
        self.client.update_backpressure()

    def detach(self, client_id: int, code: int, reason: str) -> None:
        raise AssertionError("no client left")

    def append(self, pcm: bytes) -> None:
        self.client.frame(codec.encode(client.AudioAppend(audio=pcm)))


def test_a_short_sound_is_heard_at_once() -> None:
    desk = FakeDriver()

    async def story() -> None:
        desk.append(PIECE)

    live(story())
    assert len(desk.told) == 1


def test_a_long_sound_leaves_the_loop_a_turn_between_its_pieces() -> None:
    desk = FakeDriver()

    async def story() -> None:
        desk.append(PIECE * 10)
        for _ in range(20):
            desk.turn += 1
            await asyncio.sleep(0)

    live(story())
    turns = [turn for turn, _ in desk.told]
    assert len(turns) == 10
    assert len(set(turns)) >= 9


def test_events_that_cost_much_leave_the_loop_a_turn_every_five_milliseconds() -> None:
    """However many of them one read of the socket brought."""
    desk = FakeDriver(each_s=0.002)

    async def story() -> None:
        for number in range(30):
            desk.client.frame(codec.encode(client.ResponseCancel(event_id=str(number))))
        for _ in range(30):
            desk.turn += 1
            await asyncio.sleep(0.005)  # less than the queue rests

    live(story())
    assert [getattr(event, "event_id", None) for _, event in desk.told] == [*map(str, range(30))]
    turns = [turn for turn, _ in desk.told]
    assert max(turns.count(turn) for turn in turns) == 3


def test_cheap_events_are_fed_at_once() -> None:
    desk = FakeDriver(each_s=0.00001)

    async def story() -> None:
        for _ in range(100):
            desk.client.frame(CLEAR)

    live(story())
    assert len(desk.told) == 100


def test_an_event_behind_a_long_sound_waits_for_it() -> None:
    desk = FakeDriver()

    async def story() -> None:
        desk.append(PIECE * 5)
        desk.client.frame(CLEAR)
        desk.client.frame(b"nonsense")
        for _ in range(20):
            await asyncio.sleep(0)

    live(story())
    kinds = [type(event) for _, event in desk.told]
    assert kinds == [AudioReceived] * 5 + [client.AudioClear, InvalidFrame]


def test_a_client_with_a_full_backlog_is_not_read_until_it_is_fed() -> None:
    desk = FakeDriver()

    async def story() -> None:
        desk.append(PIECE * 3)
        desk.append(bytes(BACKLOG + 2))
        desk.reconcile()
        assert desk.reader.is_behind
        assert not desk.wire.reading
        for _ in range(2 * BACKLOG // len(PIECE)):
            await asyncio.sleep(0)
        assert desk.wire.reading

    live(story())


def test_reading_resumes_after_a_backlog_that_fed_nothing() -> None:
    """Sounds of half a sample, and nothing but them, behind a long one."""
    desk = FakeDriver()

    async def story() -> None:
        desk.append(PIECE * 3)
        for _ in range(EVENTS + 1):
            desk.append(b"\0")
        desk.reconcile()
        assert not desk.wire.reading
        for _ in range(20):
            await asyncio.sleep(0)
        assert not desk.reader.is_behind
        assert desk.wire.reading

    live(story())


def test_frames_of_a_client_that_is_gone_are_dropped() -> None:
    desk = FakeDriver(stop_at=3)

    async def story() -> None:
        desk.append(PIECE * 10)
        desk.client.frame(CLEAR)
        for _ in range(20):
            await asyncio.sleep(0)

    live(story())
    assert len(desk.told) == 3


def test_events_of_a_client_over_its_high_water_mark_wait() -> None:
    """Sixty bytes may ask for ten megabytes: they are not all made at once."""
    desk = FakeDriver(wire=FakeWire(read_every_s=1.0))
    image = codec.encode(server.AudioDelta(response_id="r", item_id="i", delta=bytes(2**20)))

    async def story() -> None:
        desk.wire.client = desk.client
        for _ in range(WINDOW):
            desk.outbox.put(image)
        assert not desk.outbox.over_high_water
        for _ in range(3):
            desk.outbox.put(image)
        for _ in range(100):
            desk.client.frame(CLEAR)
        desk.reconcile()
        assert desk.told == []
        assert not desk.wire.reading
        await asyncio.sleep(3)
        assert len(desk.told) == 100
        await asyncio.sleep(10)
        assert desk.wire.reading

    live(story())


def test_sound_waits_for_a_recogniser_that_is_behind() -> None:
    behind = [False]
    desk = FakeDriver(behind=lambda: behind[0])

    async def story() -> None:
        desk.append(PIECE * 10)
        behind[0] = True
        for _ in range(20):
            await asyncio.sleep(0)
        desk.reconcile()
        assert len(desk.told) == 1, "the first piece, and no other"
        assert desk.wire.reading, "an interruption may be next"
        desk.append(bytes(BACKLOG))
        assert not desk.wire.reading
        behind[0] = False
        desk.reconcile()
        for _ in range(BACKLOG // len(PIECE) + 20):
            await asyncio.sleep(0)
        assert len(desk.told) == 10 + BACKLOG // len(PIECE)
        assert desk.wire.reading

    live(story())


def test_events_behind_a_long_sound_are_counted_by_their_size() -> None:
    """Ten megabytes each: the first is over the limit already."""
    desk = FakeDriver()
    text = Part(type="input_text", text="x" * BACKLOG)
    item = codec.encode(client.ItemCreate(item=Message(role="user", content=(text,))))

    async def story() -> None:
        desk.append(PIECE * 10)
        assert not desk.reader.is_behind
        desk.client.frame(item)
        assert desk.reader.is_behind
        assert not desk.wire.reading
        assert desk.reader.backlog > BACKLOG
        for _ in range(20):
            await asyncio.sleep(0)
        assert [type(event) for _, event in desk.told] == [AudioReceived] * 10 + [client.ItemCreate]
        assert desk.wire.reading
        assert desk.reader.backlog == 0

    live(story())


def test_a_long_sound_counts_until_its_last_piece_is_heard() -> None:
    desk = FakeDriver()

    async def story() -> None:
        desk.append(PIECE * (BACKLOG // len(PIECE)))
        while len(desk.told) < BACKLOG // len(PIECE):
            assert desk.reader.is_behind
            assert not desk.wire.reading
            await asyncio.sleep(0)
        assert desk.reader.backlog == 0
        assert desk.wire.reading

    live(story())


def test_only_events_with_audio_wait_for_a_recogniser() -> None:
    spoken = Part(type="input_audio", audio=PIECE)
    typed = Message(role="user", content=(Part(type="input_text", text="hello"),))
    given = client.ResponseOptions(input=(Message(role="user", content=(spoken,)),))

    for held in (
        client.AudioAppend(audio=PIECE),
        client.AudioCommit(),
        client.ItemCreate(item=Message(role="user", content=(spoken,))),
        client.ResponseCreate(response=given),
    ):
        passes = [client.ItemCreate(item=typed), client.ResponseCreate(), client.AudioClear()]
        desk = FakeDriver(behind=lambda: True)
        for event in (*passes, held, *passes):
            desk.client.frame(codec.encode(event))
        assert [event for _, event in desk.told] == passes
        assert desk.wire.reading


def overtaking(*said: client.ClientEvent) -> list[SessionInput]:
    """Return the inputs that are fed at once while the recogniser is behind."""
    desk = FakeDriver(behind=lambda: True)
    for event in said:
        desk.client.frame(codec.encode(event))
    return [event for _, event in desk.told]


def test_an_interruption_overtakes_sound_that_is_held() -> None:
    sound = client.AudioAppend(audio=PIECE)
    cancel, hush = client.ResponseCancel(), client.PlayoutClear()
    assert overtaking(sound, client.AudioCommit(), cancel, client.AudioClear(), hush) == [
        cancel,
        hush,
    ]


def test_a_cancel_that_may_mean_an_answer_still_held_keeps_its_place() -> None:
    sound, ask = client.AudioAppend(audio=PIECE), client.ResponseCreate()
    known = client.ResponseCancel(response_id="resp_1")
    assert overtaking(sound, client.AudioCommit(), ask, client.ResponseCancel(), known) == [known]


def test_an_interruption_behind_a_long_sound_overtakes_it_once_it_is_held() -> None:
    behind = [False]
    desk = FakeDriver(behind=lambda: behind[0])

    async def story() -> None:
        desk.append(PIECE * 10)
        desk.client.frame(codec.encode(client.ResponseCancel()))
        assert len(desk.told) == 1
        behind[0] = True
        await asyncio.sleep(0)
        assert [type(event) for _, event in desk.told] == [AudioReceived, client.ResponseCancel]
        behind[0] = False
        desk.reconcile()
        for _ in range(20):
            await asyncio.sleep(0)
        assert [type(event) for _, event in desk.told].count(AudioReceived) == 10

    live(story())
