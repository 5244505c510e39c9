"""Batched calls: no response is older than the question, and every caller gets what is its own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence

import pytest

from livchat.errors import ProviderUnavailable, RateLimited, TimedOut
from livchatd.providers.calls import (
    Batcher,
    CallQueue,
    DaemonThreadPool,
    ListCache,
    poll_until_gone,
)
from livchatd.providers.rate_limiter import RateLimiter, RateLimitInfo


class World:
    """What there is, and what was asked of it. A response is what there was when it was asked."""

    def __init__(self) -> None:
        self.there: dict[str, int] = {}
        self.asked: list[list[str]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def fetch(self, keys: Sequence[str]) -> dict[str, int]:
        self.asked.append(list(keys))
        found = {key: self.there[key] for key in keys if key in self.there}
        await self.gate.wait()
        return found


async def until_asked(world: World, times: int) -> None:
    async with asyncio.timeout(20):
        while len(world.asked) < times:
            await asyncio.sleep(0)


async def test_what_was_made_after_a_request_began_is_found_by_who_asks_then() -> None:
    world = World()
    batcher = Batcher(world.fetch, 50)
    world.gate.clear()
    early = asyncio.create_task(batcher.load(["a"]))
    await until_asked(world, 1)
    world.there["b"] = 2
    late = asyncio.create_task(batcher.load(["b"]))
    await asyncio.sleep(0)
    world.gate.set()
    assert (await early).get("a") is None
    assert (await late)["b"] == 2
    assert world.asked == [["a"], ["b"]]


async def test_callers_at_the_same_time_share_requests_of_so_many_keys() -> None:
    world = World()
    world.there = {str(n): n for n in range(120)}
    batcher = Batcher(world.fetch, 50)
    found = await asyncio.gather(*(batcher.load([str(n)]) for n in range(121)))
    assert [one.get(str(n)) for n, one in enumerate(found)] == [*range(120), None]
    assert [len(keys) for keys in world.asked] == [50, 50, 21]


async def test_a_failure_is_told_to_all_who_asked_and_not_to_the_next() -> None:
    failing = True

    async def fetch(keys: Sequence[int]) -> dict[int, int]:
        if failing:
            raise ProviderUnavailable("away")
        return {key: key for key in keys}

    batcher = Batcher(fetch, 50)
    told = await asyncio.gather(*(batcher.load([n]) for n in range(3)), return_exceptions=True)
    assert [type(error) for error in told] == [ProviderUnavailable] * 3
    failing = False
    assert (await batcher.load([7]))[7] == 7


async def test_who_gives_up_holds_up_nobody() -> None:
    world = World()
    world.there = {"b": 2}
    batcher = Batcher(world.fetch, 50)
    world.gate.clear()
    first = asyncio.create_task(batcher.load(["a"]))
    await until_asked(world, 1)
    second = asyncio.create_task(batcher.load(["b"]))
    third = asyncio.create_task(batcher.load(["c"]))
    await asyncio.sleep(0)
    first.cancel()
    third.cancel()
    world.gate.set()
    assert (await second)["b"] == 2
    with pytest.raises(asyncio.CancelledError):
        await first
    assert world.asked[-1] == ["b"]


async def test_the_pool_runs_no_more_calls_at_once_than_it_has_threads() -> None:
    pool = DaemonThreadPool("test", 3, 20)
    lock, now, most = threading.Lock(), 0, 0
    three = threading.Barrier(3, timeout=20)

    def call() -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        three.wait()
        time.sleep(0.01)  # noqa: TID251 - a fourth would be seen meanwhile
        with lock:
            now -= 1

    await asyncio.gather(*(pool.run(call) for _ in range(12)))
    assert most == 3
    pool.close()


async def test_a_call_that_has_not_begun_is_cancelled_at_once() -> None:
    pool = DaemonThreadPool("test", 1, 20)
    begun, may_end, ran = threading.Event(), threading.Event(), []

    def hold() -> bool:
        begun.set()
        return may_end.wait(20)

    first = asyncio.create_task(pool.run(hold))
    await asyncio.to_thread(begun.wait, 20)
    second = asyncio.create_task(pool.run(lambda: ran.append(1)))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    may_end.set()
    await first
    await pool.run(lambda: None)
    assert ran == []
    pool.close()


async def test_a_call_that_hangs_is_given_up_after_its_time() -> None:
    pool, may_end = DaemonThreadPool("test", 1, 20), threading.Event()
    with pytest.raises(ProviderUnavailable, match=r"test did not answer within 0\.05 s"):
        await pool.run(lambda: may_end.wait(20), 0.05)
    may_end.set()
    pool.close()
    with pytest.raises(ProviderUnavailable, match="test is closed"):
        await pool.run(lambda: None)


@pytest.mark.parametrize(("refusals", "sent"), [(0, 1), (2, 3), (9, 3)])
async def test_a_call_that_is_refused_as_one_too_many_is_sent_three_times_at_most(
    refusals: int, sent: int
) -> None:
    queue, calls = CallQueue("test", RateLimiter("test"), 2, 5.0), 0

    def call(infos: list[RateLimitInfo]) -> int:
        nonlocal calls
        calls += 1
        refused = calls <= refusals
        infos.append(RateLimitInfo(3600, 100, 60.0, refused, 0.0 if refused else None))
        if refused:
            raise RateLimited("too many")
        return calls

    if refusals < 3:
        assert await queue.run(call) == sent
    else:
        with pytest.raises(RateLimited):
            await queue.run(call)
    assert calls == sent
    queue.close()


async def test_a_list_is_fetched_once_for_all_and_kept_for_its_time() -> None:
    fetched = 0

    async def fetch() -> list[int]:
        nonlocal fetched
        fetched += 1
        await asyncio.sleep(0)
        return [fetched]

    kept, stale = ListCache(60.0), ListCache(-1.0)
    assert await asyncio.gather(*(kept.get("types", fetch) for _ in range(5))) == [[1]] * 5
    assert await kept.get("images", fetch) == [2]
    assert [await stale.get("types", fetch), await stale.get("types", fetch)] == [[3], [4]]


async def test_a_list_that_failed_at_once_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("livchatd.providers.calls.RETRY_PAUSES", (0.0, 0.0))
    tries = 0

    async def fetch() -> list[int]:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise ProviderUnavailable("away")
        return [tries]

    assert await ListCache(60.0).get("types", fetch) == [3]


async def test_what_is_locked_is_asked_for_until_it_is_gone() -> None:
    outcomes: list[bool | Exception] = [ProviderUnavailable("locked"), False, True]

    async def is_gone() -> bool:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    await poll_until_gone(is_gone, lambda error: error.message == "locked", "delete it", 0.0)
    assert outcomes == []
    outcomes.append(ProviderUnavailable("away"))
    with pytest.raises(ProviderUnavailable, match="away"):
        await poll_until_gone(is_gone, lambda error: error.message == "locked", "delete it", 0.0)


async def test_what_stays_is_timed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livchatd.providers.calls.GONE_SECONDS", 0.01)

    async def is_gone() -> bool:
        return False

    with pytest.raises(TimedOut, match="delete it: it is still there"):
        await poll_until_gone(is_gone, lambda _: False, "delete it", 0.001)
