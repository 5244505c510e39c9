"""A rate limit as a token bucket, which refills steadily in simulated time."""

from __future__ import annotations

from livchat_sandbox.clock import Clock


class TokenBucket:
    """Holds `size` tokens, one a call, and gains `rate` of them a simulated second.

    Under a time scale of 0 it never empties.
    """

    def __init__(self, clock: Clock, size: int, rate: float) -> None:
        self._clock = clock
        self._rate = rate
        self._tokens = float(size)
        self._refilled_at = clock.now()
        self.size = size

    def take(self) -> bool:
        """Take a token; return False if there is none."""
        self._refill()
        if self._clock.scale and self._tokens < 1:
            return False
        if self._clock.scale:
            self._tokens -= 1
        return True

    @property
    def remaining(self) -> int:
        """How many whole tokens are left."""
        return int(self._tokens)

    @property
    def seconds_until_full(self) -> float:
        """Real seconds until the bucket is full again."""
        return self._clock.scaled((self.size - self._tokens) / self._rate)

    def _refill(self) -> None:
        now = self._clock.now()
        if self._clock.scale:
            gained = (now - self._refilled_at) / self._clock.scale * self._rate
            self._tokens = min(float(self.size), self._tokens + max(0.0, gained))
        self._refilled_at = now
