"""Limits the reports of clients about their attempts to connect.

A client without a credential reports too: that it has none may be the reason why it failed. So
these limits protect the server. One counts all clients, another those of one address.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

from ..core.token_bucket import MINUTE_S, TokenBucket
from .visitor_limits import network_of

Outcome = Literal["connected", "failed"]
CarriedBy = Literal["websocket", "webrtc"]

CODES = frozenset((
    "not_signed_in", "revoked", "refused", "busy", "full", "unavailable", "origin_not_allowed",
    "upgrade_missing", "webrtc_unavailable", "new_conversation", "network",
))  # fmt: skip
"""The codes of `@vivavoce/client` for a call that does not connect. Others count as `other`."""

ALL_PER_MINUTE = 1_200
ADDRESS_PER_MINUTE = 30
ADDRESSES = 10_000  # that are remembered; the one that was seen longest ago is forgotten


def label_of(code: str | None) -> str:
    """Return the label of a code. A report without a code is `none`."""
    if code is None:
        return "none"
    return code if code in CODES else "other"


class ConnectionReports:
    """Token buckets of all clients and of each address, which refill in a minute."""

    def __init__(
        self, *, all_per_minute: int = ALL_PER_MINUTE, per_address: int = ADDRESS_PER_MINUTE
    ) -> None:
        self._all = TokenBucket(all_per_minute, 0.0)
        self._all_per_minute = all_per_minute
        self._per_address = per_address
        self._addresses: OrderedDict[str, TokenBucket] = OrderedDict()

    def take(self, address: str | None, now: float) -> bool:
        """Return whether a report of this address counts. At a limit it changes nothing.

        `now`: seconds of any clock that never goes back.
        """
        name = network_of(address)
        one = self._addresses.get(name) or TokenBucket(self._per_address, now)
        if _is_empty(self._all, self._all_per_minute, now) or _is_empty(
            one, self._per_address, now
        ):
            return False
        self._all.spend(1, now)
        one.spend(1, now)
        self._addresses[name] = one
        self._addresses.move_to_end(name)
        if len(self._addresses) > ADDRESSES:
            self._addresses.popitem(last=False)
        return True


def _is_empty(bucket: TokenBucket, per_minute: int, now: float) -> bool:
    return bucket.reset_s(now) > MINUTE_S * (1 - 1 / per_minute)
