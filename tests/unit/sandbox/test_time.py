"""The sandbox's time: the clock's scale, scheduled calls, the rate limit."""

from __future__ import annotations

import asyncio

import pytest

from livchat_sandbox.clock import Clock
from livchat_sandbox.rate_limit import TokenBucket
from livchat_sandbox.scheduler import Scheduler
from tests.unit.sandbox.bench import ManualClock


async def test_what_is_due_comes_in_order_and_never_at_once() -> None:
    called: list[str] = []
    agenda = Scheduler(Clock(0))
    agenda.call_at(3, lambda: called.append("third"))
    agenda.call_at(1, lambda: called.append("first"))
    agenda.call_at(1, lambda: called.append("second"))
    assert called == []
    await asyncio.sleep(0.01)
    assert called == ["first", "second", "third"]


async def test_what_was_forgotten_is_not_called() -> None:
    called: list[str] = []
    agenda = Scheduler(Clock(0))
    agenda.call_at(1, lambda: called.append("never"))
    agenda.clear()
    await asyncio.sleep(0.01)
    assert called == []


def test_an_empty_bucket_refills_in_simulated_time() -> None:
    clock = ManualClock(scale=0.1)
    bucket = TokenBucket(clock, 2, rate=1)
    assert [bucket.take() for _ in range(3)] == [True, True, False]
    assert bucket.seconds_until_full == pytest.approx(0.2)
    clock.moment += 0.15
    assert [bucket.take() for _ in range(2)] == [True, False]


def test_a_bucket_without_time_never_empties() -> None:
    bucket = TokenBucket(ManualClock(scale=0), 1, rate=1)
    assert all(bucket.take() for _ in range(10))
    assert (bucket.remaining, bucket.seconds_until_full) == (1, 0)


@pytest.mark.parametrize("scale", ["-1", "nan", "x"])
def test_a_time_scale_is_a_number_that_makes_sense(
    monkeypatch: pytest.MonkeyPatch, scale: str
) -> None:
    monkeypatch.setenv("LIVCHAT_SANDBOX_TIME_SCALE", scale)
    with pytest.raises(ValueError, match=scale):
        Clock.from_environment()
