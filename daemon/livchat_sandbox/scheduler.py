"""Calls that are due later, in order: one timer of the event loop for any number of them."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable

from livchat_sandbox.clock import Clock


class Scheduler:
    """Makes calls in the order of their times; calls of the same time in the order of scheduling.

    A call that is due at once is made in the loop's next turn, never inside `call_at`.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._sequence = itertools.count()
        self._timer: asyncio.TimerHandle | None = None

    def call_at(self, when: float, callback: Callable[[], None]) -> None:
        """Schedule a call for `when`, in seconds since 1970."""
        heapq.heappush(self._due, (when, next(self._sequence), callback))
        self._set_timer()

    def clear(self) -> None:
        """Drop all calls that are not made yet."""
        self._due.clear()
        self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._due:
            delay = max(0.0, self._due[0][0] - self._clock.now())
            self._timer = asyncio.get_running_loop().call_later(delay, self._run_due)

    def _run_due(self) -> None:
        now = self._clock.now()
        while self._due and self._due[0][0] <= now:
            _, _, callback = heapq.heappop(self._due)
            callback()
        self._set_timer()
