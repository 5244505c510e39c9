"""A job as it is watched: its snapshot with the events applied, as rows that can be drawn.

It knows nothing of terminals. Times are in seconds; `now` is given, since the epoch.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from livchat.job_state import ENDED, STEP_ENDED, apply_event
from livchat.messages import in_words
from livchat.output.formatting import moment
from livchat.sanitize import clean_line

Json = dict[str, Any]


class Row(NamedTuple):
    """One step. `fraction` (0 to 1) only while it runs and only if something is known."""

    number: int
    name: str
    status: str
    seconds: float | None
    fraction: float | None
    detail: str


class Head(NamedTuple):
    """The job as a whole. `remaining` is negative when it is overdue, None when not known."""

    summary: str
    status: str
    percent: float
    elapsed: float | None
    remaining: float | None
    waiting_for: str | None
    cancelling: bool


class JobView:
    """A job that is watched. `job` is replaced as a whole, so that a drawing thread may read it."""

    def __init__(self, job: Json) -> None:
        self.job = job
        self._percent = float(job.get("progress") or 0)

    def apply(self, name: str, data: Json, cursor: str) -> None:
        """Apply an event; a `snapshot` replaces the job. The percentage never goes back."""
        self.job = data if name == "snapshot" else apply_event(self.job, data, cursor)
        self._percent = max(self._percent, float(self.job.get("progress") or 0))

    @property
    def ended(self) -> bool:
        """Whether the job has ended."""
        return self.job["status"] in ENDED

    def head(self, now: float) -> Head:
        """The job as a whole, at this moment."""
        job = self.job
        begun = moment(job.get("started_at"))
        until = moment(job.get("completed_at")) or now
        due = None if self.ended else moment(job.get("estimated_completion"))
        return Head(
            summary=clean_line(job["summary"]),
            status=job["status"],
            percent=min(self._percent, 100.0),
            elapsed=None if begun is None else max(0.0, until - begun),
            remaining=None if due is None else due - now,
            waiting_for=clean_line(job["waiting_for"]) if job.get("waiting_for") else None,
            cancelling=bool(job.get("cancel_requested")) and not self.ended,
        )

    def rows(self, now: float) -> list[Row]:
        """All steps, in their order."""
        return [_row(number, step, now) for number, step in enumerate(self.job["steps"], start=1)]

    def lines(self, count: int) -> list[str]:
        """The last lines of the log, fit for a terminal."""
        found = self.job["logs"][-count:] if count > 0 else []
        return [clean_line(line["message"]) for line in found]


def finished_steps(before: Json, after: Json) -> list[Row]:
    """The steps that came to an end between two states of a job, in their order."""
    ends = {step["name"]: (step["status"], step.get("completed_at")) for step in before["steps"]}
    found = []
    for number, step in enumerate(after["steps"], start=1):
        end = (step["status"], step.get("completed_at"))
        if end[0] in STEP_ENDED and ends.get(step["name"], ("pending", None)) != end:
            found.append(_row(number, step, 0.0))
    return found


def failed_step(job: Json) -> Json | None:
    """The step at which a job failed, if it was at one; it may have been undone since."""
    steps: list[Json] = job["steps"]
    failed = [step for step in steps if step["status"] == "failed"]
    return next(iter(failed or [step for step in steps if step.get("error")]), None)


def _row(number: int, step: Json, now: float) -> Row:
    begun, ended = moment(step.get("started_at")), moment(step.get("completed_at"))
    seconds = None if begun is None else max(0.0, (ended if ended is not None else now) - begun)
    running = step["status"] == "running"
    return Row(
        number=number,
        name=clean_line(in_words(step, "name")),
        status=step["status"],
        seconds=seconds,
        fraction=_fraction(step, seconds) if running else None,
        detail=_detail(step) if running else clean_line(in_words(step, "error")),
    )


def _fraction(step: Json, seconds: float | None) -> float | None:
    """How far a running step is: by its own units, else by how long it usually takes."""
    progress = step.get("progress")
    if progress and progress["total"] > 0:
        return min(1.0, max(0.0, float(progress["done"]) / float(progress["total"])))
    expected = step.get("expected_seconds") or 0
    if expected > 0 and seconds is not None:
        # Time alone never fills the bar: a full one would say that the step is done.
        return min(0.97, seconds / expected)
    return None


def _detail(step: Json) -> str:
    attempt = int(step.get("attempt") or 0)
    again = f" (attempt {attempt})" if attempt > 1 else ""
    progress = step.get("progress")
    if not progress:
        return again.strip()
    done, total = (_amount(progress[key]) for key in ("done", "total"))
    return f"{done}/{total} {clean_line(progress['unit'])}{again}"


def _amount(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else f"{value:.1f}"
