"""The contract of `CallRegistry`: how it finds calls and ends them, and how long it waits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field

import pytest

from vivavoce.access.auth_failure import AuthFailure
from vivavoce.core.inputs import Played
from vivavoce.core.types import Frame
from vivavoce.protocol.client import ClientEvent
from vivavoce.runtime.call_registry import GONE_WITHIN_S, POLITE_S, WAITERS, InProcessCallRegistry
from vivavoce.runtime.client import Client
from vivavoce.runtime.client_port import ClientPort, Reader
from vivavoce.runtime.cluster import CallRegistry
from vivavoce.runtime.live_call import LiveCall, Readers
from vivavoce.runtime.outbox import Connection, Outbox

from ..support.fakes import FakeWire, now
from ..support.virtual_time import live

REGISTRIES = [InProcessCallRegistry]  # an implementation joins here
every_registry = pytest.mark.parametrize("make", REGISTRIES)
Make = Callable[[], AbstractAsyncContextManager[CallRegistry]]
REASON = "conversation_continued_elsewhere"


@dataclass
class FakeDriver:
    """The far end of a call: how it takes being hung up on."""

    call: LiveCall
    gone_after_s: float | None = 0.0  # None: it never reads what waits for it
    stores_within_s: float | None = 0.0  # once it is cut off
    told: list[tuple[float, str, int]] = field(default_factory=list)
    over: bool = False
    sidebands: int = 0

    def attach(self, connection: Connection, reader: Readers, *, sideband: bool = False) -> Client:
        assert sideband
        self.sidebands += 1
        outbox = Outbox(connection, now)
        return Client(self, self.sidebands, connection, outbox, reader, sideband=True)

    def feed(self, event: Played, client_id: int | None = None) -> None: ...

    def detach(self, client_id: int, code: int, reason: str) -> None:
        self.sidebands -= 1

    def reconcile(self) -> None: ...

    def hang_up(self, code: int, reason: str) -> None:
        self.told.append((now(), "hung up", code))
        self._end_in(self.gone_after_s)

    def abort(self, code: int, reason: str) -> None:
        self.told.append((now(), "cut off", code))
        self._end_in(self.stores_within_s)

    def revoke(self, why: AuthFailure) -> None:
        self.told.append((now(), why.code, 3000))
        self._end_in(self.gone_after_s)

    def dismiss(self, client: ClientPort, why: AuthFailure, *, at_once: bool = False) -> None:
        self.told.append((now(), "cut off" if at_once else why.code, client.id))

    def _end_in(self, seconds: float | None) -> None:
        if seconds is not None:
            asyncio.get_running_loop().call_later(seconds, self.call.over.set)


def unread(client: ClientPort) -> Reader:
    raise NotImplementedError


def ring(registry: CallRegistry, number: int, conversation: str = "conv_1") -> LiveCall:
    call = LiveCall(f"rtc_{number}", conversation, "echo")
    registry.add(call)
    return call


@every_registry
def test_taking_over_ends_the_calls_of_that_conversation_only(make: Make) -> None:
    async def story() -> None:
        async with make() as registry:
            ours, others, new = ring(registry, 1), ring(registry, 2, "conv_2"), ring(registry, 3)
            phones = [FakeDriver(call) for call in (ours, others, new)]
            for phone in phones:
                phone.call.connect(phone, unread)
            assert await registry.take_over("conv_1", new)
            assert [phone.told for phone in phones] == [[(0.0, "hung up", 4000)], [], []]

    live(story())


@every_registry
def test_a_peer_that_vanished_is_not_waited_for(make: Make) -> None:
    """A phone without network reconnects: its old call has frames that its client never reads."""

    async def story() -> None:
        async with make() as registry:
            old = ring(registry, 1)
            phone = FakeDriver(old, gone_after_s=None)
            old.connect(phone, unread)
            assert await registry.take_over("conv_1")
            assert now() == POLITE_S
            assert [how for _, how, _ in phone.told] == ["hung up", "cut off"]

    live(story())


@every_registry
def test_a_call_that_does_not_end_is_not_taken_over(make: Make) -> None:
    async def story() -> None:
        async with make() as registry:
            old = ring(registry, 1)
            old.connect(FakeDriver(old, gone_after_s=None, stores_within_s=None), unread)
            assert not await registry.take_over("conv_1")
            assert now() == POLITE_S + GONE_WITHIN_S

    live(story())


@every_registry
def test_a_call_that_is_still_being_set_up_is_hung_up_on_as_soon_as_it_stands(make: Make) -> None:
    async def story() -> None:
        async with make() as registry:
            first = ring(registry, 1)
            phone = FakeDriver(first)
            second = ring(registry, 2)
            asyncio.get_running_loop().call_later(0.5, first.connect, phone, unread)
            assert await registry.take_over("conv_1", second)
            assert phone.told == [(0.5, "hung up", 4000)]

    live(story())


@every_registry
def test_a_call_that_is_added_during_shutdown_is_ended(make: Make) -> None:
    async def story() -> None:
        async with make() as registry:
            pass
        late = ring(registry, 1)
        phone = FakeDriver(late)
        late.connect(phone, unread)
        assert [code for _, _, code in phone.told] == [1012]

    live(story())


@every_registry
def test_shutdown_waits_for_every_call_and_cancels_those_that_do_not_end(make: Make) -> None:
    ends: list[str] = []

    async def stuck() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            ends.append("cancelled")

    async def story() -> None:
        async with make() as registry:
            kind = ring(registry, 1)
            kind.connect(FakeDriver(kind, gone_after_s=0.5), unread)
            registry.spawn(stuck(), "websocket")
            await asyncio.sleep(0)
        assert now() == 0.5 + POLITE_S

    live(story())
    assert ends == ["cancelled"]


@every_registry
def test_shutdown_leaves_a_task_behind_that_ignores_its_cancellation(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        ends = asyncio.Event()

        async def stubborn() -> None:
            while not ends.is_set():
                with suppress(asyncio.CancelledError):
                    await ends.wait()

        async with make() as registry:
            registry.spawn(stubborn(), "pigeon")
            await asyncio.sleep(0)
        assert now() == POLITE_S + GONE_WITHIN_S
        ends.set()
        await asyncio.sleep(0)

    live(story())
    assert [(r.getMessage(), vars(r)["task"]) for r in caplog.records] == [
        ("task_left_behind", "pigeon")
    ]


@every_registry
@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_no_task_ends_the_server(
    make: Make, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    async def leave() -> None:
        raise error

    async def story() -> None:
        async with make() as registry:
            await registry.spawn(leave(), "pigeon")

    live(story())
    assert caplog.messages == ["call_failed"]


@every_registry
def test_the_bug_of_one_call_is_logged_and_ends_no_other(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    async def bug() -> None:
        raise ZeroDivisionError

    async def story() -> None:
        async with make() as registry:
            registry.spawn(bug(), "websocket")
            await asyncio.sleep(1)

    with caplog.at_level(logging.ERROR, "vivavoce.runtime.call_registry"):
        live(story())
    assert [record.getMessage() for record in caplog.records] == ["call_failed"]


@every_registry
def test_a_call_whose_key_is_revoked_before_it_stands_ends_as_soon_as_it_does(make: Make) -> None:
    async def story() -> None:
        async with make() as registry:
            call = LiveCall("rtc_1", "conv_1", "echo", credential_ids=("cs_1", "key_1"))
            registry.add(call)
            assert registry.revoke(["key_1"]) == 1
            phone = FakeDriver(call)
            registry.connect(call, phone, unread)
            assert phone.told == [(0.0, "key_revoked", 3000)]
            await asyncio.sleep(POLITE_S + 1)
            registry.remove(call)
            assert [how for _, how, _ in phone.told] == ["key_revoked"]

    live(story())


@every_registry
def test_revoked_calls_whose_clients_vanished_are_aborted_together(make: Make) -> None:
    async def story() -> None:
        async with make() as registry:
            phones = []
            for number in range(1000):
                call = LiveCall(f"rtc_{number}", "conv_1", "echo", credential_ids=("key_1",))
                phones.append(FakeDriver(call, gone_after_s=None if number % 2 else 0.0))
                registry.add(call)
                registry.connect(call, phones[-1], unread)
            assert registry.revoke(["key_1"]) == 1000
            await asyncio.sleep(POLITE_S + 0.01)
            assert all(phone.call.over.is_set() for phone in phones)
            cut = [phone.told[-1][1:] for phone in phones if len(phone.told) == 2]
            assert cut == [("cut off", 3000)] * 500
            assert registry.in_use.ids == ()

    live(story())


# Calls and their sidebands


class Unread:
    """The reader of a client that sends nothing."""

    is_behind = False

    def frame(self, data: Frame) -> None: ...

    def event(self, event: ClientEvent) -> None: ...

    def audio(self, pcm: bytes) -> None: ...

    def resume(self) -> None: ...

    def discard(self) -> None: ...


@every_registry
def test_a_call_is_found_by_its_id_until_it_is_removed(make: Make) -> None:
    async def story() -> None:
        async with make() as registry:
            one, two = ring(registry, 1), ring(registry, 2, "conv_2")
            assert registry.get("rtc_1") is one
            assert registry.get("rtc_9") is None
            assert len(registry) == 2
            assert registry.excluding("conv_2") == [one]
            registry.remove(one)
            registry.remove(one)
            assert registry.get("rtc_1") is None
            assert one.over.is_set()
            assert len(registry) == 1
            registry.remove(two)

    live(story())


@every_registry
def test_hanging_up_ends_one_call_and_waits_until_it_is_over(make: Make) -> None:
    async def story() -> None:
        async with make() as registry:
            ours, other = ring(registry, 1), ring(registry, 2)
            phones = [FakeDriver(call, gone_after_s=0.5) for call in (ours, other)]
            for phone in phones:
                registry.connect(phone.call, phone, unread)
            await registry.hang_up(ours)
            assert now() == 0.5
            assert [phone.told for phone in phones] == [[(0.0, "hung up", 1000)], []]
            registry.remove(ours)

    live(story())


@every_registry
def test_revoking_the_key_of_a_sideband_ends_it_and_not_its_call(make: Make) -> None:
    async def story() -> None:
        async with make() as registry:
            call = LiveCall("rtc_1", "conv_1", "echo", credential_ids=("key_1",))
            registry.add(call)
            phone = FakeDriver(call)
            registry.connect(call, phone, lambda client: Unread())
            first = registry.attach(call, FakeWire(), ("key_2",))
            second = registry.attach(call, FakeWire(), ("key_2",))
            assert (first.sideband, phone.sidebands) == (True, 2)
            second.lost(1000, "")  # it depends on its key no longer
            assert registry.revoke(["key_2"]) == 0
            assert phone.told == [(0.0, "key_revoked", first.id)]
            await asyncio.sleep(POLITE_S + 0.1)
            assert phone.told[1:] == [(POLITE_S, "cut off", first.id)]
            assert not call.over.is_set()

    live(story())


# Sidebands that wait for a call


@every_registry
def test_a_call_that_is_about_to_begin_is_waited_for(make: Make) -> None:
    async def story() -> None:
        async with make() as registry:
            loop = asyncio.get_running_loop()
            finding = asyncio.create_task(registry.find("rtc_1", 5.5))
            await asyncio.sleep(1)
            call = ring(registry, 1)  # admitted, and not yet set up
            loop.call_at(3, registry.connect, call, FakeDriver(call), unread)
            assert await finding is call
            assert now() == 3
            assert await registry.find("rtc_1", 5.5) is call
            assert now() == 3

    live(story())


@every_registry
@pytest.mark.parametrize("happens", ["runs", "begins", "ends", "fails"])
def test_X14_a_foreign_call_is_waited_for_like_an_unknown_one(make: Make, happens: str) -> None:
    async def story() -> None:
        async with make() as registry:
            loop = asyncio.get_running_loop()
            call = None if happens == "begins" else ring(registry, 1)
            if call is not None and happens != "fails":
                registry.connect(call, FakeDriver(call), unread)
            if call is None:
                loop.call_at(
                    1, lambda: registry.connect(c := ring(registry, 1), FakeDriver(c), unread)
                )
            elif happens != "runs":
                loop.call_at(1, registry.remove, call)
            assert await registry.find("rtc_1", 5.5, lambda call: False) is None
            assert now() == 5.5

    live(story())


@every_registry
def test_a_call_that_comes_to_nothing_is_not_waited_for_any_longer(make: Make) -> None:
    async def story() -> None:
        async with make() as registry:
            call = ring(registry, 1)
            asyncio.get_running_loop().call_later(1, registry.remove, call)
            assert await registry.find("rtc_1", 5.5) is None
            assert now() == 1

    live(story())


@every_registry
def test_an_unknown_call_is_waited_for_until_the_deadline_and_leaves_nothing(make: Make) -> None:
    async def story() -> None:
        async with make() as registry:
            found = await asyncio.gather(
                *(registry.find(f"rtc_{n % 7}", 5.5) for n in range(WAITERS))
            )
            assert found == [None] * WAITERS
            assert now() == 5.5
            assert await registry.find("rtc_1", 5.5) is None
            assert now() == 11  # there is room for the next one to wait

    live(story())


@every_registry
def test_requests_over_the_limit_do_not_wait(make: Make) -> None:
    async def story() -> None:
        async with make() as registry:
            patient = [asyncio.create_task(registry.find(f"rtc_{n}", 5.5)) for n in range(WAITERS)]
            await asyncio.sleep(1)
            assert await registry.find("rtc_too_many", 5.5) is None
            assert now() == 1
            await asyncio.wait(patient)

    live(story())


@every_registry
def test_find_returns_at_once_on_shutdown(make: Make) -> None:
    async def story() -> None:
        async with make() as registry:
            finding = asyncio.create_task(registry.find("rtc_1", 5.5))
            await asyncio.sleep(1)
            registry.start_shutdown()
            assert await finding is None
            assert now() == 1
            assert await registry.find("rtc_2", 5.5) is None
            assert now() == 1

    live(story())


@every_registry
def test_a_call_that_is_over_is_not_joined(make: Make) -> None:
    async def story() -> None:
        async with make() as registry:
            call = ring(registry, 1)
            registry.connect(call, FakeDriver(call, over=True), unread)
            asyncio.get_running_loop().call_later(0.1, registry.remove, call)
            assert await registry.find("rtc_1", 5.5) is None
            assert now() == 0.1

    live(story())
