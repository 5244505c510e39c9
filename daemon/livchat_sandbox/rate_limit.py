"""A rate limit: a bucket of calls that refills steadily, in simulated time."""

from __future__ import annotations

from livchat_sandbox.clock import Clock


class Bucket:
    """Holds `size` calls, gets back `rate` a simulated second; without delays it never empties."""

    def __init__(self, clock: Clock, size: int, rate: float) -> None:
        self._clock = clock
        self._rate = rate
        self._level = float(size)
        self._at = clock.now()
        self.size = size

    def take(self) -> bool:
        """Take one call, if there is one."""
        self._refill()
        if self._clock.scale and self._level < 1:
            return False
        if self._clock.scale:
            self._level -= 1
        return True

    @property
    def left(self) -> int:
        """How many calls are in it."""
        return int(self._level)

    @property
    def full_in(self) -> float:
        """Real seconds until it is full again."""
        return self._clock.scaled((self.size - self._level) / self._rate)

    def _refill(self) -> None:
        now = self._clock.now()
        if self._clock.scale:
            gained = (now - self._at) / self._clock.scale * self._rate
            self._level = min(float(self.size), self._level + max(0.0, gained))
        self._at = now
