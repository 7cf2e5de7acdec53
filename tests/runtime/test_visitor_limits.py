"""Limits on the client secrets of visitors, by a clock of the test."""

from __future__ import annotations

import pytest

from vivavoce.runtime.refusals import CallRefused
from vivavoce.runtime.visitor_limits import ADDRESSES, VisitorLimits, network_of


def taken(limits: VisitorLimits, address: str | None, now: float, assistant: str = "guide") -> bool:
    try:
        limits.take(assistant, address, now, per_minute=4, per_address=2)
    except CallRefused:
        return False
    return True


def test_an_address_waits_until_its_limit_has_refilled() -> None:
    limits = VisitorLimits()
    assert [taken(limits, "192.0.2.1", 0) for _ in range(3)] == [True, True, False]
    with pytest.raises(CallRefused) as refused:
        limits.take("guide", "192.0.2.1", 0, per_minute=4, per_address=2)
    assert (refused.value.status, refused.value.retry_s) == (429, 30)
    assert taken(limits, "192.0.2.1", 30.1)


def test_all_addresses_share_the_limit_of_the_assistant() -> None:
    limits = VisitorLimits()
    assert [taken(limits, f"192.0.2.{n}", 0) for n in range(5)] == [True] * 4 + [False]
    assert taken(limits, "192.0.2.9", 0, "another")


def test_a_refused_visitor_does_not_delay_the_next_one() -> None:
    limits = VisitorLimits()
    for _ in range(50):
        taken(limits, "192.0.2.1", 0)
    assert taken(limits, "192.0.2.2", 0)


def test_a_network_of_ipv6_counts_as_one_address() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:1")
    assert network_of("2001:db8::1") != network_of("2001:db8:0:1::1")
    assert network_of("::ffff:192.0.2.1") == "192.0.2.1"
    assert network_of(None) == network_of("a unix socket") == "unknown"


def test_the_number_of_addresses_is_bounded() -> None:
    limits = VisitorLimits()
    for n in range(ADDRESSES + 10):
        address = f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}"
        limits.take("guide", address, 0, per_minute=10**6, per_address=2)
    assert len(limits._addresses) == ADDRESSES
