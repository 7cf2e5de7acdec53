"""The contract of `EventBus`, for every implementation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from vivavoce.protocol import client, codec, server
from vivavoce.runtime.cluster import CallRef, EventBus, PublishedEvent, Subscription
from vivavoce.runtime.event_bus import InProcessEventBus

from ..support.fakes import FakeWire
from ..support.virtual_time import live
from .test_call_setup import Place, place
from .test_driver import HELLO

BUSES = [InProcessEventBus]  # an implementation joins here
every_bus = pytest.mark.parametrize("make", BUSES)
Make = Callable[[], EventBus]

ONE = CallRef("rtc_1", "conv_1", "echo")
TWO = CallRef("rtc_2", "conv_2", "echo")


def event(number: int) -> server.AudioCleared:
    return server.AudioCleared(event_id=f"event_{number}")


async def read(subscription: Subscription, count: int) -> list[PublishedEvent]:
    async with asyncio.timeout(1):
        return [await anext(subscription) for _ in range(count)]


@every_bus
def test_every_subscriber_gets_every_event_in_order(make: Make) -> None:
    async def story() -> None:
        bus = make()
        async with bus.subscribe() as first, bus.subscribe() as second:
            for number in range(3):
                bus.publish(event(number), ONE)
            expected = [PublishedEvent(ONE, event(number)) for number in range(3)]
            assert await read(first, 3) == await read(second, 3) == expected

    live(story())


@every_bus
def test_a_subscriber_chooses_a_call_and_types_of_events(make: Make) -> None:
    async def story() -> None:
        bus = make()
        types = (server.SpeechStarted,)
        async with bus.subscribe(call_id="rtc_2", types=types) as subscription:
            started = server.SpeechStarted(event_id="event_9", audio_start_ms=0, item_id="item_1")
            bus.publish(started, ONE)
            bus.publish(event(1), TWO)
            bus.publish(started, TWO)
            assert await read(subscription, 1) == [PublishedEvent(TWO, started)]

    live(story())


@every_bus
def test_a_subscriber_that_waits_is_woken(make: Make) -> None:
    async def story() -> None:
        bus = make()
        async with bus.subscribe() as subscription:
            asyncio.get_running_loop().call_later(0.5, bus.publish, event(1), ONE)
            assert await read(subscription, 1) == [PublishedEvent(ONE, event(1))]

    live(story())


@every_bus
def test_a_slow_subscriber_loses_the_oldest_events_and_reads_how_many(make: Make) -> None:
    async def story() -> None:
        bus = make()
        async with bus.subscribe(size=3) as slow, bus.subscribe() as other:
            for number in range(10):
                bus.publish(event(number), ONE)
            assert await read(slow, 3) == [
                PublishedEvent(ONE, event(7), lost=7),
                PublishedEvent(ONE, event(8)),
                PublishedEvent(ONE, event(9)),
            ]
            assert len(await read(other, 10)) == 10

    live(story())


@every_bus
def test_nothing_is_kept_for_a_subscriber_that_has_left(make: Make) -> None:
    async def story() -> None:
        bus = make()
        async with bus.subscribe() as subscription:
            pass
        bus.publish(event(1), ONE)
        with pytest.raises(TimeoutError):
            await read(subscription, 1)

    live(story())


def test_a_subscriber_sees_the_events_of_a_real_call(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        types = (server.SessionCreated, server.ResponseDone)
        async with at.bus.subscribe(types=types) as subscription:
            call = await at.call(wire := FakeWire())
            wire.say(codec.encode(client.ItemCreate(item=HELLO)))
            wire.say(codec.encode(client.ResponseCreate()))
            events = await read(subscription, 2)
        assert [type(one.event) for one in events] == list(types)
        spec = call.spec
        assert {one.call for one in events} == {CallRef(spec.call_id, spec.conversation_id, "echo")}
        assert wire.client is not None
        wire.client.lost(1000, "")

    place(tmp_path, story)


class BrokenBus(InProcessEventBus):
    """Raises for some events, as the client of a message broker may."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self._error = error
        self.broken = True

    def publish(self, event: server.ServerEvent, call: CallRef) -> None:
        if self.broken:
            raise self._error
        super().publish(event, call)


@pytest.mark.parametrize("error", [OSError("secret"), SystemExit("secret"), KeyboardInterrupt()])
def test_a_bus_that_raises_loses_events_and_the_call_goes_on(
    tmp_path: Path, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    bus = BrokenBus(error)

    async def story(at: Place) -> None:
        wire = FakeWire()
        call = await at.call(wire)
        own = wire.client
        assert own is not None
        own.frame(codec.encode(client.ItemCreate(item=HELLO)))
        bus.broken = False
        async with bus.subscribe() as events:
            own.frame(codec.encode(client.ItemCreate(item=HELLO)))
            (heard, _) = await read(events, 2)
        assert isinstance(heard.event, server.ItemAdded)
        bus.broken = True
        own.frame(codec.encode(client.ItemCreate(item=HELLO)))
        await asyncio.sleep(0.1)
        assert len(wire.all(server.ItemDone)) >= 3
        own.lost(1000, "")
        await asyncio.sleep(0.1)
        row = await at.store.call(call.spec.call_id)
        assert row is not None
        assert row.ending == "client_closed_1000"

    place(tmp_path, story, bus=bus)
    failed = [vars(r) for r in caplog.records if r.getMessage() == "event_not_published"]
    assert len(failed) == 2, "the first of several failures in a row"
    assert failed[0]["call"]
    assert "secret" not in str(failed)
