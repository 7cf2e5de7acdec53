"""Reports of connections are counted within limits, and their labels are bounded."""

from __future__ import annotations

from vivavoce.runtime.connection_reports import ADDRESSES, ConnectionReports, label_of


def test_one_address_is_counted_up_to_its_limit_and_again_later() -> None:
    reports = ConnectionReports(per_address=2)
    assert [reports.take("192.0.2.1", 1.0) for _ in range(3)] == [True, True, False]
    assert reports.take("192.0.2.2", 1.0)
    assert reports.take("192.0.2.1", 31.0)


def test_all_addresses_share_a_limit() -> None:
    reports = ConnectionReports(all_per_minute=3)
    taken = [reports.take(f"192.0.2.{n}", 1.0) for n in range(4)]
    assert taken == [True, True, True, False]


def test_the_number_of_addresses_is_bounded() -> None:
    reports = ConnectionReports(all_per_minute=10 * ADDRESSES)
    for n in range(ADDRESSES + 5):
        assert reports.take(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", 1.0)
    assert len(reports._addresses) == ADDRESSES


def test_an_unknown_code_is_counted_as_other() -> None:
    assert label_of("network") == "network"
    assert label_of("<script>") == "other"
    assert label_of(None) == "none"
