"""Progress: plain lines off a terminal, a picture that fits on one."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from livchat.output.job_view import JobView, Row
from livchat.output.live import Drawing, fold
from livchat.output.progress import Plain, plain_line, supports_live_output


class Terminal(StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def step(name: str, status: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "status": status, "attempt": 1, "expected_seconds": 10.0} | more


def job(steps: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    told = {"job_id": "job_1", "status": "running", "summary": "Set up prod-01", "progress": 40}
    return told | {"steps": steps, "logs": [], "cursor": "e-0"} | more


def rows(*statuses: str) -> list[Row]:
    return [
        Row(number, f"Step {number}", status, None, None, "")
        for number, status in enumerate(statuses, start=1)
    ]


def test_a_line_is_written_for_a_step_that_ended_and_never_for_a_tick() -> None:
    stream = StringIO()
    view = JobView(job([step("Wait for SSH", "pending"), step("Install Docker", "pending")]))
    plain = Plain(view, stream)
    plain.begin()
    times = {"started_at": "2026-11-22T08:15:30Z", "completed_at": "2026-11-22T08:15:42.300Z"}
    for number in range(5):
        told = {"done": number, "total": 5, "unit": "tries"}
        view.apply("progress", {"step": step("Wait for SSH", "running", progress=told)}, "e-1")
        plain.changed()
    view.apply("step", {"step": step("Wait for SSH", "completed", **times)}, "e-2")
    plain.changed()
    view.apply("step", {"step": step("Install Docker", "skipped")}, "e-3")
    plain.changed()
    assert stream.getvalue().splitlines() == [
        "Set up prod-01 (job_1)",
        "[1/2] Wait for SSH ... done (12.3 s)",
        "[2/2] Install Docker ... already so",
    ]


def test_a_job_that_waits_says_once_for_whom() -> None:
    stream = StringIO()
    view = JobView(job([], waiting_for="job_0"))
    plain = Plain(view, stream)
    plain.begin()
    plain.changed()
    assert stream.getvalue().count("waiting for job_0") == 1


def test_numbers_of_steps_stand_in_a_column() -> None:
    row = Row(3, "Wait for SSH", "completed", 12.3, None, "")
    assert plain_line(row, 14) == "[ 3/14] Wait for SSH ... done (12.3 s)"


@pytest.mark.parametrize("name", ["CI", "NO_COLOR"])
def test_some_terminals_are_not_drawn_upon(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for other in ("CI", "NO_COLOR"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert supports_live_output(Terminal())
    assert not supports_live_output(StringIO())
    monkeypatch.setenv(name, "1")
    assert not supports_live_output(Terminal())
    monkeypatch.delenv(name)
    monkeypatch.setenv("TERM", "dumb")
    assert not supports_live_output(Terminal())


@pytest.mark.parametrize("room", [3, 5, 8, 20])
def test_all_steps_are_accounted_for_in_the_room_that_there_is(room: int) -> None:
    steps = rows(*["completed"] * 9, "running", "running", *["pending"] * 7)
    above, shown, below = fold(steps, room)
    assert above + len(shown) + below == len(steps)
    assert len(shown) + bool(above) + bool(below) <= room
    assert any(row.status == "running" for row in shown)


def test_what_is_done_is_folded_first() -> None:
    steps = rows(*["completed"] * 9, "running", "pending")
    above, shown, below = fold(steps, 5)
    assert below == 0
    assert above == 7
    assert [row.status for row in shown] == ["completed", "completed", "running", "pending"]


def test_the_picture_shows_each_running_step_with_its_bar_and_fits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    progress = {"done": 1, "total": 2, "unit": "images"}
    steps = [
        step("Order machine", "completed", started_at="2026-11-22T08:15:30Z",
             completed_at="2026-11-22T08:15:39Z"),
        step("Pull [n8n]", "running", started_at="2026-11-22T08:15:30Z", progress=progress),
        step("Write DNS", "running", started_at="2026-11-22T08:15:30Z"),
        *[step(f"Later {number}", "pending") for number in range(30)],
    ]  # fmt: skip
    log = {"message": "\x1b[2Jpulling", "level": "info", "step": None, "timestamp": ""}
    console = Console(file=Terminal(), width=80, height=24, force_terminal=True, _environ={})
    with console.capture() as captured:
        console.print(Drawing(JobView(job(steps, logs=[log])), console).render())
    picture = captured.get().splitlines()
    assert len(picture) <= 24
    assert any("Pull [n8n]" in line and "1/2 images" in line for line in picture)
    assert any("Write DNS" in line and "━" in line for line in picture)
    assert any("40 %" in line for line in picture)
    assert any("pulling" in line for line in picture)
    assert "\x1b[2J" not in captured.get()
