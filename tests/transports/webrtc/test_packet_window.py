"""Packets come in order out of the window, whatever order they come in (hypothesis)."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from vivavoce.transports.webrtc.packet_window import GAP, WAITING, InOrder, PacketWindow
from vivavoce.transports.webrtc.rtp import RtpPacket

COUNT = 60
FIRST = st.sampled_from([0, 100, 65_500, 65_535])


def numbered(number: int, ssrc: int = 1) -> RtpPacket:
    return RtpPacket(number % 65536, number * 960 % 2**32, ssrc, 111, b"\xd8")


def numbers(ready: list[InOrder]) -> list[int]:
    return [each.packet.sequence_number for each in ready]


def pass_all(window: PacketWindow, packets: list[RtpPacket]) -> list[InOrder]:
    ready: list[InOrder] = []
    for each in packets:
        ready += window.put(each)
        assert len(window) <= WAITING
    return ready + window.flush()


@settings(deadline=None)
@given(FIRST)
def test_a_stream_in_order_is_never_held(first: int) -> None:
    window = PacketWindow()
    for n in range(COUNT):
        assert numbers(window.put(numbered(first + n))) == [(first + n) % 65536]


@settings(deadline=None)
@given(FIRST, st.lists(st.integers(0, COUNT - 2), max_size=20, unique=True))
def test_neighbours_that_are_swapped_are_put_in_order(first: int, swaps: list[int]) -> None:
    order = list(range(1, COUNT))
    for place in swaps:
        if place + 1 < len(order):
            order[place : place + 2] = sorted(order[place : place + 2], reverse=place % 2 == 0)
    ready = pass_all(PacketWindow(), [numbered(first + n) for n in [0, *order]])
    got = [(n - first) % 65536 for n in numbers(ready)]
    assert got == sorted(set(got))


@settings(deadline=None)
@given(FIRST, st.sets(st.integers(1, COUNT - 1)))
def test_each_lost_packet_is_counted_once(first: int, lost: set[int]) -> None:
    kept = [n for n in range(COUNT) if n not in lost]
    ready = pass_all(PacketWindow(), [numbered(first + n) for n in kept])
    assert numbers(ready) == [(first + n) % 65536 for n in kept]
    widest = max((b - a for a, b in itertools.pairwise(kept)), default=1)
    if widest <= GAP:
        assert sum(each.lost for each in ready) == max(kept) + 1 - len(kept)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 65535), st.integers(1, 3)), max_size=200))
def test_any_packets_keep_the_window_small_and_no_packet_comes_out_twice(
    sent: list[tuple[int, int]],
) -> None:
    window = PacketWindow()
    packets = [numbered(number, ssrc) for number, ssrc in sent]
    ready = pass_all(window, packets)
    assert len(ready) <= len(packets)
    assert len({id(each.packet) for each in ready}) == len(ready)
    assert all(0 <= each.lost <= GAP for each in ready)


@settings(deadline=None)
@given(FIRST, st.integers(2, 40))
def test_duplicates_are_dropped(first: int, count: int) -> None:
    window = PacketWindow()
    twice = [numbered(first + n) for n in range(count) for _ in range(2)]
    assert len(pass_all(window, twice)) == count
    assert window.late == count


def test_a_missing_packet_is_waited_for_until_two_have_come_after_it() -> None:
    window = PacketWindow()
    window.put(numbered(0))
    assert window.put(numbered(2)) == []
    assert numbers(window.put(numbered(3))) == [2, 3]
    assert window.put(numbered(1)) == []  # it counts as lost already
    assert window.late == 1


def test_two_gaps_in_a_row_are_counted_both() -> None:
    window = PacketWindow()
    ready = pass_all(window, [numbered(n) for n in (0, 10, 20, 21, 22)])
    assert [each.lost for each in ready] == [0, 9, 9, 0, 0]


def test_a_packet_that_waits_and_comes_again_is_counted_as_late() -> None:
    window = PacketWindow()
    pass_all(window, [numbered(n) for n in (0, 2, 2, 3)])
    assert window.late == 1


def test_a_packet_that_comes_in_time_is_not_lost() -> None:
    window = PacketWindow()
    window.put(numbered(0))
    window.put(numbered(2))
    ready = window.put(numbered(1))
    assert numbers(ready) == [1, 2]
    assert [each.lost for each in ready] == [0, 0]


def test_a_wide_gap_is_a_new_beginning() -> None:
    window = PacketWindow()
    window.put(numbered(0))
    [ready] = window.put(numbered(GAP + 2))
    assert ready.begins
    assert ready.lost == 0


def test_a_sender_that_restarts_is_followed_at_its_second_packet() -> None:
    window = PacketWindow()
    window.put(numbered(5000))
    assert window.put(numbered(7)) == []
    assert numbers(window.put(numbered(8))) == [8]
    assert numbers(window.put(numbered(9))) == [9]


def test_another_source_begins_at_once() -> None:
    window = PacketWindow()
    window.put(numbered(0))
    window.put(numbered(2))  # held, and dropped with its source
    [ready] = window.put(numbered(700, ssrc=2))
    assert ready.begins
    assert len(window) == 0
