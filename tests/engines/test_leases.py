"""Lend workers to several people, and observe the waits."""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from dataclasses import dataclass, field

import pytest

from vivavoce.engines.leases import Leases, work_for
from vivavoce.errors import EngineError

from ..support.virtual_time import live


def now() -> float:
    return asyncio.get_running_loop().time()


class Worker:
    async def reap(self) -> None:
        await asyncio.sleep(0)

    async def stop(self) -> None: ...


@dataclass
class Waits:
    """The longest wait for the workers, and the requests that wait now."""

    since: dict[object, float] = field(default_factory=dict)
    longest: float = 0.0

    def wait_began(self, who: object, now: float) -> None:
        self.since[who] = now

    def wait_ended(self, who: object, now: float) -> None:
        self.longest = max(self.longest, now - self.since.pop(who))


@dataclass
class Desk:
    size: int
    wait_s: float = 10.0
    waits: Waits = field(default_factory=Waits)

    def __post_init__(self) -> None:
        self.leases = Leases(
            [Worker() for _ in range(self.size)],
            wait_s=self.wait_s, busy="Busy.", code="busy", observer=self.waits,
        )  # fmt: skip

    def ask(self, person: str | None, seconds: float) -> asyncio.Task[float]:
        """Begin to work for a person. The result is the wait for a worker."""

        async def work() -> float:
            work_for(person)
            began = now()
            async with self.leases.lease(lambda worker: 0):
                waited = now() - began
                await asyncio.sleep(seconds)
            return waited

        return asyncio.get_running_loop().create_task(work(), context=copy_context())


def test_X6_one_person_leaves_half_of_the_workers_to_others() -> None:
    async def story() -> None:
        desk = Desk(4)
        noise = [desk.ask("eve", 3) for _ in range(6)]
        await asyncio.sleep(0.1)
        assert desk.leases.taken == 2
        assert await desk.ask("ada", 1) == 0
        assert await desk.ask("bob", 1) == 0
        assert await asyncio.gather(*noise) == [0, 0, 3, 3, 6, 6]

    live(story())


def test_X6_a_wait_for_ones_own_work_does_not_count_as_overload() -> None:
    async def story() -> None:
        desk = Desk(4)
        noise = [desk.ask("eve", 3) for _ in range(6)]
        await asyncio.gather(*noise)
        assert desk.waits.longest == 0
        many = [desk.ask(person, 3) for person in "abcde"]
        await asyncio.gather(*many)
        assert desk.waits.longest == 3
        assert not desk.waits.since

    live(story())


def test_the_only_worker_is_lent_in_order() -> None:
    async def story() -> None:
        desk = Desk(1)
        asked = [desk.ask(person, 1) for person in ("eve", "eve", "ada")]
        assert await asyncio.gather(*asked) == [0, 1, 2]

    live(story())


def test_work_for_no_one_person_may_take_all_workers() -> None:
    async def story() -> None:
        desk = Desk(3)
        assert await asyncio.gather(*(desk.ask(None, 1) for _ in range(4))) == [0, 0, 0, 1]

    live(story())


def test_a_wait_that_is_cancelled_or_times_out_takes_no_worker() -> None:
    async def story() -> None:
        desk = Desk(2, wait_s=2)
        first = desk.ask("ada", 5)
        late, impatient = desk.ask("ada", 1), desk.ask("ada", 1)
        await asyncio.sleep(1)
        impatient.cancel()
        with pytest.raises(EngineError) as error:
            await late
        assert (now(), error.value.code) == (2, "busy")
        await first
        assert desk.leases.taken == 0
        assert await asyncio.gather(*(desk.ask(person, 1) for person in "xy")) == [0, 0]

    live(story())


def test_a_worker_that_is_granted_to_a_cancelled_request_is_lent_again() -> None:
    async def story() -> None:
        desk = Desk(1)
        first, second, third = (desk.ask(person, 1) for person in "abc")
        first.add_done_callback(lambda _: second.cancel())
        await asyncio.wait([first, second, third])
        assert second.cancelled()
        assert third.result() == 1
        assert desk.leases.taken == 0

    live(story())
