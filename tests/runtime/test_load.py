"""When a newcomer would ruin the others: judged in times that nobody has to live through."""

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
    """The loop, watched from `start` to `end`. Returns the end."""
    for tick in range(round((end - start) / TICK)):
        load.ran(late_s, start + tick * TICK, TICK)
    return end


def test_a_quiet_server_takes_everybody() -> None:
    load = LoadMonitor()
    now = run(load, 0, 60, IN_TIME)
    assert load.busy(now) is None
    assert load.admit(now) is None


def test_a_server_that_never_saw_anything_takes_everybody() -> None:
    assert LoadMonitor().busy(0) is None


def test_a_hiccup_refuses_nobody() -> None:
    load = LoadMonitor()
    now = run(load, 0, 10, IN_TIME)
    load.ran(0.4, now, 0.45)
    assert load.busy(now) is None


def test_a_loop_that_is_late_all_the_time_takes_no_new_voice() -> None:
    load = LoadMonitor()
    now = run(load, 0, 3, LATE)
    assert load.busy(now) is not None
    assert load.overloaded(now) == {"sound": False, "loop": True, "recognisers": False}


def test_it_is_busy_until_it_has_been_calm_for_a_while() -> None:
    load = LoadMonitor()
    now = run(load, 0, 10, LATE)
    now = run(load, now, now + WINDOW_S / 2, IN_TIME)
    assert load.busy(now) is not None, "half of what is remembered was late"
    now = run(load, now, now + WINDOW_S / 2 + 1, IN_TIME)
    assert load.busy(now) is not None, "calm, but only just"
    now = run(load, now, now + CALM_S, IN_TIME)
    assert load.busy(now) is None


def test_it_does_not_open_and_shut_at_its_limit() -> None:
    """A tenth late is too much, a twelfth is not: in between nothing changes."""
    load = LoadMonitor()
    now, changes, busy = 0.0, 0, False
    for second in range(120):
        late = 3 if second % 2 else 1  # of twenty
        for tick in range(20):
            load.ran(LATE if tick < late else IN_TIME, now, TICK)
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


def test_sound_that_comes_to_silent_listeners_is_too_much_soon() -> None:
    """One frame in a hundred is heard as a stutter every ten seconds."""
    load = LoadMonitor()
    for frame in range(200):
        load.wrote_sound(LATE if frame % 50 == 0 else 0.0, frame / 20)
    assert load.overloaded(10.0)["sound"]


def test_one_late_frame_is_nobodys_ruin() -> None:
    load = LoadMonitor()
    load.wrote_sound(5.0, 1.0)
    assert load.busy(1.0) is None


def test_who_waits_for_a_recogniser_counts_before_the_wait_is_over() -> None:
    load = LoadMonitor()
    for client_id in range(3):
        load.joined(client_id, 0.0)
    assert load.waiting == 3
    assert load.busy(1.0) is None
    assert load.busy(3.0) is not None


def test_waits_that_are_over_are_remembered_for_a_while() -> None:
    load = LoadMonitor()
    for client_id in range(4):
        load.joined(client_id, client_id)
        assert load.left(client_id, client_id + 3) == 3
    assert load.waiting == 0
    assert load.busy(6.5) is not None
    assert load.busy(30.0) is not None, "nobody has looked since it became calm"
    assert load.busy(30.0 + CALM_S) is None


def test_recognisers_that_are_found_free_strain_nobody() -> None:
    load = LoadMonitor()
    for second in range(60):
        load.joined(second, second)
        load.left(second, second)
        assert load.busy(second) is None


def test_a_call_that_needs_no_recogniser_does_not_wait_for_one() -> None:
    load = LoadMonitor()
    for client_id in range(3):
        load.joined(client_id, 0.0)
    assert load.busy(3.0, needs_stt_worker=False) is None
    run(load, 3.0, 6.0, LATE)
    assert load.busy(6.0, needs_stt_worker=False) is not None


@pytest.mark.parametrize("late_s", [LATE, 10.0])
def test_it_can_be_turned_off(late_s: float) -> None:
    load = LoadMonitor(LoadThresholds(0, 0))
    now = run(load, 0, 20, late_s)
    for client_id in range(10):
        load.joined(client_id, now)
        load.wrote_sound(late_s, now)
    assert load.busy(now + 10) is None


def test_it_takes_no_more_memory_the_more_happens() -> None:
    load = LoadMonitor()
    for strain in (load.sound, load.loop, load.recognisers):
        before = len(strain._window._seconds)
        for tick in range(10_000):
            strain.note(tick / 7, late=True)
        assert len(strain._window._seconds) == before
