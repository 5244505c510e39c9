"""The pace of calls, against a bucket that counts as Hetzner's does, in time that is skipped."""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livchat.errors import ProviderUnavailable, RateLimited
from livchatd.providers.rate_limiter import (
    CALLS_BEFORE_LIMIT_IS_KNOWN,
    HOUR_SECONDS,
    RateLimiter,
    RateLimitInfo,
)

T = TypeVar("T")


class Skipping(asyncio.SelectorEventLoop):
    """A loop that does not wait: what would be waited for is skipped."""

    def __init__(self) -> None:
        super().__init__()
        self.skipped = 0.0
        look = self._selector.select  # type: ignore[attr-defined]

        def select(timeout: float | None = None) -> Any:
            self.skipped += timeout or 0.0
            return look(0)

        self._selector.select = select  # type: ignore[attr-defined]

    def time(self) -> float:
        return self.skipped


def run(work: Callable[[], Awaitable[T]]) -> T:
    with contextlib.closing(Skipping()) as loop:

        async def bounded() -> T:
            async with asyncio.timeout(100 * HOUR_SECONDS):
                return await work()

        return loop.run_until_complete(bounded())


class Cloud:
    """Grants `limit` calls an hour, all at once if need be. Answers come after a while."""

    def __init__(self, limit: int, pace: RateLimiter, *, left: int | None = None) -> None:
        self.limit, self.pace = limit, pace
        self.level = float(limit if left is None else left)
        self.at = 0.0
        self.granted: list[Any] = []
        self.refused = 0
        self.threads = asyncio.Semaphore(8)
        self.chance = random.Random(limit)  # noqa: S311 - not a secret

    def take(self, who: Any) -> RateLimitInfo:
        now = asyncio.get_running_loop().time()
        gained = (now - self.at) * self.limit / HOUR_SECONDS
        self.level, self.at = min(self.limit, self.level + gained), now
        over = self.level < 1
        if over:
            self.refused += 1
        else:
            self.level -= 1
            self.granted.append(who)
        full_in = math.ceil((self.limit - self.level) * HOUR_SECONDS / self.limit)
        return RateLimitInfo(self.limit, int(self.level), full_in, refused=over)

    async def call(self, who: Any, *, urgent: bool = False) -> None:
        """Call until it is granted, as the provider does."""
        while True:
            mark = await self.pace.acquire(urgent=urgent)
            told: list[RateLimitInfo] = []
            try:
                async with self.threads:
                    await asyncio.sleep(self.chance.uniform(0.01, 0.2))
                    told.append(self.take(who))
                    await asyncio.sleep(self.chance.uniform(0.01, 0.2))
            finally:
                self.pace.release(mark, told)
            if not told[0].refused:
                return


def clocked() -> RateLimiter:
    return RateLimiter("hetzner", asyncio.get_running_loop().time)


@settings(deadline=None, max_examples=25)
@given(
    limit=st.integers(CALLS_BEFORE_LIMIT_IS_KNOWN, 400),
    calls=st.integers(1, 300),
    urgent=st.integers(0, 20),
)
def test_no_call_is_refused_and_every_one_has_its_turn(limit: int, calls: int, urgent: int) -> None:
    async def work() -> tuple[Cloud, float]:
        cloud = Cloud(limit, clocked())
        await asyncio.gather(
            *(cloud.call(n) for n in range(calls)),
            *(cloud.call(-n, urgent=True) for n in range(1, urgent + 1)),
        )
        return cloud, asyncio.get_running_loop().time()

    cloud, took = run(work)
    assert cloud.refused == 0
    assert len(cloud.granted) == calls + urgent
    # No slower than what comes back allows, but for what is kept back and rounding.
    waited = (
        max(0.0, calls + urgent - limit * 0.95 + 2 * CALLS_BEFORE_LIMIT_IS_KNOWN)
        * HOUR_SECONDS
        / limit
    )
    assert took <= 1.2 * waited + calls + 60


@settings(deadline=None, max_examples=20)
@given(
    limit=st.integers(CALLS_BEFORE_LIMIT_IS_KNOWN, 100),
    left=st.integers(0, 20),
    rivals=st.integers(0, 40),
)
def test_what_others_used_up_is_waited_for(limit: int, left: int, rivals: int) -> None:
    async def work() -> Cloud:
        cloud = Cloud(limit, clocked(), left=min(left, limit))

        async def rival() -> None:
            for _ in range(rivals):
                await asyncio.sleep(HOUR_SECONDS / limit)
                cloud.take("rival")

        await asyncio.gather(rival(), *(cloud.call(n) for n in range(60)))
        return cloud

    cloud = run(work)
    assert sorted(who for who in cloud.granted if who != "rival") == list(range(60))


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(0, 59), max_size=30), st.floats(0.0, 600.0))
def test_who_is_cancelled_while_waiting_has_not_called(which: list[int], when: float) -> None:
    async def work() -> tuple[Cloud, set[int]]:
        cloud = Cloud(20, clocked())
        tasks = [asyncio.create_task(cloud.call(n)) for n in range(60)]
        await asyncio.sleep(when)
        # Those that have begun go on: a call that is made cannot be taken back.
        waiting = {n for n in which if not tasks[n].done() and n not in cloud.granted}
        gone = {n for n in waiting if n >= 20 + CALLS_BEFORE_LIMIT_IS_KNOWN and tasks[n].cancel()}
        await asyncio.gather(*tasks, return_exceptions=True)
        return cloud, gone

    cloud, gone = run(work)
    assert cloud.refused == 0
    assert set(range(60)) - set(cloud.granted) <= gone
    assert len(cloud.granted) == len(set(cloud.granted))


def test_turns_come_in_the_order_of_asking_and_urgent_ones_first() -> None:
    async def work() -> list[Any]:
        pace = clocked()
        pace.release(await pace.acquire(), [RateLimitInfo(100, 0, HOUR_SECONDS)])
        order: list[Any] = []

        async def one(who: Any, *, urgent: bool = False) -> None:
            pace.release(await pace.acquire(urgent=urgent))
            order.append(who)

        tasks = [asyncio.create_task(one(n)) for n in range(5)]
        await asyncio.sleep(0)
        tasks.append(asyncio.create_task(one("urgent", urgent=True)))
        await asyncio.gather(*tasks)
        return order

    assert run(work) == ["urgent", 0, 1, 2, 3, 4]


def test_a_part_is_kept_for_what_a_person_waits_for() -> None:
    async def work() -> float:
        cloud = Cloud(100, clocked())
        crowd = [asyncio.create_task(cloud.call(n)) for n in range(200)]
        await asyncio.sleep(30)
        began = asyncio.get_running_loop().time()
        await cloud.call("person", urgent=True)
        took = asyncio.get_running_loop().time() - began
        for task in crowd:
            task.cancel()
        return took

    # One call comes back in 36 s: it was not waited for.
    assert run(work) < 1


def test_a_refusal_holds_up_all_calls_for_as_long_as_it_says() -> None:
    async def work() -> tuple[float, float]:
        pace = clocked()
        loop = asyncio.get_running_loop()
        pace.release(await pace.acquire(), [RateLimitInfo(3600, 3000, 600)])
        mark = await pace.acquire()
        free = loop.time()
        pace.release(mark, [RateLimitInfo(3600, 0, HOUR_SECONDS, refused=True, retry_after=30.0)])
        pace.release(await pace.acquire(urgent=True))
        return free, loop.time()

    free, after = run(work)
    assert free == 0
    assert after >= 30


def test_who_can_ask_again_later_is_told_when() -> None:
    async def work() -> RateLimited:
        pace = clocked()
        pace.release(await pace.acquire(), [RateLimitInfo(3600, 0, HOUR_SECONDS)])
        waiting = [asyncio.create_task(pace.acquire()) for _ in range(400)]
        await asyncio.sleep(0)
        with pytest.raises(RateLimited) as told:
            await pace.acquire(max_wait=300)
        for task in waiting:
            task.cancel()
        return told.value

    error = run(work)
    assert error.transient
    assert 400 <= error.details["retry_after"] <= 700


def test_a_person_waits_for_the_next_call_not_for_all_who_stand_in_line() -> None:
    async def work() -> float:
        pace = clocked()
        pace.release(await pace.acquire(), [RateLimitInfo(3600, 0, HOUR_SECONDS)])
        waiting = [asyncio.create_task(pace.acquire()) for _ in range(400)]
        await asyncio.sleep(0)
        await pace.acquire(urgent=True, max_wait=20)
        for task in waiting:
            task.cancel()
        return asyncio.get_running_loop().time()

    assert 0 < run(work) <= 20


def test_closing_lets_go_of_who_waits_and_takes_nobody_any_more() -> None:
    async def work() -> list[BaseException | int]:
        pace = clocked()
        pace.release(await pace.acquire(), [RateLimitInfo(3600, 0, HOUR_SECONDS)])
        waiting = [asyncio.create_task(pace.acquire(urgent=n % 2 == 0)) for n in range(4)]
        await asyncio.sleep(0)
        pace.close()
        found = await asyncio.gather(*waiting, return_exceptions=True)
        with pytest.raises(ProviderUnavailable):
            await pace.acquire(urgent=True)
        return found

    assert [type(told) for told in run(work)] == [ProviderUnavailable] * 4


def test_a_long_wait_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        cloud = Cloud(60, clocked(), left=0)
        await asyncio.gather(*(cloud.call(n) for n in range(30)))

    run(work)
    told = [record.getMessage() for record in caplog.records if record.name == "livchatd.hetzner"]
    assert len(told) == 2
    assert told[0].startswith("calls wait for hetzner's limit of requests")
    assert told[1].endswith("any more")
