"""Limits how many client secrets the visitors of websites get.

Any program can pretend to be a page of an allowed origin, so these limits protect the server. One
counts all visitors of an assistant, another those of one address. A network of IPv6 (/64) counts
as one address, because a person has a whole network.
"""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict

from ..core.token_bucket import MINUTE_S, TokenBucket
from .refusals import RATE, CallRefused

ADDRESSES = 10_000  # that are remembered; the one that was seen longest ago is forgotten
UNKNOWN = "unknown"


class VisitorLimits:
    """Token buckets of assistants and of addresses. Each refills in a minute."""

    def __init__(self) -> None:
        self._assistants: dict[str, TokenBucket] = {}
        self._addresses: OrderedDict[tuple[str, str], TokenBucket] = OrderedDict()

    def take(
        self, assistant: str, address: str | None, now: float, *, per_minute: int, per_address: int
    ) -> None:
        """Count one client secret. Raises `CallRefused` at a limit, and counts nothing then.

        `now`: seconds of any clock that never goes back. The limits are secrets per minute.
        """
        all_visitors = self._assistants.get(assistant) or TokenBucket(per_minute, now)
        key = (assistant, network_of(address))
        one_address = self._addresses.get(key) or TokenBucket(per_address, now)
        wait_s = max(_wait_s(all_visitors, per_minute, now), _wait_s(one_address, per_address, now))
        if wait_s > 0:
            raise _too_many(assistant, math.ceil(wait_s))
        all_visitors.spend(1, now)
        one_address.spend(1, now)
        self._assistants[assistant] = all_visitors
        self._addresses[key] = one_address
        self._addresses.move_to_end(key)
        if len(self._addresses) > ADDRESSES:
            self._addresses.popitem(last=False)


def _wait_s(bucket: TokenBucket, per_minute: int, now: float) -> float:
    """Return the seconds until the bucket has room for a whole secret: it is never overdrawn."""
    return max(0.0, bucket.reset_s(now) - MINUTE_S * (1 - 1 / per_minute))


def network_of(address: str | None) -> str:
    """Return what counts as one address: an address of IPv4, or a network of IPv6."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return UNKNOWN
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed.packed, 64), strict=False))
    return str(parsed)


def _too_many(assistant: str, retry_s: int) -> CallRefused:
    return CallRefused(
        429,
        "rate_limit_exceeded",
        f"Too many visitors start calls with '{assistant}'. Please try again in {retry_s} seconds.",
        type=RATE,
        retry_s=retry_s,
    )
