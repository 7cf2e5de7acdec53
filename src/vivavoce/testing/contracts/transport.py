"""Check the rules that every transport keeps whose audio the server paces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import numpy as np

from ...api import SAMPLE_RATE, TransportServices, TransportSpec, duration_ms, silence
from ..live import live
from ..transports import CREDENTIAL, Bench, EndpointCall, listening

SOON_S = 3.0
SLOWLY_S = 20.0
SLACK_MS = 60  # of audio that is on its way


class Peer(Protocol):
    """A client of the transport, over a real connection. The test of the package writes it.

    Its buffers are small, so that a client that reads nothing is seen early.
    """

    @property
    def heard(self) -> bytes:
        """The audio that has arrived, as PCM16 at 24 kHz."""

    async def speak(self, pcm: bytes) -> None:
        """Send audio: PCM16 at 24 kHz."""

    async def hang_up(self) -> None:
        """End the call as the protocol of the transport does."""

    async def vanish(self) -> None:
        """Cut the connection, without a word. It may be cut already."""

    async def stop_reading(self) -> None:
        """Read nothing more, and stay connected."""

    async def disconnected(self) -> None:
        """Wait until the server has ended the connection."""


Connect = Callable[[Any], Awaitable[Peer]]
"""Connects a client to an endpoint of the package."""


@dataclass(frozen=True)
class Case:
    """A transport under test.

    `table` returns its settings, for a folder and an API key. `strangers` connect without what
    the transport accepts as proof.
    """

    spec: TransportSpec[TransportServices]
    table: Callable[[Path, str], Mapping[str, object]]
    connect: Connect
    strangers: tuple[Connect, ...] = ()


Check = Callable[[Case], None]


def passes_on_what_the_user_says(case: Case) -> None:
    async def story(bench: Bench) -> None:
        peer, call = await _called(case, bench)
        await peer.speak(silence(100) + _tone(800) + silence(100))
        await _until(lambda: duration_ms(call.heard) >= 1000 - SLACK_MS)
        assert duration_ms(call.heard) <= 1000 + SLACK_MS
        assert abs(_tone_ms(bytes(call.heard)) - 800) <= SLACK_MS

    _run(case, story)


def plays_in_real_time_and_reports_what_was_played(case: Case) -> None:
    async def story(bench: Bench) -> None:
        peer, call = await _called(case, bench)
        began = asyncio.get_running_loop().time()
        call.play("item_1", _tone(600))
        await _until(lambda: ("item_1", 600) in call.played)
        took_ms = (asyncio.get_running_loop().time() - began) * 1000
        assert took_ms >= 600 - SLACK_MS
        assert [ms for _, ms in call.played] == list(range(20, 601, 20))
        await _until(lambda: _tone_ms(peer.heard) >= 600 - SLACK_MS)
        assert abs(_tone_ms(peer.heard) - 600) <= SLACK_MS

    _run(case, story)


def stops_at_once_when_the_user_interrupts(case: Case) -> None:
    async def story(bench: Bench) -> None:
        peer, call = await _called(case, bench)
        call.play("item_1", _tone(20_000))
        await _until(lambda: duration_ms(peer.heard) >= 200)
        call.hush("item_1")
        before = duration_ms(peer.heard)
        await asyncio.sleep(0.5)
        assert duration_ms(peer.heard) <= before + SLACK_MS
        assert 100 <= call.played[-1][1] <= before + SLACK_MS
        call.play("item_2", _tone(200))
        await _until(lambda: duration_ms(peer.heard) >= before + 200 - SLACK_MS)

    _run(case, story)


def ends_the_call_when_its_client_hangs_up(case: Case) -> None:
    async def story(bench: Bench) -> None:
        peer, call = await _called(case, bench)
        call.play("item_1", _tone(20_000))
        await peer.hang_up()
        await _soon(call.over.wait())
        assert call.driver.ending == "client_closed_1000"

    _run(case, story)


def ends_the_call_when_its_client_vanishes(case: Case) -> None:
    async def story(bench: Bench) -> None:
        peer, call = await _called(case, bench)
        call.play("item_1", _tone(20_000))
        await peer.vanish()
        await _soon(call.over.wait())
        assert call.driver.ending == "client_closed_1006"

    _run(case, story)


def ends_a_call_whose_client_left_while_it_was_set_up(case: Case) -> None:
    async def story(bench: Bench) -> None:
        bench.admitting.clear()
        peer = await _connected(case.connect, bench)
        await _until(lambda: bench.asked == 1)
        await peer.vanish()
        await asyncio.sleep(0.1)
        bench.admitting.set()
        await _soon((await _soon(bench.call())).over.wait())

    _run(case, story)


def hangs_up_when_the_server_ends_the_call(case: Case) -> None:
    async def story(bench: Bench) -> None:
        peer, call = await _called(case, bench)
        call.play("item_1", _tone(20_000))
        call.hang_up()
        await _soon(peer.disconnected())
        await _soon(call.over.wait())

    _run(case, story)


def gives_up_a_client_that_reads_nothing(case: Case) -> None:
    async def story(bench: Bench) -> None:
        peer, call = await _called(case, bench)
        await peer.stop_reading()
        call.play("item_1", _tone(60_000))
        async with asyncio.timeout(SLOWLY_S):
            await call.over.wait()
        assert call.driver.ending == "client_closed_1013"
        await peer.vanish()

    _run(case, story)


def keeps_two_calls_apart(case: Case) -> None:
    async def story(bench: Bench) -> None:
        (one, first), (two, second) = await _called(case, bench), await _called(case, bench, 1)
        first.play("item_1", _tone(300))
        await two.speak(_tone(300))
        await _until(lambda: ("item_1", 300) in first.played)
        await _until(lambda: _tone_ms(bytes(second.heard)) >= 300 - SLACK_MS)
        await _until(lambda: _tone_ms(one.heard) >= 300 - SLACK_MS)
        assert not any(first.heard)
        assert not any(two.heard)
        await one.hang_up()
        await _soon(first.over.wait())
        assert not second.over.is_set()

    _run(case, story)


def refuses_a_stranger(case: Case) -> None:
    async def story(bench: Bench) -> None:
        for connect in case.strangers:
            peer = await _connected(connect, bench)
            await _soon(peer.disconnected())
        assert bench.calls == []

    assert case.strangers, "the case names no stranger"
    _run(case, story)


def hangs_up_on_a_client_whose_call_is_refused(case: Case) -> None:
    async def story(bench: Bench) -> None:
        peer = await _connected(case.connect, bench)
        await _soon(peer.disconnected())
        assert bench.asked == 1
        assert bench.calls == []

    _run(case, story, credential="vv_revoked")


def disconnects_its_clients_when_it_stops(case: Case) -> None:
    async def story(bench: Bench) -> None:
        peer, call = await _called(case, bench)
        call.play("item_1", _tone(20_000))
        await bench.endpoint.stop()
        await _soon(peer.disconnected())
        await _soon(call.over.wait())

    _run(case, story)


CHECKS: tuple[Check, ...] = (
    passes_on_what_the_user_says,
    plays_in_real_time_and_reports_what_was_played,
    stops_at_once_when_the_user_interrupts,
    ends_the_call_when_its_client_hangs_up,
    ends_the_call_when_its_client_vanishes,
    ends_a_call_whose_client_left_while_it_was_set_up,
    hangs_up_when_the_server_ends_the_call,
    gives_up_a_client_that_reads_nothing,
    keeps_two_calls_apart,
    refuses_a_stranger,
    hangs_up_on_a_client_whose_call_is_refused,
    disconnects_its_clients_when_it_stops,
)


def _run(
    case: Case, story: Callable[[Bench], Coroutine[Any, Any, None]], credential: str = CREDENTIAL
) -> None:
    async def told() -> None:
        peers = list[Peer]()
        try:
            async with _listening(case, credential) as bench:
                peers = bench.peers
                await story(bench)
            for peer in peers:
                await _soon(peer.disconnected())
        except BaseException:
            for peer in peers:
                await peer.vanish()
            await asyncio.sleep(0.05)  # the endpoint sees that its clients are gone
            raise

    live(told(), _server_loop)


def _server_loop() -> asyncio.AbstractEventLoop:
    """Use the loop of the server: uvloop, if it is installed."""
    try:
        import uvloop
    except ImportError:  # Windows
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


@asynccontextmanager
async def _listening(case: Case, credential: str) -> AsyncIterator[Bench]:
    with TemporaryDirectory() as folder:
        async with listening(case.spec, case.table(Path(folder), credential)) as bench:
            yield bench


async def _called(case: Case, bench: Bench, number: int = 0) -> tuple[Peer, EndpointCall]:
    peer = await _connected(case.connect, bench)
    return peer, await _soon(bench.call(number))


async def _connected(connect: Connect, bench: Bench) -> Peer:
    peer = await connect(bench.endpoint)
    bench.peers.append(peer)
    return peer


async def _soon(what: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401
    async with asyncio.timeout(SOON_S):
        return await what


async def _until(is_true: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON_S):
        while not is_true():  # noqa: ASYNC110  # a connection has no event for it
            await asyncio.sleep(0.01)


def _tone(ms: int) -> bytes:
    time = np.arange(ms * SAMPLE_RATE // 1000) / SAMPLE_RATE
    return (np.sin(2 * np.pi * 440 * time) * 8000).astype("<i2").tobytes()


def _tone_ms(pcm: bytes) -> int:
    """Return how much of the audio is louder than a connection's noise, in pieces of 10 ms."""
    samples = np.frombuffer(pcm, "<i2").astype(float)
    pieces = samples[: len(samples) // 240 * 240].reshape(-1, 240)
    return int((np.sqrt((pieces**2).mean(axis=1)) > 3000).sum()) * 10
