"""The view of a job: what is drawn of it, which never goes back."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from livchat.output.job_view import JobView, failed_step, finished_steps

NAMES = ["Order machine", "Wait for SSH", "Install Docker"]
BEGAN = 1_795_335_330.0
"""2026-11-22T08:15:30Z"""


def step(name: str, status: str = "pending", **more: Any) -> dict[str, Any]:
    given = {"started_at": None, "completed_at": None, "error": None, "progress": None}
    return {"name": name, "status": status, "attempt": 1, "expected_seconds": 10.0} | given | more


def job(**more: Any) -> dict[str, Any]:
    return {
        "job_id": "job_1",
        "status": "running",
        "summary": "Create server prod-01",
        "progress": 0,
        "started_at": "2026-11-22T08:15:30Z",
        "completed_at": None,
        "estimated_completion": None,
        "steps": [step(name) for name in NAMES],
        "logs": [],
        "cursor": "e-0",
    } | more


@given(st.lists(st.integers(min_value=0, max_value=100), min_size=1))
def test_the_bar_never_goes_back(told: list[int]) -> None:
    view, highest = JobView(job()), 0.0
    for number, percent in enumerate(told, start=1):
        view.apply("progress", {"job": {"progress": percent}}, f"e-{number}")
        assert view.head(BEGAN).percent >= highest
        highest = view.head(BEGAN).percent


def test_a_running_step_is_as_far_as_its_own_units_say() -> None:
    progress = {"done": 3, "total": 4, "unit": "packages"}
    running = step(NAMES[0], "running", started_at="2026-11-22T08:15:30Z", progress=progress)
    row = JobView(job(steps=[running])).rows(BEGAN + 9)[0]
    assert row.fraction == 0.75
    assert row.detail == "3/4 packages"
    assert row.seconds == 9


def test_without_units_a_step_is_as_far_as_it_usually_is_and_never_at_the_end() -> None:
    running = step(NAMES[0], "running", started_at="2026-11-22T08:15:30Z")
    view = JobView(job(steps=[running]))
    assert view.rows(BEGAN + 5)[0].fraction == 0.5
    late = view.rows(BEGAN + 500)[0].fraction
    assert late is not None
    assert late < 1


def test_a_job_past_its_estimate_is_overdue() -> None:
    view = JobView(job(estimated_completion="2026-11-22T08:16:30Z"))
    assert view.head(BEGAN).remaining == 60
    assert view.head(BEGAN + 72).remaining == -12


def test_a_clock_that_is_behind_the_daemons_gives_no_negative_times() -> None:
    running = step(NAMES[0], "running", started_at="2026-11-22T08:15:30Z")
    view = JobView(job(steps=[running]))
    assert view.head(BEGAN - 100).elapsed == 0
    assert view.rows(BEGAN - 100)[0].seconds == 0


def test_a_snapshot_replaces_what_was_seen() -> None:
    view = JobView(job(progress=50))
    view.apply("snapshot", job(status="completed", progress=100, cursor="f-9"), "f-9")
    assert view.ended
    assert view.job["cursor"] == "f-9"


def test_each_step_settles_once() -> None:
    done = step(NAMES[0], "completed", completed_at="2026-11-22T08:15:40Z")
    before, after = job(), job(steps=[done, step(NAMES[1], "running"), step(NAMES[2])])
    assert [row.name for row in finished_steps(before, after)] == [NAMES[0]]
    assert finished_steps(after, after) == []


def test_the_step_that_failed_is_named_even_after_it_was_undone() -> None:
    undone = step(NAMES[1], "undone", error="no route")
    found = failed_step(job(steps=[step(NAMES[0], "undone"), undone]))
    assert found is not None
    assert found["name"] == NAMES[1]
    assert failed_step(job()) is None


def test_what_a_server_prints_cannot_drive_the_terminal() -> None:
    view = JobView(job(logs=[{"message": "\x1b[2J\x07wiped\x1b]0;title\x07"}]))
    assert "\x1b" not in view.lines(3)[0]
    assert "wiped" in view.lines(3)[0]
