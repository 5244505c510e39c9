"""Calls to a provider by a blocking library: batched, in their turn, in threads of our own."""

from __future__ import annotations

import asyncio
import math
import queue
import threading
import time
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from livchat.errors import ProviderUnavailable, RateLimited, TimedOut
from livchatd.providers.rate_limiter import RateLimiter, RateLimitInfo

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

DELIVERIES_PER_TICK = 16
"""Callers that get a result before others have the event loop."""
MAX_ATTEMPTS = 3
"""How often one call is sent when the provider says that there were too many."""
CALL_TIMEOUTS = 4
"""Time-outs of one request that one call may take: its retries, its wait for a thread."""
RETRY_PAUSES, FAILED_AT_ONCE_SECONDS = (0.5, 1.0), 5.0
"""Seconds before a list is asked for again, and in which it must have failed for that."""
GONE_SECONDS = 300.0
"""In which something that is deleted must be gone."""
MAX_PAUSE_SECONDS = 2.0
"""Between two looks at what is being deleted."""


class Batcher(Generic[K, V]):
    """Gathers what many callers ask for into requests for at most `size` keys, one at a time.

    `fetch` returns what there is of some keys; a key that is missing in it does not exist. A
    response is never older than the question: the request begins after all whom it serves have
    asked, so that what was made just before is seen.
    """

    def __init__(self, fetch: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]], size: int) -> None:
        self._fetch = fetch
        self._size = size
        self._waiting: list[tuple[Sequence[K], asyncio.Future[Mapping[K, V]]]] = []
        self._worker: asyncio.Task[None] | None = None

    async def load(self, keys: Sequence[K]) -> Mapping[K, V]:
        """Return what there is of these keys, and of others that were asked for with them.

        Raises what `fetch` raises.
        """
        result: asyncio.Future[Mapping[K, V]] = asyncio.get_running_loop().create_future()
        self._waiting.append((keys, result))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await result

    async def _work(self) -> None:
        """Fetch what is asked for by now, again and again until nothing is."""
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            keys = list(
                dict.fromkeys(key for keys, result in waiting for key in keys if not result.done())
            )
            found: dict[K, V] = {}
            error: Exception | None = None
            try:
                for start in range(0, len(keys), self._size):
                    found.update(await self._fetch(keys[start : start + self._size]))
            except Exception as failure:  # noqa: BLE001 - it belongs to whoever waits
                error = failure
            for number, (_, result) in enumerate(waiting, start=1):
                if result.done():
                    continue
                if error is None:
                    result.set_result(found)
                else:
                    result.set_exception(error)
                if number % DELIVERIES_PER_TICK == 0:
                    await asyncio.sleep(0)


class DaemonThreadPool:
    """At most `size` daemon threads, started as they are needed.

    `concurrent.futures` joins its threads when the interpreter exits, however long a call may hang;
    these are left behind. `timeout` is for one call, in seconds.
    """

    def __init__(self, name: str, size: int, timeout: float) -> None:
        self._name = name
        self._size = size
        self._timeout = timeout
        self._work: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None]
        self._work = queue.SimpleQueue()
        self._threads = 0
        self._idle = threading.Semaphore(0)
        self._waiters: set[asyncio.Future[Any]] = set()
        self._closed = False

    async def run(
        self,
        call: Callable[[], T],
        timeout: float | None = None,  # noqa: ASYNC109 - it ends with an error of ours
    ) -> T:
        """Make a call in a thread and return its result, or raise its error.

        A call that has begun cannot be stopped: cancelled, this waits until it has ended, and then
        raises; so "cancelled" means that nothing goes on. Raises `ProviderUnavailable` after
        `timeout` seconds (the pool's own if not given), the wait for a thread included.
        """
        if self._closed:
            raise self._closed_error()
        future: Future[T] = Future()
        self._work.put((future, call))
        if not self._idle.acquire(blocking=False) and self._threads < self._size:
            self._threads += 1
            threading.Thread(target=self._serve, daemon=True, name=self._name).start()
        return await self._wait(future, timeout or self._timeout)

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

    async def _wait(self, future: Future[T], timeout: float) -> T:  # noqa: ASYNC109
        waiter = asyncio.wrap_future(future)
        self._waiters.add(waiter)
        waiter.add_done_callback(self._retrieve_exception)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        cancelled: asyncio.CancelledError | None = None
        while not waiter.done() and (left := deadline - loop.time()) > 0:
            try:
                await asyncio.wait({waiter}, timeout=left)
            except asyncio.CancelledError as error:
                cancelled = error
                if future.cancel():
                    break  # it had not begun
        if cancelled is not None:
            raise cancelled
        if waiter.cancelled():
            raise self._closed_error()
        if not waiter.done():
            waiter.cancel()
            raise ProviderUnavailable(f"{self._name} did not answer within {timeout:g} s")
        return waiter.result()

    def _closed_error(self) -> ProviderUnavailable:
        return ProviderUnavailable(f"{self._name} is closed: the daemon is stopping")

    def _retrieve_exception(self, waiter: asyncio.Future[Any]) -> None:
        """Look at the outcome of a call that nobody may wait for any more, so nothing is logged."""
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


@dataclass(frozen=True)
class CallPolicy:
    """How long a call may take, in seconds: to get its turn, and then the call itself.

    `urgent` is what a person or an undo waits for: it goes before all others. `timeout` None is the
    time-out of the queue.
    """

    urgent: bool = True
    max_wait: float = math.inf
    timeout: float | None = None


URGENT = CallPolicy()


class CallQueue:
    """Makes calls one after the other as the limit of requests allows, in a few threads.

    `timeout` is for one request, in seconds.
    """

    def __init__(self, name: str, limiter: RateLimiter, threads: int, timeout: float) -> None:
        self._limiter = limiter
        self._pool = DaemonThreadPool(name, threads, CALL_TIMEOUTS * timeout)

    async def run(self, call: Callable[[list[RateLimitInfo]], T], policy: CallPolicy = URGENT) -> T:
        """Make a call in its turn and return its result, or raise its error.

        The call appends what the responses say of the limit to the list that it is given. One that
        the provider refuses as too many is sent again when its turn comes, at most three times.
        Raises `RateLimited` if its turn comes too late, `ProviderUnavailable` after its time-out.
        """
        urgent = policy.urgent
        for attempt in range(1, MAX_ATTEMPTS + 1):
            infos: list[RateLimitInfo] = []
            mark = await self._limiter.acquire(urgent=urgent, max_wait=policy.max_wait)
            try:
                return await self._pool.run(partial(call, infos), policy.timeout)
            except RateLimited:
                # It was not carried out: when others may go on, so may this one.
                if attempt == MAX_ATTEMPTS:
                    raise
                urgent = True
            finally:
                self._limiter.release(mark, infos)
        raise AssertionError("the last attempt returns or raises")

    def close(self) -> None:
        """Take no more calls. A call that hangs is left behind in its thread."""
        self._limiter.close()
        self._pool.close()


class ListCache:
    """Lists that change seldom, each kept for `max_age` seconds; callers share one request.

    Somebody waits for a list in a terminal, or for the choice that is made from it: what failed at
    once is asked for again, since it may pass a moment later.
    """

    def __init__(self, max_age: float) -> None:
        self._max_age = max_age
        self._kept: dict[str, tuple[float, Any]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def get(self, key: str, fetch: Callable[[], Awaitable[T]]) -> T:
        """Return the list of this key; raises what `fetch` raises."""
        async with self._locks.setdefault(key, asyncio.Lock()):
            since, value = self._kept.get(key, (0.0, None))
            if value is None or time.monotonic() - since > self._max_age:
                value = await _retried(fetch)
                self._kept[key] = (time.monotonic(), value)
            kept: T = value
            return kept


async def _retried(fetch: Callable[[], Awaitable[T]]) -> T:
    started = time.monotonic()
    for pause in RETRY_PAUSES:
        try:
            return await fetch()
        except ProviderUnavailable:
            if time.monotonic() - started > FAILED_AT_ONCE_SECONDS:
                raise
        await asyncio.sleep(pause)
    return await fetch()


async def poll_until_gone(
    is_gone: Callable[[], Awaitable[bool]],
    is_locked: Callable[[ProviderUnavailable], bool],
    doing: str,
    first_pause: float,
) -> None:
    """Ask until something is gone, and go on asking while it is locked by another action.

    `first_pause` is in seconds. Raises `TimedOut` after five minutes, with `doing` in its message,
    and what `is_gone` raises.
    """
    pause = first_pause
    try:
        async with asyncio.timeout(GONE_SECONDS):
            while True:
                try:
                    if await is_gone():
                        return
                except ProviderUnavailable as error:
                    if not is_locked(error):
                        raise
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, MAX_PAUSE_SECONDS)
    except TimeoutError:
        raise TimedOut(f"{doing}: it is still there after {GONE_SECONDS:g} s") from None
