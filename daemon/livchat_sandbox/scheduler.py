"""What is due later, in order: one timer of the event loop for any number of appointments."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable

from livchat_sandbox.clock import Clock


class Agenda:
    """Calls what is due, in order of time, and of booking where the time is the same.

    What is due at once is called in the loop's next turn, never inside `at`.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._number = itertools.count()
        self._timer: asyncio.TimerHandle | None = None

    def at(self, when: float, call: Callable[[], None]) -> None:
        """Book a call for `when`, in seconds since 1970."""
        heapq.heappush(self._due, (when, next(self._number), call))
        self._set_timer()

    def clear(self) -> None:
        """Forget all that was booked."""
        self._due.clear()
        self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._due:
            wait = max(0.0, self._due[0][0] - self._clock.now())
            self._timer = asyncio.get_running_loop().call_later(wait, self._work)

    def _work(self) -> None:
        now = self._clock.now()
        while self._due and self._due[0][0] <= now:
            _, _, call = heapq.heappop(self._due)
            call()
        self._set_timer()
