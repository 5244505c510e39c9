"""Patience with what fails for a passing reason: how long it is tried again, after which pauses."""

from __future__ import annotations

import random
from dataclasses import dataclass

from livchat.errors import LivChatError
from livchatd.jobs.step import Retry

OUTAGE = 300.0
"""Seconds of an outage that are sat out."""
LONGEST = 30.0
"""Seconds of the longest pause of our own choice."""
MOST = 900.0
"""Seconds that we wait at most where a remote system says how long."""


@dataclass(frozen=True)
class Patience:
    """`tempo` multiplies the pauses, and with them the outage that is sat out."""

    tempo: float = 1.0

    def over(self, tries: int, least: int, since: float, outage: float) -> bool:
        """Whether it was tried often enough, `since` seconds after it failed first.

        Often alone is not enough: four tries are over in seven seconds, and clouds are away for
        minutes. Nor is long: one try may take longer than the outage.
        """
        return tries >= least and since >= outage * self.tempo

    def pause(self, error: BaseException, tries: int) -> float:
        """Seconds until the next try."""
        if isinstance(error, Retry) and error.after is not None:
            return error.after * self.tempo
        told = error.details.get("retry_after") if isinstance(error, LivChatError) else None
        if told is not None:
            return min(float(told), MOST)
        spread = random.uniform(0.7, 1.3)  # noqa: S311 - no secret: it keeps jobs out of step
        return min(2.0 ** min(tries - 1, 10), LONGEST) * spread * self.tempo


def passes(error: BaseException) -> bool:
    """Whether the same may work a little later."""
    return isinstance(error, Retry | TimeoutError) or (
        isinstance(error, LivChatError) and error.transient
    )
