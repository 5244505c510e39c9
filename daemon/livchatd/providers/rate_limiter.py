"""The pace of calls to one project: as many as its limit of requests allows, in order of asking."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from livchat.errors import ProviderUnavailable, RateLimited

log = logging.getLogger("livchatd.hetzner")

FIRST = 8
"""Calls that may begin before the first answer has told the limit."""
RESERVE = 20
"""One part in so many of the limit is kept for what a person waits for."""
PATIENCE = 300.0
"""Seconds that what can be asked again later may have to wait; the step's own time runs."""
HOLD = 0.5
"""Seconds that all wait after a refusal that does not say how long; doubled each time in a row."""
HOLD_MOST = 60.0
HOUR = 3600.0
LONG = 10.0
"""Seconds in line that are worth a line in the daemon's log."""


CLOSED = "hetzner is closed: the daemon is stopping"


@dataclass(frozen=True)
class Told:
    """What an answer told of the limit. `full_in`: seconds until all calls are there again."""

    limit: int
    left: int
    full_in: float
    refused: bool = False
    after: float | None = None
    """Seconds to wait, where a refusal says so."""


_Turn = asyncio.Future[None]


class Pace:
    """Gives turns to call: a burst as long as there is enough left, then one as one comes back.

    What is left is what the last answer said, less what was begun since; what comes back a second
    is the highest rate that an answer has proven. Other programs use the same project, so that a
    refusal is possible all the same: it holds up all calls, and none fails by it alone.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._line: deque[_Turn] = deque()
        self._urgent: deque[_Turn] = deque()
        self._limit = 0
        self._level = 0.0
        self._rate = 0.0
        self._at = clock()
        self._begun = 0
        self._over = 0
        self._held_until = 0.0
        self._refusals = 0
        self._timer: asyncio.TimerHandle | None = None
        self._long = False
        self._closed = False

    async def turn(self, *, urgent: bool = False, patience: float = math.inf) -> int:
        """Wait for the turn to make a call; a mark, with which `ended` must follow.

        Urgent ones come before all others and may use the reserve. Cancelled while it waits,
        nothing has begun. `RateLimited` at once if it is known to take longer than `patience`.
        """
        if patience < math.inf and (wait := self._wait_of_all(urgent=urgent)) > patience:
            raise RateLimited(
                f"hetzner's limit of requests is used up: the next is free in {wait:.0f} s",
                hint=f"try again in {math.ceil(wait)} s",
                details={"retry_after": round(wait, 1)},
            )
        if self._closed:
            raise ProviderUnavailable(CLOSED)
        mine: _Turn = asyncio.get_running_loop().create_future()
        (self._urgent if urgent else self._line).append(mine)
        self._serve()
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled() and mine.exception() is None:
                self._begun -= 1
                self._level += 1
            else:
                self._leave(mine)
            self._serve()
            raise
        return self._over

    def ended(self, mark: int, told: Iterable[Told] = ()) -> None:
        """A call is over; what its answers told of the limit, in order."""
        self._begun -= 1
        self._over += 1
        for each in told:
            self._learn(each, uncounted=self._begun + self._over - mark - 1)
        self._serve()

    def close(self) -> None:
        """Let go of whoever waits: the daemon stops."""
        self._closed = True
        for turn in (*self._urgent, *self._line):
            if not turn.done():
                turn.set_exception(ProviderUnavailable(CLOSED))

    def _learn(self, told: Told, uncounted: int) -> None:
        """`uncounted`: the calls, at most, that were not made yet when the answer was given."""
        self._refill()
        first, self._limit = not self._limit, told.limit or self._limit
        # Both are rounded to whole numbers: what is proven is never more than what comes back.
        proven = (told.limit - told.left - 1) / told.full_in if told.full_in > 0 else 0.0
        self._rate = max(self._rate, proven, self._limit / HOUR)
        # Calls under way may be counted in what is left, or not yet.
        least, most = float(told.left - uncounted), float(told.left)
        self._level = least if first else min(max(self._level, least), most)
        if not told.refused:
            self._refusals = 0
            return
        # What was thought of the rate has been too much, or somebody else takes his part.
        self._rate = self._limit / HOUR
        longest = min(HOLD * 2.0**self._refusals, HOLD_MOST)
        self._refusals += 1
        self._held_until = self._clock() + (longest if told.after is None else told.after)
        self._level = min(self._level, 0.0)

    def _refill(self) -> None:
        now = self._clock()
        gained = max(0.0, now - self._at) * self._rate
        self._level, self._at = min(float(self._limit), self._level + gained), now

    def _serve(self) -> None:
        """Give turns to those whose turn it is, and wake up when the next one's may be."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._refill()
        while (turn := self._next()) is not None:
            self._leave(turn)
            if turn.done():
                continue  # cancelled, or let go
            self._begun += 1
            self._level -= 1
            turn.set_result(None)
        if (wait := self._wait()) is not None:
            self._timer = asyncio.get_running_loop().call_later(wait, self._serve)
        self._tell()

    def _tell(self) -> None:
        """Say once that calls wait, and once that they do not any more."""
        wait = self._wait_of_all() if self._line or self._urgent else 0.0
        if wait >= LONG and not self._long:
            log.warning("calls wait for hetzner's limit of requests: the last for %.0f s", wait)
        elif not wait and self._long:
            log.warning("calls do not wait for hetzner's limit of requests any more")
        self._long = wait >= LONG or (self._long and wait > 0)

    def _next(self) -> _Turn | None:
        """Who may begin now."""
        if self._clock() < self._held_until:
            return None
        for line, floor in ((self._urgent, 0), (self._line, self._floor())):
            if line:
                return line[0] if self._enough(floor) else None
        return None

    def _enough(self, floor: int) -> bool:
        return self._level >= 1 + floor if self._limit else self._begun < FIRST

    def _floor(self) -> int:
        return self._limit // RESERVE

    def _wait(self) -> float | None:
        """Seconds until the first in line may begin; None if nobody is, or an answer decides."""
        line, floor = (self._urgent, 0) if self._urgent else (self._line, self._floor())
        if not line:
            return None
        held = self._held_until - self._clock()
        if not self._limit:
            return held if held > 0 else None
        missing = 1 + floor - self._level
        return max(held, missing / self._rate if self._rate else 1.0, 0.001)

    def _wait_of_all(self, *, urgent: bool = False) -> float:
        """Seconds until one who comes now may begin, as far as is known."""
        self._refill()
        before = len(self._urgent) + (0 if urgent else len(self._line) + self._floor())
        missing = before + 1 - self._level
        if not self._limit or not self._rate or missing <= 0:
            return 0.0
        return missing / self._rate

    def _leave(self, turn: _Turn) -> None:
        for line in (self._urgent, self._line):
            with contextlib.suppress(ValueError):
                line.remove(turn)
