"""Counts the client secrets that are valid: those of each key or sign-in, and those of each user.

Each holds the session of its calls, as JSON in the database. One credential could otherwise fill
the disk. The counts are in memory, because all secrets of a server are minted by one process. The
server begins with the secrets in its store, and forgets a secret when it expires or is revoked.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import count

import msgspec

from ..access import client_secrets
from ..store.base import Grant, SecretRow
from .refusals import RATE, CallRefused

SECRET_BYTES = 256 * 1024
AGAIN_S = 60


@dataclass(frozen=True, slots=True)
class SecretLimits:
    """The maximum of one share: secrets, and bytes of JSON."""

    secrets: int
    bytes: int


PER_MINTER = SecretLimits(10_000, 64 * 2**20)
PER_USER = SecretLimits(500, 8 * 2**20)


@dataclass(eq=False, slots=True)
class CountedSecret:
    """A secret that is counted, first without an id while it is being minted."""

    shares: tuple[str, ...]
    bytes: int
    id: str = ""


class SecretBudget:
    """Counts secrets against the limits of their minter and of their user."""

    def __init__(
        self, *, per_minter: SecretLimits = PER_MINTER, per_user: SecretLimits = PER_USER
    ) -> None:
        self._limits = {"minter": per_minter, "user": per_user}
        self._secrets: Counter[str] = Counter()  # by share
        self._bytes: Counter[str] = Counter()
        self._valid: dict[str, CountedSecret] = {}
        self._ends: list[tuple[datetime, int, str]] = []  # a heap
        self._numbers = count()

    def load(self, rows: Iterable[SecretRow], now: datetime) -> None:
        """Count the secrets that were minted before this server started."""
        for row in rows:
            if row.id.startswith(client_secrets.ID_KIND) and row.revoked_at is None:
                secret = self._count(row.minted_by, row.grant.subject, size_of(row.grant))
                self.keep(secret, row.id, row.expires_at)
        self._forget_expired(now)

    def reserve(self, minter: str | None, grant: Grant, now: datetime) -> CountedSecret:
        """Count a secret that is about to be minted. Raises `CallRefused` beyond a limit."""
        size = size_of(grant)
        if size > SECRET_BYTES:
            raise CallRefused(
                400,
                "invalid_value",
                f"The session of a client secret may have {SECRET_BYTES} bytes. This one has "
                f"{size}.",
                param="session",
            )
        self._forget_expired(now)
        for share in _shares(minter, grant.subject):
            kind = share.partition(" ")[0]
            most = self._limits[kind]
            if self._secrets[share] >= most.secrets or self._bytes[share] + size > most.bytes:
                raise _too_many(kind, most)
        return self._count(minter, grant.subject, size)

    def keep(self, secret: CountedSecret, secret_id: str, expires_at: datetime) -> None:
        """Count a minted secret until it expires."""
        secret.id = secret_id
        self._valid[secret_id] = secret
        heapq.heappush(self._ends, (expires_at, next(self._numbers), secret_id))

    def revoke(self, secret_id: str) -> None:
        """Count a revoked secret no longer. An unknown id changes nothing."""
        if secret := self._valid.pop(secret_id, None):
            self.drop(secret)

    def drop(self, secret: CountedSecret) -> None:
        """Give the place of a secret back that was not minted, or that ended."""
        for share in secret.shares:
            self._secrets[share] -= 1
            self._bytes[share] -= secret.bytes
            if not self._secrets[share]:
                del self._secrets[share], self._bytes[share]

    def _count(self, minter: str | None, user: str | None, size: int) -> CountedSecret:
        secret = CountedSecret(_shares(minter, user), size)
        for share in secret.shares:
            self._secrets[share] += 1
            self._bytes[share] += size
        return secret

    def _forget_expired(self, now: datetime) -> None:
        while self._ends and self._ends[0][0] <= now:
            self.revoke(heapq.heappop(self._ends)[2])


def size_of(grant: Grant) -> int:
    """Return the bytes of a secret in the database."""
    return len(msgspec.json.encode(grant))


def _shares(minter: str | None, user: str | None) -> tuple[str, ...]:
    return (f"minter {minter}",) if user is None else (f"minter {minter}", f"user {user}")


def _too_many(kind: str, most: SecretLimits) -> CallRefused:
    whose = "This user has" if kind == "user" else "This credential has minted"
    return CallRefused(
        429,
        "rate_limit_exceeded",
        f"{whose} too many client secrets that are valid: at most {most.secrets}, with "
        f"{most.bytes} bytes together. Revoke some, or try again when they have expired.",
        type=RATE,
        retry_s=AGAIN_S,
    )
