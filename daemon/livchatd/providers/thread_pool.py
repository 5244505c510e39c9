"""Threads of our own for a library that blocks: bounded, and never in the way of the exit."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from livchat.errors import ProviderUnavailable

T = TypeVar("T")

_Work = tuple["Future[Any]", Callable[[], Any]]


class CallPool:
    """At most `size` daemon threads, started as they are needed.

    `concurrent.futures` joins its threads when the interpreter exits, however long a call may hang;
    these are left behind.
    """

    def __init__(self, name: str, size: int, deadline: float) -> None:
        self._name = name
        self._size = size
        self._deadline = deadline
        self._work: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._threads = 0
        self._idle = threading.Semaphore(0)
        self._waiters: set[asyncio.Future[Any]] = set()
        self._closed = False

    async def run(self, call: Callable[[], T], within: float | None = None) -> T:
        """The call's outcome.

        A call that has begun cannot be stopped: cancelled, this waits until it has ended, and then
        raises; so "cancelled" means that nothing goes on. After `within` seconds (`deadline` if not
        given), the wait for a thread included, it is `ProviderUnavailable`.
        """
        if self._closed:
            raise ProviderUnavailable(f"{self._name} is closed: the daemon is stopping")
        future: Future[T] = Future()
        self._work.put((future, call))
        if not self._idle.acquire(blocking=False) and self._threads < self._size:
            self._threads += 1
            threading.Thread(target=self._serve, daemon=True, name=self._name).start()
        return await self._outcome(future, within or self._deadline)

    def close(self) -> None:
        """Take no more calls; those that wait are cancelled, those that run are left behind.

        Whoever waits for a call that runs is let go, so that a provider that hangs does not hold
        up the daemon's end.
        """
        self._closed = True
        for waiter in list(self._waiters):
            waiter.cancel()
        for _ in range(self._threads):
            self._work.put(None)

    async def _outcome(self, future: Future[T], within: float) -> T:
        waiter = asyncio.wrap_future(future)
        self._waiters.add(waiter)
        waiter.add_done_callback(self._seen)
        loop = asyncio.get_running_loop()
        until = loop.time() + within
        cancelled: asyncio.CancelledError | None = None
        while not waiter.done() and (left := until - loop.time()) > 0:
            try:
                await asyncio.wait({waiter}, timeout=left)
            except asyncio.CancelledError as error:
                cancelled = error
                if future.cancel():
                    break  # it had not begun
        if cancelled is not None:
            raise cancelled
        if waiter.cancelled():
            raise ProviderUnavailable(f"{self._name} is closed: the daemon is stopping")
        if not waiter.done():
            waiter.cancel()
            raise ProviderUnavailable(f"{self._name} did not answer within {within:g} s")
        return waiter.result()

    def _seen(self, waiter: asyncio.Future[Any]) -> None:
        """Take the outcome of a call, as nobody may wait for it any more."""
        self._waiters.discard(waiter)
        if not waiter.cancelled():
            waiter.exception()

    def _serve(self) -> None:
        while True:
            work = self._work.get()
            if work is None:
                return
            future, call = work
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(call())
                except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits
                    future.set_exception(error)
            del work, future, call
            self._idle.release()
