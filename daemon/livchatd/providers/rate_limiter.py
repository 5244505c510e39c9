"""A limit of requests kept: as many calls as a provider grants, in the order of asking."""

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

CALLS_BEFORE_LIMIT_IS_KNOWN = 8
"""Calls that may begin before the first response has told the limit."""
RESERVED_PARTS = 20
"""One part in so many of the limit is kept for urgent calls."""
FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.5, 60.0
"""Pause of all calls after a refusal that does not say how long; doubled each time in a row."""
HOUR_SECONDS = 3600.0
LOGGED_WAIT_SECONDS = 10.0
"""A wait that is worth a line in the daemon's log."""


@dataclass(frozen=True)
class RateLimitInfo:
    """What a response says of the limit: calls granted an hour, and how many of them remain.

    `seconds_until_full`: until all are there again. `refused`: the call was one too many;
    `retry_after`: seconds to wait, where the refusal says so.
    """

    limit: int
    remaining: int
    seconds_until_full: float
    refused: bool = False
    retry_after: float | None = None


_Waiter = asyncio.Future[None]


class RateLimiter:
    """Lets calls begin: a burst as long as enough remains, then one as one comes back.

    What remains is what the last response said, less what was begun since; the rate at which calls
    come back is the highest that a response has proven, and at first the limit spread over an hour.
    Other programs use the same account, so that a refusal is possible all the same: it pauses all
    calls, and none fails by it alone. `name` is the provider's in messages.
    """

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._log = logging.getLogger(f"livchatd.{name}")
        self._clock = clock
        self._waiting: deque[_Waiter] = deque()
        self._urgent: deque[_Waiter] = deque()
        self._limit = 0
        self._level = 0.0
        self._rate = 0.0
        self._level_at = clock()
        self._begun = 0
        self._ended = 0
        self._paused_until = 0.0
        self._refusals = 0
        self._timer: asyncio.TimerHandle | None = None
        self._logged = False
        self._closed = False

    async def acquire(self, *, urgent: bool = False, max_wait: float = math.inf) -> int:
        """Wait until a call may begin; return a mark, with which `release` must follow.

        Urgent calls come before all others and may use the reserve. Cancelled while it waits,
        nothing has begun. Raises `RateLimited` at once if it is known to take longer than
        `max_wait` seconds, `ProviderUnavailable` once the limiter is closed.
        """
        if max_wait < math.inf and (wait := self._expected_wait(urgent=urgent)) > max_wait:
            raise RateLimited(
                f"{self._name}'s limit of requests is used up: the next is free in {wait:.0f} s",
                hint=f"try again in {math.ceil(wait)} s",
                details={"retry_after": round(wait, 1)},
            )
        if self._closed:
            raise self._closed_error()
        waiter: _Waiter = asyncio.get_running_loop().create_future()
        (self._urgent if urgent else self._waiting).append(waiter)
        self._dispatch()
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._begun -= 1
                self._level += 1
            else:
                self._remove(waiter)
            self._dispatch()
            raise
        return self._ended

    def release(self, mark: int, infos: Iterable[RateLimitInfo] = ()) -> None:
        """End a call; `infos` is what its responses said of the limit, in order."""
        self._begun -= 1
        self._ended += 1
        for info in infos:
            self._update(info, uncounted=self._begun + self._ended - mark - 1)
        self._dispatch()

    def close(self) -> None:
        """Let go of whoever waits: the daemon stops."""
        self._closed = True
        for waiter in (*self._urgent, *self._waiting):
            if not waiter.done():
                waiter.set_exception(self._closed_error())

    def _closed_error(self) -> ProviderUnavailable:
        return ProviderUnavailable(f"{self._name} is closed: the daemon is stopping")

    def _update(self, info: RateLimitInfo, uncounted: int) -> None:
        """`uncounted`: the calls, at most, that were not made yet when the response was given."""
        self._refill()
        first, self._limit = not self._limit, info.limit or self._limit
        # Both are rounded to whole numbers: what is proven is never more than what comes back.
        missing = info.limit - info.remaining - 1
        proven = missing / info.seconds_until_full if info.seconds_until_full > 0 else 0.0
        self._rate = max(self._rate, proven, self._limit / HOUR_SECONDS)
        # Calls under way may be counted in what remains, or not yet.
        least, most = float(info.remaining - uncounted), float(info.remaining)
        self._level = least if first else min(max(self._level, least), most)
        if not info.refused:
            self._refusals = 0
            return
        # What was thought of the rate has been too much, or another program takes its part.
        self._rate = self._limit / HOUR_SECONDS
        pause = min(FIRST_PAUSE_SECONDS * 2.0**self._refusals, MAX_PAUSE_SECONDS)
        self._refusals += 1
        self._paused_until = self._clock() + (
            pause if info.retry_after is None else info.retry_after
        )
        self._level = min(self._level, 0.0)

    def _refill(self) -> None:
        now = self._clock()
        gained = max(0.0, now - self._level_at) * self._rate
        self._level, self._level_at = min(float(self._limit), self._level + gained), now

    def _dispatch(self) -> None:
        """Let those begin that may, and set a timer for when the next one may."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._refill()
        while (waiter := self._next()) is not None:
            self._remove(waiter)
            if waiter.done():
                continue  # cancelled, or let go
            self._begun += 1
            self._level -= 1
            waiter.set_result(None)
        if (wait := self._seconds_until_next()) is not None:
            self._timer = asyncio.get_running_loop().call_later(wait, self._dispatch)
        self._log_wait()

    def _log_wait(self) -> None:
        """Log once that calls wait long, and once that they do not any more."""
        wait = self._expected_wait() if self._waiting or self._urgent else 0.0
        if wait >= LOGGED_WAIT_SECONDS and not self._logged:
            self._log.warning(
                "calls wait for %s's limit of requests: the last for %.0f s", self._name, wait
            )
        elif not wait and self._logged:
            self._log.warning("calls do not wait for %s's limit of requests any more", self._name)
        self._logged = wait >= LOGGED_WAIT_SECONDS or (self._logged and wait > 0)

    def _next(self) -> _Waiter | None:
        """Return who may begin now, if anybody may."""
        if self._clock() < self._paused_until:
            return None
        for waiting, floor in ((self._urgent, 0), (self._waiting, self._reserve())):
            if waiting:
                return waiting[0] if self._is_enough(floor) else None
        return None

    def _is_enough(self, floor: int) -> bool:
        if not self._limit:
            return self._begun < CALLS_BEFORE_LIMIT_IS_KNOWN
        return self._level >= 1 + floor

    def _reserve(self) -> int:
        return self._limit // RESERVED_PARTS

    def _seconds_until_next(self) -> float | None:
        """Return the time until the first who waits may begin; None if a response decides it."""
        waiting, floor = (self._urgent, 0) if self._urgent else (self._waiting, self._reserve())
        if not waiting:
            return None
        paused = self._paused_until - self._clock()
        if not self._limit:
            return paused if paused > 0 else None
        missing = 1 + floor - self._level
        return max(paused, missing / self._rate if self._rate else 1.0, 0.001)

    def _expected_wait(self, *, urgent: bool = False) -> float:
        """Return the seconds until one who comes now may begin, as far as is known."""
        self._refill()
        before = len(self._urgent) + (0 if urgent else len(self._waiting) + self._reserve())
        missing = before + 1 - self._level
        if not self._limit or not self._rate or missing <= 0:
            return 0.0
        return missing / self._rate

    def _remove(self, waiter: _Waiter) -> None:
        for waiting in (self._urgent, self._waiting):
            with contextlib.suppress(ValueError):
                waiting.remove(waiter)
