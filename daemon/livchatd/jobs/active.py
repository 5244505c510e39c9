"""Jobs that have not ended, in memory: their steps, how far they are, and who runs next."""

from __future__ import annotations

import asyncio
import json
import os
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

from pydantic import BaseModel

from livchat.job_state import JobStatus, StepStatus
from livchat.messages import references
from livchatd.jobs.durations import DurationRow, Durations, critical_path_seconds
from livchatd.jobs.step import Facts, Step, Workflow
from livchatd.storage.database import now

MAX_RUNNING_FRACTION = 0.95
"""How much of a step may show as done while it runs: nobody knows that it is nearly done."""
ESTIMATE_SECONDS = 0.05
"""How long an estimate stands before it is made anew."""
DONE = frozenset({StepStatus.COMPLETED, StepStatus.SKIPPED})

_RANDOM_BYTES = 6
_RANDOM_BLOCK_BYTES = 512 * _RANDOM_BYTES
_PUNCTUATION = str.maketrans("", "", "-:.")


class JobIds:
    """Makes job ids: the time, for people, and 48 random bits.

    Random bytes are drawn in blocks, since each draw is a system call.
    """

    def __init__(self) -> None:
        self._random = b""

    def make(self) -> str:
        """Return a new id, such as job_20261122_081530_3f9a1c2b7d4e."""
        if not self._random:
            self._random = os.urandom(_RANDOM_BLOCK_BYTES)
        drawn, self._random = self._random[:_RANDOM_BYTES], self._random[_RANDOM_BYTES:]
        day, _, time = now().partition("T")
        return f"job_{day.translate(_PUNCTUATION)}_{time[:8].translate(_PUNCTUATION)}_{drawn.hex()}"


@dataclass(slots=True)
class ActiveStep:
    """One step of an active job; times are RFC 3339 texts, durations seconds."""

    position: int
    key: str
    title: str
    expected_seconds: float
    status: StepStatus = StepStatus.PENDING
    attempt: int = 0
    may_have_changed: bool = False
    """Whether its `apply` may have changed the world: only then is it undone."""
    progress: dict[str, Any] | None = None
    started_at: str | None = None
    completed_at: str | None = None
    error: str | None = None
    started_clock: float = 0.0
    """When it began, by the monotonic clock."""
    progress_unsent: bool = False
    messages: dict[str, Any] | None = None
    """Ids and values of the sentences in `name` and `error`; see `livchat.messages`."""

    def begin(self, *, may_change: bool) -> None:
        """Put the step to work; `may_change`: nothing is checked before its `apply`."""
        self.status = StepStatus.RUNNING
        self.attempt += 1
        self.may_have_changed = self.may_have_changed or may_change
        self.started_at = self.started_at or now()
        self.started_clock = monotonic()
        self.set_error(None, None)

    def set_error(self, text: str | None, reference: dict[str, Any] | None) -> None:
        """Set the error or take it away; `reference` is its id and values, if it has them."""
        self.error = text
        others = {name: one for name, one in (self.messages or {}).items() if name != "error"}
        self.messages = {**others, **(reference or {})} or None

    def to_wire(self) -> dict[str, Any]:
        """Return the step as the API shows it."""
        return {
            "name": self.title,
            "status": self.status.value,
            "attempt": self.attempt,
            "progress": self.progress,
            "started_at": self.started_at,
            "completed_at": self.completed_at,
            "error": self.error,
            "expected_seconds": round(self.expected_seconds, 3),
            **({"messages": self.messages} if self.messages else {}),
        }

    def to_row(self) -> tuple[Any, ...]:
        """Return the columns that can change, then the position."""
        progress = json.dumps(self.progress) if self.progress is not None else None
        return (
            self.status.value,
            self.attempt,
            int(self.may_have_changed),
            progress,
            self.started_at,
            self.completed_at,
            self.error,
            json.dumps(self.messages) if self.messages else None,
            self.position,
        )

    def fraction_done(self, clock: float) -> float:
        """Return how much of it is done, 0 to 1, at this time of the monotonic clock."""
        if self.status in DONE:
            return 1.0
        if self.status is not StepStatus.RUNNING:
            return 0.0
        if self.progress and self.progress["total"] > 0:
            done = float(self.progress["done"] / self.progress["total"])
        else:
            done = (clock - self.started_clock) / max(self.expected_seconds, 0.001)
        return min(done, MAX_RUNNING_FRACTION)

    def seconds_left(self, clock: float) -> float:
        """Return the seconds that it may still take, at this time of the monotonic clock."""
        if self.status is StepStatus.RUNNING:
            return max(0.0, self.expected_seconds - (clock - self.started_clock))
        return 0.0 if self.status in DONE else self.expected_seconds


@dataclass(slots=True, eq=False)
class ActiveJob:
    """A job that has not ended. Only the loop changes it; the table follows."""

    job_id: str
    type: str
    workflow: Workflow[Any, Any]
    params: BaseModel
    facts: Facts
    definitions: Mapping[str, Step[Any]]
    """What the workflow makes of the parameters: its steps, by key, in their order."""
    steps: list[ActiveStep]
    server: str | None
    duration_key: str
    root_job_id: str
    number: int = 0
    """Its `n` in the table: jobs are in the order of it."""
    status: JobStatus = JobStatus.QUEUED
    progress: int = 0
    current_step: str | None = None
    estimated_completion: str | None = None
    cancel_requested: bool = False
    force: bool = False
    waiting_for: str | None = None
    error: str | None = None
    error_code: str | None = None
    hint: str | None = None
    messages: dict[str, Any] | None = None
    """Ids and values of the sentences in `error` and `hint`; see `livchat.messages`."""
    facts_stored: str = ""
    """The facts as they are in the table: a JSON text."""
    task: asyncio.Task[None] | None = None
    workers: dict[asyncio.Task[None], ActiveStep] = field(default_factory=dict)
    """The tasks of the steps at work."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    wakeup: asyncio.Future[None] | None = None
    """Done when a step has ended, or the job is to be cancelled."""
    abandoned: list[ActiveStep] = field(default_factory=list)
    """Steps that were given up while they were at work: they may have gone on."""
    total_seconds: float = 0.0
    """The sum of what its steps are expected to take."""
    estimated_clock: float = 0.0
    steps_to_record: list[ActiveStep] = field(default_factory=list)
    """Steps that ended and are not written yet: they go with the next change."""
    durations_to_record: list[DurationRow] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.total_seconds = sum(step.expected_seconds for step in self.steps)

    def cancel_steps(self) -> None:
        """Interrupt the steps at work, but for one past which a person's cancel is too late."""
        for task, step in self.workers.items():
            if not (self.cancel_requested and self.definitions[step.key].point_of_no_return):
                task.cancel()

    def wake(self, _: object = None) -> None:
        """Wake whoever waits for the steps."""
        if self.wakeup is not None and not self.wakeup.done():
            self.wakeup.set_result(None)

    def ready_steps(self) -> list[ActiveStep]:
        """Return the steps that may begin now."""
        done = {step.key for step in self.steps if step.status in DONE}
        return [
            step
            for step in self.steps
            if step.status is StepStatus.PENDING
            and done.issuperset(self.definitions[step.key].after)
        ]

    def has_new_progress(self) -> bool:
        """Whether it is further than was recorded last."""
        return self._percent(monotonic()) > self.progress

    def derived_fields(self, *, with_lists: bool) -> dict[str, Any]:
        """Return what follows from the steps: progress, step at work, estimate; maybe the lists."""
        clock = monotonic()
        self.progress = max(self.progress, self._percent(clock))
        running = next((s for s in self.steps if s.status is StepStatus.RUNNING), None)
        self.current_step = running.title if running else None
        stale = clock - self.estimated_clock > ESTIMATE_SECONDS
        if stale or self.status is not JobStatus.RUNNING or not with_lists:
            self.estimated_completion, self.estimated_clock = self._estimate(clock), clock
        derived: dict[str, Any] = {
            "progress": self.progress,
            "current_step": self.current_step,
            "estimated_completion": self.estimated_completion,
        }
        if with_lists:
            derived["steps_completed"], derived["steps_remaining"] = completed_and_remaining(
                (s.title, s.status) for s in self.steps
            )
        return derived

    def _percent(self, clock: float) -> int:
        if self.status is JobStatus.COMPLETED:
            return 100
        if not self.total_seconds:
            return 0
        done = sum(step.expected_seconds * step.fraction_done(clock) for step in self.steps)
        return min(99, int(100 * done / self.total_seconds))

    def _estimate(self, clock: float) -> str | None:
        """Return when the longest way through what is left ends; None unless the job runs."""
        if self.status is not JobStatus.RUNNING:
            return None
        left = critical_path_seconds(
            (step.key, self.definitions[step.key].after, step.seconds_left(clock))
            for step in self.steps
        )
        end = datetime.now(UTC) + timedelta(seconds=left)
        return end.isoformat(timespec="milliseconds")[:-6] + "Z"


def new_job(
    job_id: str,
    workflow: Workflow[Any, Any],
    params: BaseModel,
    server: str | None,
    duration_key: str,
    durations: Durations,
) -> ActiveJob:
    """Return a job that has not begun, its steps with the seconds that they may take."""
    definitions = {step.key: step for step in workflow.steps(params)}
    scale = durations.scale(duration_key)
    steps = [
        ActiveStep(
            position,
            key,
            step.title,
            durations.expected(key, duration_key, step.expected_seconds * scale),
            messages=references({"name": step.title}),
        )
        for position, (key, step) in enumerate(definitions.items())
    ]
    facts = workflow.facts()
    return ActiveJob(
        job_id=job_id,
        type=workflow.name,
        workflow=workflow,
        params=params,
        facts=facts,
        definitions=definitions,
        steps=steps,
        server=server,
        duration_key=duration_key,
        root_job_id=job_id,
        facts_stored=facts.model_dump_json(),
    )


def completed_and_remaining(
    steps: Iterable[tuple[str, StepStatus | str]],
) -> tuple[list[str], list[str]]:
    """Return the titles of the steps that are done, and of those at work or to come."""
    completed: list[str] = []
    remaining: list[str] = []
    for title, status in steps:
        if status in DONE:
            completed.append(title)
        elif status in {StepStatus.PENDING, StepStatus.RUNNING}:
            remaining.append(title)
    return completed, remaining


class ServerQueues:
    """Who runs next: a queue of jobs for each server, and a limit of jobs that run at once.

    The first job in a server's queue holds the server, whether it runs already or waits for the
    limit. Jobs without a server wait for the limit only.
    """

    def __init__(self, max_running: int) -> None:
        self._max_running = max_running
        self._queues: dict[str, deque[ActiveJob]] = {}
        self._ready: deque[ActiveJob] = deque()
        self._running: set[ActiveJob] = set()

    def enqueue(self, job: ActiveJob) -> None:
        """Add a job to the end of its server's queue."""
        if job.server is None:
            self._ready.append(job)
            return
        queue = self._queues.setdefault(job.server, deque())
        queue.append(job)
        if queue[0] is job:
            self._ready.append(job)

    def start_ready(self) -> list[ActiveJob]:
        """Return the jobs that may begin now; they count as running from here on."""
        started = []
        while self._ready and len(self._running) < self._max_running:
            job = self._ready.popleft()
            self._running.add(job)
            started.append(job)
        return started

    def remove(self, job: ActiveJob) -> list[ActiveJob]:
        """Take out a job that ended; return those behind it if it held their server."""
        self._running.discard(job)
        if job in self._ready:
            self._ready.remove(job)
        queue = self._queues.get(job.server) if job.server is not None else None
        if queue is None or job not in queue:
            return []
        was_first = queue[0] is job
        queue.remove(job)
        if not queue:
            del self._queues[job.server or ""]
            return []
        if was_first:
            self._ready.append(queue[0])
            return list(queue)
        return []

    def active_job(self, server: str) -> ActiveJob | None:
        """Return the job that holds a server, or None."""
        queue = self._queues.get(server)
        return queue[0] if queue else None

    def active_jobs(self) -> dict[str, str]:
        """Return the id of the job that holds each server."""
        return {server: queue[0].job_id for server, queue in self._queues.items()}
