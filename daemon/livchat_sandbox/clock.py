"""The sandbox's clock: wall-clock time, and waits that are scaled by one factor."""

from __future__ import annotations

import asyncio
import os
import time


class Clock:
    """Wall-clock time, and waits scaled by `scale`: 1 is real time, 0.1 a tenth of it, 0 none."""

    def __init__(self, scale: float) -> None:
        if not 0 <= scale <= 1000:
            raise ValueError(f"a time scale is a number from 0 to 1000, not {scale}")
        self.scale = scale

    @classmethod
    def from_environment(cls) -> Clock:
        """Return a clock with the scale of `LIVCHAT_SANDBOX_TIME_SCALE`, or 0.1 where it is unset.

        Raises `ValueError` if the variable holds no number from 0 to 1000.
        """
        return cls(float(os.environ.get("LIVCHAT_SANDBOX_TIME_SCALE") or 0.1))

    def now(self) -> float:
        """Return seconds since 1970; a wait of simulated seconds ends at `now() + scaled(...)`."""
        return time.time()

    def scaled(self, seconds: float) -> float:
        """Return the real seconds that these simulated ones take."""
        return seconds * self.scale

    async def sleep(self, seconds: float) -> None:
        """Wait for so many simulated seconds."""
        await asyncio.sleep(self.scaled(seconds))
