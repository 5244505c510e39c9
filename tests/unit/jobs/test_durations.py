"""How long steps take: medians of their past, and the longest way through a list of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livchatd.jobs.durations import KEPT_COUNT, Durations, critical_path_seconds, store
from livchatd.storage.database import Database


@pytest.mark.parametrize(
    ("steps", "seconds"),
    [
        ([], 0.0),
        ([("a", (), 2.0)], 2.0),
        ([("a", (), 2.0), ("b", (), 3.0)], 3.0),
        ([("a", (), 2.0), ("b", ("a",), 3.0)], 5.0),
        ([("a", (), 2.0), ("b", (), 7.0), ("c", ("a", "b"), 1.0), ("d", ("a",), 4.0)], 8.0),
        ([("a", ("of another list",), 2.0)], 2.0),
    ],
)
def test_the_critical_path_is_the_longest_way_through_the_steps(
    steps: list[tuple[str, tuple[str, ...], float]], seconds: float
) -> None:
    assert critical_path_seconds(steps) == seconds


@given(st.lists(st.floats(0, 100), max_size=8))
def test_a_chain_takes_the_sum_and_independent_steps_the_longest(seconds: list[float]) -> None:
    chain = [(str(i), (str(i - 1),), each) for i, each in enumerate(seconds)]
    beside = [(str(i), (), each) for i, each in enumerate(seconds)]
    assert critical_path_seconds(chain) == pytest.approx(sum(seconds))
    assert critical_path_seconds(beside) == max(seconds, default=0.0)


def test_what_a_step_may_take_is_the_median_of_its_past_else_its_own_guess() -> None:
    durations = Durations()
    assert durations.expected("boot", "hetzner/cx23", 20.0) == 20.0
    for seconds in (10.0, 50.0, 12.0):
        durations.add("boot", "hetzner/cx23", seconds)
    assert durations.expected("boot", "hetzner/cx23", 20.0) == 12.0
    assert durations.expected("boot", "hetzner/cx33", 20.0) == 20.0


def test_a_step_that_had_nothing_to_do_says_nothing() -> None:
    durations = Durations()
    assert durations.add("boot", "", 0.01) is None
    assert durations.expected("boot", "", 20.0) == 20.0


def test_guesses_are_scaled_for_a_provider_that_is_faster() -> None:
    durations = Durations({"sandbox": 0.1})
    assert durations.scale("sandbox/cx23") == 0.1
    assert durations.scale("hetzner/cx23") == 1.0
    assert durations.scale("") == 1.0


async def test_the_newest_durations_are_kept_over_a_restart(tmp_path: Path) -> None:
    database = Database(tmp_path / "livchat.db")
    before = Durations()
    rows = [before.add("boot", "", float(seconds)) for seconds in range(1, KEPT_COUNT + 11)]
    await database.write(lambda tx: store(tx, [row for row in rows if row is not None]))
    after = Durations()
    after.load(database)
    assert after.expected("boot", "", 0.0) == before.expected("boot", "", 0.0) == 26.5
    count = database.reader.execute("SELECT count(*) FROM durations").fetchone()
    assert count == (KEPT_COUNT,)
    await database.close()
