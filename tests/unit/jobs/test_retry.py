"""How long and how often what fails for a passing reason is tried again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from livchat.errors import ProviderError, ProviderUnavailable, RateLimited, TimedOut
from livchatd.jobs.retry import (
    MAX_BACKOFF_SECONDS,
    MAX_RETRY_AFTER_SECONDS,
    RetryPolicy,
    is_transient,
)
from livchatd.jobs.step import Retry

AWAY = ProviderUnavailable("away")


def test_four_tries_in_seven_seconds_are_not_enough_for_an_outage_of_minutes() -> None:
    patience = RetryPolicy()
    assert not patience.exhausted(4, 4, 7.0, 300.0)
    assert not patience.exhausted(3, 4, 301.0, 300.0)
    assert patience.exhausted(4, 4, 300.0, 300.0)


def test_a_step_that_sits_no_outage_out_is_tried_as_often_as_it_says() -> None:
    assert RetryPolicy().exhausted(3, 3, 0.1, 0.0)
    assert not RetryPolicy().exhausted(2, 3, 0.1, 0.0)


@given(st.integers(1, 10_000), st.floats(0, 2))
def test_pauses_are_bounded(tries: int, tempo: float) -> None:
    pause = RetryPolicy(tempo).backoff(AWAY, tries)
    assert 0 <= pause <= 1.3 * MAX_BACKOFF_SECONDS * tempo


def test_pauses_of_an_outage_of_five_minutes_are_few_and_cover_it() -> None:
    waited = [RetryPolicy().backoff(AWAY, tries) for tries in range(1, 16)]
    assert sum(waited) > 200
    assert max(waited[:3]) < 6


@given(st.floats(0, 1e6))
def test_who_says_how_long_is_believed_within_bounds(seconds: float) -> None:
    error = RateLimited("slow down", details={"retry_after": seconds})
    assert RetryPolicy(0.001).backoff(error, 1) == min(seconds, MAX_RETRY_AFTER_SECONDS)


def test_what_passes() -> None:
    passing = [AWAY, RateLimited("x"), TimedOut("x"), TimeoutError(), Retry("x")]
    assert all(is_transient(error) for error in passing)
    assert not any(is_transient(error) for error in (ProviderError("x"), ValueError("x")))
