"""Load signals and admission, with times as arguments."""

from __future__ import annotations

import pytest

from vivavoce.runtime.load import (
    CALM_S,
    LONGEST_S,
    RECOVERY_S,
    SHORTEST_S,
    STEP_S,
    WINDOW_S,
    LoadMonitor,
    LoadThresholds,
)

TICK = 0.1
LATE = 0.1
IN_TIME = 0.001


def run(load: LoadMonitor, start: float, end: float, late_s: float) -> float:
    """Report the loop from `start` to `end`. Return `end`."""
    for tick in range(round((end - start) / TICK)):
        load.report_lag(late_s, start + tick * TICK, TICK)
    return end


def test_a_quiet_server_admits_every_call() -> None:
    load = LoadMonitor()
    now = run(load, 0, 60, IN_TIME)
    assert load.busy(now) is None
    assert load.admit(now) is None


def test_a_server_without_measurements_admits_every_call() -> None:
    assert LoadMonitor().busy(0) is None


def test_one_late_second_refuses_no_call() -> None:
    load = LoadMonitor()
    now = run(load, 0, 10, IN_TIME)
    load.report_lag(0.4, now, 0.45)
    assert load.busy(now) is None


def test_a_loop_that_is_late_all_the_time_takes_no_new_voice() -> None:
    load = LoadMonitor()
    now = run(load, 0, 3, LATE)
    assert load.busy(now) is not None
    assert load.overloaded(now) == {"audio": False, "loop": True, "recognisers": False}


def test_a_signal_ends_after_five_calm_seconds() -> None:
    load = LoadMonitor()
    now = run(load, 0, 10, LATE)
    now = run(load, now, now + WINDOW_S / 2, IN_TIME)
    assert load.busy(now) is not None, "half of what is remembered was late"
    now = run(load, now, now + WINDOW_S / 2 + 1, IN_TIME)
    assert load.busy(now) is not None, "calm, but only just"
    now = run(load, now, now + CALM_S, IN_TIME)
    assert load.busy(now) is None


def test_a_server_at_its_limit_does_not_alternate() -> None:
    """A tenth late is an overload, a twelfth is not. In between nothing changes."""
    load = LoadMonitor()
    now, changes, busy = 0.0, 0, False
    for second in range(120):
        late = 3 if second % 2 else 1  # of twenty
        for tick in range(20):
            load.report_lag(LATE if tick < late else IN_TIME, now, TICK)
            now += TICK
        changes += busy is not (load.busy(now) is not None)
        busy = load.busy(now) is not None
    assert changes <= 1


def test_the_longer_it_lasts_the_later_it_is_worth_trying() -> None:
    load = LoadMonitor()
    now, told = 0.0, []
    for _ in range(12):
        now = run(load, now, now + 10, LATE)
        told.append(load.busy(now))
    assert told[0] in range(SHORTEST_S, 12)
    assert told == sorted(told, key=lambda seconds: seconds or 0)
    assert told[-1] == LONGEST_S


def test_after_a_strain_places_are_given_out_one_at_a_time() -> None:
    load = LoadMonitor()
    now = run(load, 0, 10, LATE)
    now = run(load, now, now + 2 * WINDOW_S, IN_TIME)
    assert [load.admit(now) is None for _ in range(3)] == [True, False, False]
    now = run(load, now, now + STEP_S, IN_TIME)
    assert [load.admit(now) is None for _ in range(2)] == [True, False]
    now = run(load, now, now + RECOVERY_S, IN_TIME)
    assert [load.admit(now) is None for _ in range(3)] == [True, True, True]


def test_asking_takes_no_place() -> None:
    load = LoadMonitor()
    now = run(load, 0, 10, LATE)
    now = run(load, now, now + 2 * WINDOW_S, IN_TIME)
    assert [load.busy(now) for _ in range(3)] == [None, None, None]


def test_audio_that_reaches_empty_buffers_soon_counts_as_overload() -> None:
    """One frame in a hundred is heard as a stutter every ten seconds."""
    load = LoadMonitor()
    for frame in range(200):
        load.report_audio(LATE if frame % 50 == 0 else 0.0, frame / 20)
    assert load.overloaded(10.0)["audio"]


def test_one_late_frame_does_not_start_the_signal() -> None:
    load = LoadMonitor()
    load.report_audio(5.0, 1.0)
    assert load.busy(1.0) is None


def test_an_utterance_that_still_waits_for_a_recogniser_counts() -> None:
    load = LoadMonitor()
    for client_id in range(3):
        load.wait_began(client_id, 0.0)
    assert load.waiting == 3
    assert load.busy(1.0) is None
    assert load.busy(3.0) is not None


def test_waits_that_are_over_are_remembered_for_a_while() -> None:
    load = LoadMonitor()
    for client_id in range(4):
        load.wait_began(client_id, client_id)
        assert load.wait_ended(client_id, client_id + 3) == 3
    assert load.waiting == 0
    assert load.busy(6.5) is not None
    assert load.busy(30.0) is not None, "nobody has looked since it became calm"
    assert load.busy(30.0 + CALM_S) is None


def test_free_recognisers_start_no_signal() -> None:
    load = LoadMonitor()
    for second in range(60):
        load.wait_began(second, second)
        load.wait_ended(second, second)
        assert load.busy(second) is None


def test_a_call_that_needs_no_recogniser_does_not_wait_for_one() -> None:
    load = LoadMonitor()
    for client_id in range(3):
        load.wait_began(client_id, 0.0)
    assert load.busy(3.0, needs_stt_worker=False) is None
    run(load, 3.0, 6.0, LATE)
    assert load.busy(6.0, needs_stt_worker=False) is not None


@pytest.mark.parametrize("late_s", [LATE, 10.0])
def test_thresholds_of_zero_turn_the_signals_off(late_s: float) -> None:
    load = LoadMonitor(LoadThresholds(0, 0))
    now = run(load, 0, 20, late_s)
    for client_id in range(10):
        load.wait_began(client_id, now)
        load.report_audio(late_s, now)
    assert load.busy(now + 10) is None


def test_memory_does_not_grow_with_the_number_of_reports() -> None:
    load = LoadMonitor()
    for strain in (load.audio, load.loop, load.recognisers):
        before = len(strain._window._seconds)
        for tick in range(10_000):
            strain.note(tick / 7, late=True)
        assert len(strain._window._seconds) == before
