"""Who ends a process's calls, and how long they may take about it."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field

import pytest  # noqa: TC002

from vivavoce.runtime.hub import GONE_WITHIN_S, POLITE_S, Hub, LiveCall

from ..support.fakes import now
from ..support.virtual_time import live

REASON = "conversation_continued_elsewhere"


@dataclass
class Phone:
    """The far end of a call: how it takes being hung up on."""

    call: LiveCall
    gone_after_s: float | None = 0.0  # None: it never reads what waits for it
    stores_within_s: float | None = 0.0  # once it is cut off
    told: list[tuple[float, str, int]] = field(default_factory=list)

    def hang_up(self, code: int, reason: str) -> None:
        self.told.append((now(), "hung up", code))
        self._end_in(self.gone_after_s)

    def cut_off(self, code: int, reason: str) -> None:
        self.told.append((now(), "cut off", code))
        self._end_in(self.stores_within_s)

    def _end_in(self, seconds: float | None) -> None:
        if seconds is not None:
            asyncio.get_running_loop().call_later(seconds, self.call.over.set)


def ring(hub: Hub, number: int, conversation: str = "conv_1") -> LiveCall:
    call = LiveCall(f"rtc_{number}", conversation, "echo")
    hub.add(call)
    return call


def test_taking_over_ends_the_calls_of_that_conversation_only() -> None:
    async def story() -> None:
        hub = Hub()
        ours, others, new = ring(hub, 1), ring(hub, 2, "conv_2"), ring(hub, 3)
        phones = [Phone(call) for call in (ours, others, new)]
        for phone in phones:
            phone.call.connect(phone)
        assert await hub.take_over("conv_1", new)
        assert [phone.told for phone in phones] == [[(0.0, "hung up", 4000)], [], []]

    live(story())


def test_a_peer_that_vanished_is_not_waited_for() -> None:
    """A phone without network reconnects: its old call has words waiting that nobody reads."""

    async def story() -> None:
        hub = Hub()
        old = ring(hub, 1)
        phone = Phone(old, gone_after_s=None)
        old.connect(phone)
        assert await hub.take_over("conv_1")
        assert now() == POLITE_S
        assert [how for _, how, _ in phone.told] == ["hung up", "cut off"]

    live(story())


def test_a_call_that_does_not_end_is_not_taken_over() -> None:
    async def story() -> None:
        hub = Hub()
        old = ring(hub, 1)
        old.connect(Phone(old, gone_after_s=None, stores_within_s=None))
        assert not await hub.take_over("conv_1")
        assert now() == POLITE_S + GONE_WITHIN_S

    live(story())


def test_a_call_that_is_still_being_set_up_is_hung_up_on_as_soon_as_it_stands() -> None:
    async def story() -> None:
        hub = Hub()
        first = ring(hub, 1)
        phone = Phone(first)
        second = ring(hub, 2)
        asyncio.get_running_loop().call_later(0.5, first.connect, phone)
        assert await hub.take_over("conv_1", second)
        assert phone.told == [(0.5, "hung up", 4000)]

    live(story())


def test_who_is_admitted_while_we_leave_is_sent_home() -> None:
    async def story() -> None:
        async with Hub() as hub:
            pass
        late = ring(hub, 1)
        phone = Phone(late)
        late.connect(phone)
        assert [code for _, _, code in phone.told] == [1012]

    live(story())


def test_leaving_waits_for_every_call_and_cancels_what_does_not_end() -> None:
    ends: list[str] = []

    async def stuck() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            ends.append("cancelled")

    async def story() -> None:
        async with Hub() as hub:
            kind = ring(hub, 1)
            kind.connect(Phone(kind, gone_after_s=0.5))
            hub.spawn(stuck(), "websocket")
            await asyncio.sleep(0)
        assert now() == 0.5 + POLITE_S

    live(story())
    assert ends == ["cancelled"]


def test_one_calls_bug_is_logged_and_ends_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    async def bug() -> None:
        raise ZeroDivisionError

    async def story() -> None:
        async with Hub() as hub:
            hub.spawn(bug(), "websocket")
            await asyncio.sleep(1)

    with caplog.at_level(logging.ERROR, "vivavoce.hub"):
        live(story())
    assert [record.getMessage() for record in caplog.records] == ["call_failed"]
