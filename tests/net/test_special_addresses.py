"""Judge addresses, on every version of Python alike."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.net.special_addresses import is_public

PUBLIC = ["93.184.216.34", "1.1.1.1", "192.0.1.1", "100.128.0.1", "172.32.0.1", "223.255.255.255",
          "2606:2800:220:1:248:1893:25c8:1946", "2001:4860:4860::8888", "2a00::1", "3fff:1000::1",
          "::ffff:93.184.216.34", "64:ff9b::5db8:d822", "2002:5db8:d822::1"]  # fmt: skip

# Block: its first and last address, and what `ipaddress` says does not matter.
CLOSED_4 = ["0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
            "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16",
            "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4",
            "240.0.0.0/4"]  # fmt: skip
CLOSED_6 = ["::/128", "::1/128", "::/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64",
            "2001:2::/48", "2001:10::/28", "2001:20::/28", "2001:db8::/32", "3fff::/20",
            "5f00::/16", "3ffe::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
            "4000::/3"]  # fmt: skip
NAMED = ["192.0.0.192", "192.0.0.9", "192.0.0.170", "169.254.169.254", "255.255.255.255",
         "64:ff9b:1::a9fe:a9fe", "fec0::1", "::10.0.0.1", "::93.184.216.34", "3fff::1",
         "fe80::1%eth0", "fd00:ec2::254", "ff02::1"]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_X17_a_public_address_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", NAMED)
def test_X17_a_special_address_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("block", [*CLOSED_4, *CLOSED_6])
def test_X17_a_special_block_is_closed_from_its_first_to_its_last_address(block: str) -> None:
    network = IPv6Network(block) if ":" in block else IPv4Network(block)
    for address in (network[0], network[network.num_addresses // 2], network[-1]):
        assert not is_public(str(address)), address


@given(st.ip_addresses(v=4))
def test_X17_an_address_inside_another_one_is_judged_like_the_inner_one(inner: IPv4Address) -> None:
    number = int(inner)
    head, tail = f"{number >> 16:x}", f"{number & 0xFFFF:x}"
    verdict = is_public(str(inner))
    assert is_public(f"::ffff:{inner}") is verdict
    assert is_public(f"64:ff9b::{inner}") is verdict
    assert is_public(f"2002:{head}:{tail}::1") is verdict
    client = number ^ 0xFFFFFFFF
    teredo = f"2001:0:{{}}:0:0:{client >> 16:x}:{client & 0xFFFF:x}"
    assert is_public(teredo.format("5db8:d822")) is verdict  # by a public server
    assert not is_public(teredo.format("a00:1"))  # by a private one
    assert not is_public(f"::{inner}")  # IPv4-compatible, deprecated
    assert not is_public(f"64:ff9b:1::{inner}")


@pytest.mark.parametrize("text", ["", "localhost", "1.2.3", "0x7f000001", "127.1", "::g"])
def test_X17_a_text_that_is_not_an_address_is_not_judged(text: str) -> None:
    with pytest.raises(ValueError, match="not appear to be"):
        is_public(text)
