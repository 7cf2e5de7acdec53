"""Counts the bytes of calls in memory: of all calls, of each API key, of each person.

    CallBuilder ─► ByteBudget.open ─► CallAccount ─┬► ConversationQuota: items, changes of a session
    end of the call ─► CallAccount.close           └► Outbox: frames that wait for a client

The server has one budget, which `app` makes. An item or a `session.update` that does not fit is
refused with `rate_limit_exceeded`, and a client that is behind is closed as too slow. A call whose
stored conversation does not fit does not begin.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ByteLimits:
    """The maximum of bytes. A person is a user, or a client secret without a user."""

    total: int
    per_key: int
    per_person: int


class ByteBudget:
    """Counts bytes against all three limits at once."""

    def __init__(self, limits: ByteLimits) -> None:
        self._limits = limits
        self._used: Counter[str] = Counter()  # by share

    @property
    def used(self) -> int:
        return self._used["total"]

    def open(self, *, key_id: str | None, person: str | None) -> CallAccount:
        """Open the account of a call. Its owner closes it when the call is over."""
        shares = {"total": self._limits.total}
        if key_id is not None:
            shares[f"key {key_id}"] = self._limits.per_key
        if person is not None:
            shares[f"person {person}"] = self._limits.per_person
        return CallAccount(self._used, shares)


class CallAccount:
    """The bytes of one call. `ConversationQuota` knows it as a `ByteAccount`."""

    def __init__(self, used: Counter[str], shares: dict[str, int]) -> None:
        self._used = used
        self._shares = shares
        self._bytes = 0
        self._closed = False

    @property
    def exceeded(self) -> bool:
        return not self.has_room(0)

    def has_room(self, size: int) -> bool:
        return all(self._used[share] + size <= most for share, most in self._shares.items())

    def take(self, size: int) -> None:
        """Count bytes; a negative size gives bytes back."""
        if self._closed:
            return
        self._bytes += size
        for share in self._shares:
            self._used[share] += size
            if not self._used[share]:
                del self._used[share]

    def close(self) -> None:
        """Give all bytes back. The second time changes nothing."""
        self.take(-self._bytes)
        self._closed = True
