"""How many tokens a call may still use in this minute (protocol §4.14, §6.4).

A bucket that runs full again by itself: what was used comes back evenly, a full bucket's worth in a
minute. What a response costs is known when it is done, so the last one may overdraw the bucket; the
next has to wait until something is in it again. `rate_limits.updated` tells what is so: a client
that counts is not surprised.
"""

from __future__ import annotations

from ..protocol.server import RateLimit

MINUTE_S = 60.0
TOKENS_PER_MINUTE = 10_000_000


class TokenBucket:
    def __init__(self, per_minute: int, now: float) -> None:
        self._limit = per_minute
        self._used = 0.0  # of the bucket, at `_at`
        self._at = now

    def spend(self, tokens: int, now: float) -> None:
        self._used = self._used_by(now) + tokens
        self._at = now

    def wait_s(self, now: float) -> float:
        """How long until a response may be made. 0: it may."""
        over = self._used_by(now) - self._limit
        return 0.0 if over < 0 else (over + 1) * MINUTE_S / self._limit

    def reset_s(self, now: float) -> float:
        """How long until the bucket is as full as it can be."""
        return self._used_by(now) * MINUTE_S / self._limit

    def limits(self, now: float) -> tuple[RateLimit, ...]:
        """As `rate_limits.updated` tells it. Upstream has this one entry too."""
        remaining = max(0, int(self._limit - self._used_by(now)))
        reset_s = round(self.reset_s(now), 3)
        return (
            RateLimit(name="tokens", limit=self._limit, remaining=remaining, reset_seconds=reset_s),
        )

    def _used_by(self, now: float) -> float:
        return max(0.0, self._used - (now - self._at) * self._limit / MINUTE_S)
