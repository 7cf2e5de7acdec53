"""A token bucket: limits the model's tokens of a call per minute (protocol §4.14, §6.4).

The bucket refills evenly, a full bucket in a minute. The cost of a response is known when it is
done, so a response may overdraw the bucket. The next one waits until the bucket has tokens again.
Clients see the state of the bucket in `rate_limits.updated`.
"""

from __future__ import annotations

from ..protocol.server import RateLimit

MINUTE_S = 60.0
TOKENS_PER_MINUTE = 10_000_000


class TokenBucket:
    def __init__(self, per_minute: int, now: float) -> None:
        self._limit = per_minute
        self._used = 0.0  # tokens used and not refilled at `_at`
        self._at = now

    def spend(self, tokens: int, now: float) -> None:
        """Take the tokens of a response out of the bucket."""
        self._used = self._used_by(now) + tokens
        self._at = now

    def wait_s(self, now: float) -> float:
        """Return the seconds until the next response may be made. 0: now."""
        over = self._used_by(now) - self._limit
        return 0.0 if over < 0 else (over + 1) * MINUTE_S / self._limit

    def reset_s(self, now: float) -> float:
        """Return the seconds until the bucket is full."""
        return self._used_by(now) * MINUTE_S / self._limit

    def limits(self, now: float) -> tuple[RateLimit, ...]:
        """Return the entries of `rate_limits.updated`. OpenAI sends this one entry too."""
        remaining = max(0, int(self._limit - self._used_by(now)))
        reset_s = round(self.reset_s(now), 3)
        return (
            RateLimit(name="tokens", limit=self._limit, remaining=remaining, reset_seconds=reset_s),
        )

    def _used_by(self, now: float) -> float:
        return max(0.0, self._used - (now - self._at) * self._limit / MINUTE_S)
