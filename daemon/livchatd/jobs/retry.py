"""The retry policy: how often and how long what fails for a transient reason is tried again."""

from __future__ import annotations

import random
from dataclasses import dataclass

from livchat.errors import LivChatError
from livchatd.jobs.step import Retry

DEFAULT_RETRY_SECONDS = 300.0
"""How long an outage lasts that a job survives, where nobody says otherwise."""
MAX_BACKOFF_SECONDS = 30.0
"""The longest pause of our own choice, before it is spread by 30 %."""
MAX_RETRY_AFTER_SECONDS = 900.0
"""The longest pause that a remote system may ask for."""


@dataclass(frozen=True)
class RetryPolicy:
    """When to try again. `tempo` multiplies the pauses, and with them how long it is tried."""

    tempo: float = 1.0

    def exhausted(self, attempts: int, min_attempts: int, failing: float, retry_for: float) -> bool:
        """Whether it was tried often and long enough; `failing`: seconds since the first failure.

        Often alone is not enough: four attempts are over in seven seconds, and clouds are away for
        minutes. Long alone is not enough either: one attempt may take longer than an outage.
        """
        return attempts >= min_attempts and failing >= retry_for * self.tempo

    def backoff(self, error: BaseException, attempts: int) -> float:
        """Return the seconds until the next attempt: what the error asks for, else 1, 2, 4 ... 30.

        A step's own `Retry` is taken at its word, times the tempo; a remote system's
        `retry_after` is not multiplied. Our own pauses are spread by 30 % either way.
        """
        if isinstance(error, Retry) and error.after is not None:
            return error.after * self.tempo
        asked = error.details.get("retry_after") if isinstance(error, LivChatError) else None
        if asked is not None:
            return min(float(asked), MAX_RETRY_AFTER_SECONDS)
        spread = random.uniform(0.7, 1.3)  # noqa: S311 - no secret: it keeps jobs out of step
        return min(2.0 ** min(attempts - 1, 10), MAX_BACKOFF_SECONDS) * spread * self.tempo


def is_transient(error: BaseException) -> bool:
    """Whether the same may work a little later."""
    return isinstance(error, Retry | TimeoutError) or (
        isinstance(error, LivChatError) and error.transient
    )
