"""Count the bytes of calls against the limits that they share."""

from __future__ import annotations

from vivavoce.runtime.byte_budget import ByteBudget, ByteLimits


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
