"""The addresses that are not public, in a table of our own.

`ipaddress.is_global` differs between versions of Python. The source is IANA's registries of
special-purpose addresses (iana.org/assignments/iana-ipv4-special-registry and
iana-ipv6-special-registry). Blocks for protocols are left out as a whole, also where
single addresses in them are reachable: no public service has them.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

_CLOSED_4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network (RFC 791).
            "10.0.0.0/8",  # private use (RFC 1918).
            "100.64.0.0/10",  # shared by carriers (RFC 6598).
            "127.0.0.0/8",  # loopback (RFC 1122).
            "169.254.0.0/16",  # link-local (RFC 3927), cloud metadata.
            "172.16.0.0/12",  # private use (RFC 1918).
            "192.0.0.0/24",  # protocol assignments (RFC 6890), cloud metadata at .192.
            "192.0.2.0/24",  # documentation (RFC 5737).
            "192.31.196.0/24",  # AS112 (RFC 7535).
            "192.52.193.0/24",  # AMT (RFC 7450).
            "192.88.99.0/24",  # 6to4 relays, deprecated (RFC 7526).
            "192.168.0.0/16",  # private use (RFC 1918).
            "192.175.48.0/24",  # AS112 (RFC 7534).
            "198.18.0.0/15",  # benchmarking (RFC 2544).
            "198.51.100.0/24",  # documentation (RFC 5737).
            "203.0.113.0/24",  # documentation (RFC 5737).
            "224.0.0.0/4",  # multicast (RFC 5771).
            "240.0.0.0/4",  # reserved, and broadcast (RFC 1112).
        ),
    )
)
_GLOBAL_UNICAST = IPv6Network("2000::/3")  # all other blocks of IPv6 are special or unassigned
_CLOSED_6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments (RFC 2928): Teredo, ORCHID, benchmarking, AMT.
            "2001:db8::/32",  # documentation (RFC 3849).
            "2620:4f:8000::/48",  # AS112 (RFC 7534).
            "3ffe::/16",  # 6bone, given back (RFC 3701).
            "3fff::/20",  # documentation (RFC 9637).
        ),
    )
)
_TEREDO = IPv6Network("2001::/32")
_SIX_TO_FOUR = IPv6Network("2002::/16")
_NAT64 = IPv6Network("64:ff9b::/96")
_MAPPED = IPv6Network("::ffff:0:0/96")


def is_public(address: str) -> bool:
    """Return whether an address is public unicast, and every IPv4 address inside it too.

    Raises `ValueError` for a text that is not an address.
    """
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv4Address):
        return _is_public_4(ip)
    inside = list(_inside(ip))
    if inside:
        return all(map(_is_public_4, inside))
    return ip in _GLOBAL_UNICAST and not any(ip in block for block in _CLOSED_6)


def _is_public_4(ip: IPv4Address) -> bool:
    return not any(ip in block for block in _CLOSED_4)


def _inside(ip: IPv6Address) -> Iterator[IPv4Address]:
    """Yield the IPv4 addresses to which a translator or a tunnel takes a packet for `ip`."""
    whole = int(ip)
    if ip in _MAPPED or ip in _NAT64:
        yield IPv4Address(whole & 0xFFFFFFFF)
    elif ip in _SIX_TO_FOUR:
        yield IPv4Address(whole >> 80 & 0xFFFFFFFF)
    elif ip in _TEREDO:
        yield IPv4Address(whole >> 64 & 0xFFFFFFFF)  # the server
        yield IPv4Address(~whole & 0xFFFFFFFF)  # the client, inverted
