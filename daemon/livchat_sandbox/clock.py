"""The sandbox's time: everything that takes time in it takes it here, scaled by one factor."""

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
        """The clock that `LIVCHAT_SANDBOX_TIME_SCALE` asks for; a tenth of real time by default."""
        return cls(float(os.environ.get("LIVCHAT_SANDBOX_TIME_SCALE") or 0.1))

    def now(self) -> float:
        """Seconds since 1970, unscaled: a wait of `seconds` ends at `now() + scaled(seconds)`."""
        return time.time()

    def scaled(self, seconds: float) -> float:
        """How many real seconds these simulated ones take."""
        return seconds * self.scale

    async def sleep(self, seconds: float) -> None:
        """Wait for so many simulated seconds."""
        await asyncio.sleep(self.scaled(seconds))
