"""Metrics of calls in virtual time."""

from __future__ import annotations

import asyncio

import pytest

from vivavoce.protocol import codec, server
from vivavoce.runtime import loop_lag
from vivavoce.runtime.load import LoadMonitor
from vivavoce.runtime.metrics import LABEL_VALUES, CallMetrics, Metrics
from vivavoce.runtime.outbox import Outbox

from ..support.fakes import BROKEN, FakeBrain, FakeTts, FakeWire, speech
from ..support.virtual_time import live
from .test_driver import ASK, REPLY, Call


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(LoadMonitor())


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(f"vivavoce_{name}", labels) or 0.0


def test_a_spoken_turn_is_counted_and_timed(metrics: Metrics) -> None:
    Call(speech(0, 1), metrics=CallMetrics(metrics, ours=True)).live()
    assert value(metrics, "responses_total", status="completed") == 1
    assert value(metrics, "first_audio_seconds_count") == 1
    assert value(metrics, "first_audio_seconds_sum") == pytest.approx(0.6)
    assert value(metrics, "playback_gap_seconds_count") > 0
    assert value(metrics, "playback_gap_seconds_sum") == 0


def test_an_answer_that_fails_is_one_that_failed(metrics: Metrics) -> None:
    brain = FakeBrain(REPLY, broken=BROKEN)
    Call(ASK, brain=brain, metrics=CallMetrics(metrics, ours=True)).live()
    assert value(metrics, "responses_total", status="failed") == 1


@pytest.mark.parametrize(("ours", "overloaded"), [(True, True), (False, False)])
def test_a_voice_that_falters_is_the_loads_fault_only_if_it_is_ours(
    metrics: Metrics, ours: bool, overloaded: bool
) -> None:
    """Each 100 ms of sound takes 300 ms to make. A listener hears that, for any cause."""
    call = Call(ASK, tts=FakeTts(chunks=5, chunk_s=0.3), metrics=CallMetrics(metrics, ours=ours))
    call.live()
    assert value(metrics, "playback_gap_seconds_sum") > 0.7
    assert metrics.load.overloaded(9.9)["audio"] is overloaded


def test_audio_that_a_slow_disk_delays_counts_as_load(metrics: Metrics) -> None:
    """The words of the user are a receipt: sound waits behind it."""
    seen = CallMetrics(metrics, ours=False)
    listener = [server.AudioDelta(response_id="resp_1", item_id="i", delta=bytes(4800))] * 4
    for number, delta in enumerate(listener):
        seen.observe_written(
            delta, due=number * 0.1, now=number * 0.1 + 0.4 * (number > 0), held=False
        )
    assert value(metrics, "playback_gap_seconds_sum") > 0.2


def test_audio_that_a_slow_client_delays_does_not_count_as_load(metrics: Metrics) -> None:
    wire = FakeWire(read_every_s=0.5)
    Call(ASK, wire=wire, hang_up_at=30, metrics=CallMetrics(metrics, ours=True)).live()
    assert not metrics.load.overloaded(9.0)["audio"]


def test_an_outbox_says_which_frames_its_client_held_up() -> None:
    told: list[bool] = []
    wire = _Door()
    outbox = Outbox(wire, lambda: 0.0)
    outbox.put(b"1", written=told.append)
    wire.full = True
    outbox.put(b"2", written=told.append)
    outbox.put(b"3", receipt=1, written=told.append)
    wire.full = False
    outbox.flush()
    outbox.committed(1)
    outbox.put(b"4", written=told.append)
    assert told == [False, True, True, False]


class _Door(FakeWire):
    """A socket that is full when the story says so."""

    full = False

    def write(self, data: bytes | bytearray | memoryview) -> None: ...


def test_labels_stay_few_whatever_an_upstream_says(metrics: Metrics) -> None:
    for number in range(1000):
        metrics.refused(f"code_{number}")
    lines = metrics.exposition().decode().splitlines()
    codes = [line for line in lines if line.startswith("vivavoce_calls_refused_total{")]
    assert len(codes) == LABEL_VALUES + 1
    assert value(metrics, "calls_refused_total", code="other") == 1000 - LABEL_VALUES


def test_a_scrape_reads_what_is_true_now(metrics: Metrics) -> None:
    metrics.watch(lambda: 5.0, calls=lambda: 7, recognisers_busy=lambda: 2)
    metrics.wait_began("ada", 1.0)
    metrics.wait_began("bob", 1.0)
    assert value(metrics, "calls_live") == 7
    assert value(metrics, "recognisers_busy") == 2
    assert value(metrics, "stt_queue_length") == 2
    assert value(metrics, "overloaded", signal="recognisers") == 1
    assert value(metrics, "overloaded", signal="loop") == 0
    metrics.wait_ended("ada", 5.0)
    assert value(metrics, "stt_queue_length") == 1
    assert value(metrics, "recogniser_wait_seconds_sum") == 4


def test_a_loop_that_is_late_is_noticed() -> None:
    noticed: list[tuple[float, float]] = []
    clock = iter([0.0, 0.05, 0.05, 0.45, 0.45, 0.5, 0.5])

    async def story() -> None:
        def ran(late_s: float, now: float, for_s: float) -> None:
            noticed.append((round(late_s, 3), round(for_s, 3)))

        watching = asyncio.create_task(loop_lag.watch(ran, every_s=0.05, exact=lambda: next(clock)))
        await asyncio.sleep(0.16)
        watching.cancel()
        await asyncio.wait([watching])

    live(story())
    assert noticed == [(0.0, 0.05), (0.35, 0.4), (0.0, 0.05)]


def test_two_servers_in_one_process_count_apart(metrics: Metrics) -> None:
    other = Metrics(LoadMonitor())
    other.admitted("cascade")
    assert value(metrics, "calls_admitted_total", engine="cascade") == 0
    assert value(other, "calls_admitted_total", engine="cascade") == 1


def test_commits_are_timed_and_those_that_failed_are_counted(metrics: Metrics) -> None:
    metrics.observe_commit(0.002, True)
    metrics.observe_commit(5.0, False)
    assert value(metrics, "commit_seconds_count") == 2
    assert value(metrics, "commits_failed_total") == 1


def test_messages_are_counted_each_way(metrics: Metrics) -> None:
    call = Call(ASK, traffic=metrics.traffic).live()
    assert value(metrics, "frames_total", direction="in") == len(ASK)
    assert value(metrics, "frames_total", direction="out") == len(call.wire.heard)
    sizes = sum(len(codec.encode(event)) for _, event in call.wire.heard)
    assert value(metrics, "frame_bytes_total", direction="out") == sizes
    assert value(metrics, "frame_bytes_total", direction="in") > 0
