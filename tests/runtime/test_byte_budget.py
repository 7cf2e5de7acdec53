"""Count the bytes of calls against the limits that they share."""

from __future__ import annotations

import pytest

from vivavoce.core.types import Frame
from vivavoce.protocol import client
from vivavoce.runtime.byte_budget import ByteBudget, ByteLimits
from vivavoce.runtime.outbox import Outbox

from ..support.scenario import Scenario, config, dictation, update


def budget() -> ByteBudget:
    return ByteBudget(ByteLimits(total=100, per_key=60, per_person=30))


def test_X8_calls_of_one_person_of_one_key_and_of_all_share_their_limits() -> None:
    shared = budget()
    eve, again = (shared.open(key_id="key_1", person="eve") for _ in range(2))
    eve.take(30)
    assert not eve.has_room(1)
    assert not again.has_room(1)
    bob = shared.open(key_id="key_1", person="bob")
    assert bob.has_room(30)
    bob.take(30)
    ada = shared.open(key_id="key_1", person="ada")
    assert not ada.has_room(1)
    others = [shared.open(key_id="key_2", person=None), shared.open(key_id=None, person=None)]
    assert [each.has_room(40) for each in others] == [True, True]
    others[0].take(40)
    assert not others[1].has_room(1)


def test_X8_a_call_that_ends_gives_all_its_bytes_back_once() -> None:
    shared = budget()
    one, two = (shared.open(key_id="key_1", person="eve") for _ in range(2))
    one.take(20)
    two.take(15)
    assert two.exceeded
    one.take(-5)
    assert not two.exceeded
    one.close()
    one.close()
    one.take(7)  # an item that is added while the call ends
    assert shared.used == 15
    two.close()
    assert shared.used == 0


STEP = 64 * 1024


class Slow:
    """A connection whose socket is full until the client reads."""

    full = True

    def __init__(self) -> None:
        self.written = 0
        self.closed: tuple[int, str] | None = None

    def write(self, data: Frame) -> None:
        self.written += len(data)

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)


def test_X8_frames_that_wait_for_a_client_count_until_they_are_written() -> None:
    shared = ByteBudget(ByteLimits(total=10 * STEP, per_key=10 * STEP, per_person=4 * STEP))
    account = shared.open(key_id="key_1", person="eve")
    wire = Slow()
    outbox = Outbox(wire, lambda: 0.0, account=account)
    outbox.put(b"x" * (STEP - 1))
    assert shared.used == 0, "a client that is hardly behind costs nothing"
    outbox.put(b"x" * (2 * STEP))
    assert shared.used == 2 * STEP
    wire.full = False
    outbox.flush()
    assert (shared.used, wire.written) == (0, 3 * STEP - 1)


def test_X8_a_client_that_is_behind_when_no_room_is_left_is_closed_and_gives_its_bytes_back() -> (
    None
):
    shared = ByteBudget(ByteLimits(total=10 * STEP, per_key=10 * STEP, per_person=4 * STEP))
    wires = [Slow(), Slow()]
    accounts = [shared.open(key_id="key_1", person="eve") for _ in wires]
    mine, other = (
        Outbox(wire, lambda: 0.0, account=account)
        for wire, account in zip(wires, accounts, strict=True)
    )
    other.put(b"x" * (3 * STEP))
    mine.put(b"x" * STEP)
    assert wires[0].closed is None
    mine.put(b"x" * STEP)
    assert wires[0].closed == (1013, "too slow")
    assert shared.used == 3 * STEP
    other.forget()
    assert shared.used == 0


@pytest.mark.parametrize("kind", ["realtime", "transcription"])
def test_X8_what_updates_add_to_the_sessions_of_one_person_has_a_sum(kind: str) -> None:
    shared = ByteBudget(ByteLimits(total=5000, per_key=5000, per_person=2500))
    settings = dictation() if kind == "transcription" else config()

    def call() -> Scenario:
        account = shared.open(key_id="key_1", person="eve")
        return Scenario(settings, account=account)

    def update_of(size: int) -> client.SessionUpdate:
        if kind == "transcription":
            prompt = {"model": "fake", "prompt": "x" * size}
            return update(kind, audio={"input": {"transcription": prompt}})
        return update(instructions="x" * size)

    one, other = call(), call()
    for _ in range(3):  # an update replaces the one before
        one.tell(update_of(2000))
    assert 1900 < shared.used < 2100
    other.tell(update_of(1000))
    assert other.errors == [("rate_limit_exceeded", "session")]
    assert 1900 < shared.used < 2100, "a refused update changes nothing"
    one.tell(update_of(100))
    assert shared.used < 200
    other.tell(update_of(1000))
    assert other.story[-1] == "session.updated"
