"""Jobs, their steps and logs, and the events that change them."""

from __future__ import annotations

from typing import Any, Literal

from livchat.job_state import JobStatus, Rollback, StepStatus
from livchat.wire.base import MessageReference, Wire


class StepProgress(Wire):
    """How far a step is, in units of its own: 3 of 7 packages."""

    done: float
    total: float
    unit: str


class Step(Wire):
    """One step of a job. `expected_seconds` is the median of its past runs.

    `messages` has the sentences in `name` and `error`, by field, where there are any.
    """

    name: str
    status: StepStatus
    attempt: int = 0
    progress: StepProgress | None = None
    started_at: str | None = None
    completed_at: str | None = None
    error: str | None = None
    expected_seconds: float = 0
    messages: dict[str, MessageReference] | None = None


class LogLine(Wire):
    """One line that a step printed."""

    timestamp: str
    level: Literal["debug", "info", "warning", "error"]
    step: str | None
    message: str


class JobSummary(Wire):
    """A job as a list shows it."""

    job_id: str
    type: str
    status: JobStatus
    summary: str
    server: str | None
    progress: int
    current_step: str | None
    created_at: str
    started_at: str | None
    completed_at: str | None
    estimated_completion: str | None
    error: str | None
    error_code: str | None
    waiting_for: str | None
    cancel_requested: bool
    rollback: Rollback | None
    retry_of: str | None


class Job(JobSummary):
    """A job, whole. `logs` holds its last 100 lines; `cursor` is where its events go on.

    `messages` has the sentences in `error` and `hint`, by field, where there are any.
    """

    params: dict[str, Any]
    steps_completed: list[str]
    steps_remaining: list[str]
    steps: list[Step]
    result: dict[str, Any] | None
    hint: str | None
    left_behind: list[str]
    logs: list[LogLine]
    cursor: str
    messages: dict[str, MessageReference] | None = None


class JobEvent(Wire):
    """One event: what changed. `job` holds top-level fields, `step` a whole step, `log` a line."""

    job_id: str
    seq: int
    at: str
    job: dict[str, Any] | None = None
    step: Step | None = None
    log: LogLine | None = None


class JobList(Wire):
    """A page of jobs, newest first; `total` counts all that match."""

    jobs: list[JobSummary]
    total: int
    next_cursor: str | None


class JobLogs(Wire):
    """A page of a job's log; `total_lines` counts all that match."""

    job_id: str
    logs: list[LogLine]
    total_lines: int


class Accepted(Wire):
    """202: the job is on disk."""

    job_id: str
    status: JobStatus
    message: str
    check_status: str
    server_name: str | None = None
    retry_of: str | None = None


class CancelAnswer(Wire):
    """What came of asking for a job to be cancelled."""

    success: bool
    message: str
    job_id: str
    status: JobStatus
