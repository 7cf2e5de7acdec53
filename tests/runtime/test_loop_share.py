"""A client that uses a large share of the loop lets others run in between."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from vivavoce.core.inputs import FromClient, RelayInput, SessionInput
from vivavoce.core.relay import Direction, Verdict
from vivavoce.runtime.client import Client
from vivavoce.runtime.loop_share import LIGHT_S, TICK_S, TURN_S, LoopQueue, LoopShare, OneAtATime
from vivavoce.runtime.outbox import Outbox
from vivavoce.runtime.upstream_work import RelayReader

from ..support.fakes import FakeWire
from ..support.virtual_time import live


def test_a_share_is_used_up_by_all_work_since_the_loop_turned() -> None:
    clock = 0.0
    went_on: list[bool] = []
    share = LoopShare(lambda: went_on.append(share.used_up), LoopQueue(lambda: clock))

    async def story() -> None:
        nonlocal clock
        for _ in range(2):
            assert not share.used_up
            with share:
                assert share.working
                clock += TURN_S * 0.6
        assert share.used_up
        clock += 100  # nothing is spent while nothing is done
        share.turn()
        share.turn()
        assert share.turning
        await asyncio.sleep(0)
        assert not share.turning
        assert went_on == [False]

    live(story())


def test_work_inside_of_work_is_counted_once() -> None:
    clock = 0.0
    share = LoopShare(lambda: None, LoopQueue(lambda: clock))

    async def story() -> None:
        nonlocal clock
        with share:
            with share:
                clock += TURN_S * 0.6
            assert share.working
            assert not share.used_up
        assert not share.working
        assert not share.used_up

    live(story())


@dataclass
class FakeDriver:
    """A control connection's reader. Whatever it brings costs the machine 2 ms."""

    told: list[tuple[int, bytes]] = field(default_factory=list)
    turn: int = 0
    clock: float = 0.0
    flowing: bool = True
    over_limit: bool = False

    def __post_init__(self) -> None:
        self.relay = self
        self.outbox = Outbox(FakeWire(), lambda: 0.0)
        wire = FakeWire()
        self.client = Client(self, 1, wire, Outbox(wire, lambda: 0.0), self._reader, sideband=True)

    def _reader(self, client: Client) -> RelayReader:
        self.reader = RelayReader(self, self, client, queue=LoopQueue(lambda: self.clock))  # type: ignore[arg-type]
        return self.reader

    def glance(self, direction: Direction, data: bytes) -> Verdict:
        return Verdict.TAKE

    def over_high_water(self) -> bool:
        return False

    def feed(self, event: SessionInput | RelayInput, client_id: int | None = None) -> None:
        assert isinstance(event, FromClient)
        self.told.append((self.turn, event.data))
        self.clock += 0.002
        self.reconcile()

    def reconcile(self) -> None:
        self.client.update_backpressure()

    def detach(self, client_id: int, code: int, reason: str) -> None: ...


def test_a_control_connection_leaves_the_loop_a_turn_every_five_milliseconds() -> None:
    desk = FakeDriver()

    async def story() -> None:
        for number in range(30):
            desk.client.frame(str(number).encode())
        for _ in range(30):
            desk.turn += 1
            await asyncio.sleep(0.005)  # less than the queue rests

    live(story())
    assert [data for _, data in desk.told] == [str(number).encode() for number in range(30)]
    turns = [turn for turn, _ in desk.told]
    assert max(turns.count(turn) for turn in turns) == 3


def test_waiting_frames_of_a_client_that_is_gone_are_dropped() -> None:
    desk = FakeDriver()

    async def story() -> None:
        for number in range(30):
            desk.client.frame(str(number).encode())
        desk.client.lost(1000, "")
        for _ in range(30):
            await asyncio.sleep(0)

    live(story())
    assert len(desk.told) == 3


def test_a_client_below_its_share_is_served_at_once_while_others_queue() -> None:
    clock = 0.0
    queue = LoopQueue(lambda: clock)
    busy, light = LoopShare(lambda: None, queue), LoopShare(lambda: None, queue)

    async def story() -> None:
        nonlocal clock
        with busy:
            clock += TURN_S * 2
        assert busy.used_up
        busy.turn()
        for _ in range(1000):  # an event every 20 ms
            await asyncio.sleep(0)
            with light:
                clock += 0.0005
            assert not light.used_up
            clock += 0.0195

    live(story())


def test_the_queue_is_served_in_order_and_leaves_half_of_the_time() -> None:
    served: list[tuple[float, int]] = []
    clock = 0.0
    queue = LoopQueue(lambda: clock)

    def ask(number: int) -> LoopShare:
        def work() -> None:
            nonlocal clock
            served.append((asyncio.get_running_loop().time(), number))
            clock += 0.03

        return LoopShare(work, queue)

    async def story() -> None:
        began = asyncio.get_running_loop().time()
        for number in range(3):
            ask(number).turn()
        await asyncio.sleep(1)
        assert [number for _, number in served] == [0, 1, 2]
        assert [round(at - began, 3) for at, _ in served] == [0.0, 0.03, 0.06]

    live(story())


def test_a_client_above_its_share_queues_until_it_has_used_little_for_a_while() -> None:
    clock = 0.0
    share = LoopShare(lambda: None, LoopQueue(lambda: clock))

    def work(seconds: float) -> bool:
        nonlocal clock
        with share:
            clock += seconds
        return share.used_up

    async def story() -> None:
        nonlocal clock
        assert work(100)
        share.turn()
        await asyncio.sleep(0)
        assert work(0.0001), "its turn was then, and not for ever"
        clock += 5
        assert work(0.0001)
        clock += 6
        assert not work(0.0001)
        assert work(TURN_S)

    live(story())


def test_a_client_whose_turn_fails_stops_no_other_clients_turn() -> None:
    queue = LoopQueue(lambda: 0.0)
    served: list[str] = []
    caught: list[object] = []

    def fail() -> None:
        raise RecursionError

    async def story() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: caught.append(context["exception"]))
        LoopShare(fail, queue).turn()
        LoopShare(lambda: served.append("in the queue already"), queue).turn()
        await asyncio.sleep(1)
        LoopShare(lambda: served.append("later"), queue).turn()
        await asyncio.sleep(1)

    live(story())
    assert served == ["in the queue already", "later"]
    assert [type(error) for error in caught] == [RecursionError]


def test_clients_with_little_work_each_queue_when_a_turn_of_the_loop_is_full() -> None:
    clock = 0.0
    queue = LoopQueue(lambda: clock)
    turns: list[tuple[int, int]] = []  # the turn of the loop, and the client
    turn = 0

    def arrive(number: int) -> None:
        """Bring two pieces of work, each of 2 ms."""

        def work() -> None:
            nonlocal clock
            while left[number] and not share.used_up:
                with share:
                    clock += 0.002
                left[number] -= 1
                turns.append((turn, number))
            if left[number]:
                share.turn()

        share = LoopShare(work, queue)
        work()

    left = [2] * 40

    async def story() -> None:
        nonlocal turn
        for number in range(40):
            arrive(number)
        while any(left):
            turn += 1
            await asyncio.sleep(0.001)

    live(story())
    at_once = [number for at, number in turns if at == 0]
    assert at_once == [0, 0, 1, 1, 2, 2, *range(3, 40)], "a first piece of each, and little more"
    later = [at for at, _ in turns if at > 0]
    assert len(later) == 37
    assert max(later.count(at) for at in later) <= TURN_S // 0.002 + 1


def test_a_light_event_is_handled_at_once_in_a_full_turn_of_the_loop() -> None:
    clock = 0.0
    queue = LoopQueue(lambda: clock)

    async def story() -> None:
        nonlocal clock
        light, busy = (LoopShare(lambda: None, queue) for _ in range(2))
        with busy:
            clock += TICK_S * 2
        assert queue.full
        with light:  # decode the event
            clock += LIGHT_S / 2
        assert not light.used_up
        with light:
            clock += LIGHT_S
        assert light.used_up
        await asyncio.sleep(0)
        assert not queue.full
        assert not light.used_up

    live(story())


def test_a_client_that_has_done_little_for_a_while_is_before_those_in_the_queue() -> None:
    clock = 0.0
    queue = LoopQueue(lambda: clock)
    served: list[str] = []

    async def story() -> None:
        nonlocal clock
        light = LoopShare(lambda: served.append("light"), queue)
        busy = LoopShare(lambda: served.append("busy"), queue)
        with light:
            clock += 0.004
        clock += 1  # and this was long ago
        with busy:
            clock += 0.002
        for share in (busy, light):
            share.turn()
        await asyncio.sleep(0.1)

    live(story())
    assert served == ["light", "busy"]


def test_tasks_go_on_one_after_the_other() -> None:
    turns = OneAtATime()
    went_on: list[int] = []
    turn = 0

    async def set_up() -> None:
        await turns.turn()
        went_on.append(turn)

    async def story() -> None:
        nonlocal turn
        async with asyncio.TaskGroup() as tasks:
            for _ in range(10):
                tasks.create_task(set_up())
            while len(went_on) < 10:
                await asyncio.sleep(0)
                turn += 1

    live(story())
    assert len(set(went_on)) == 10
