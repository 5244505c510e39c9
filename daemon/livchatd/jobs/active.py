"""A job that has not ended, in memory: its steps, how far it is and when it may be done."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

from pydantic import BaseModel

from livchat.wire.jobs import JobStatus, StepStatus
from livchatd.jobs.step import Learnt, Step, Workflow
from livchatd.storage.database import now

AT_MOST = 0.95
"""The share of its weight that a running step may show: nobody knows that it is nearly done."""
FRESH = 0.05
"""Seconds for which an estimate is not made anew."""
DONE = frozenset({StepStatus.COMPLETED, StepStatus.SKIPPED})


@dataclass(slots=True)
class LiveStep:
    """One step of a live job. `touched` says that its apply may have changed the world."""

    position: int
    key: str
    title: str
    expected: float
    status: StepStatus = StepStatus.PENDING
    attempt: int = 0
    touched: bool = False
    progress: dict[str, Any] | None = None
    started_at: str | None = None
    completed_at: str | None = None
    error: str | None = None
    began: float = 0.0
    told: int = 0

    def wire(self) -> dict[str, Any]:
        """As it is sent."""
        return {
            "name": self.title,
            "status": self.status.value,
            "attempt": self.attempt,
            "progress": self.progress,
            "started_at": self.started_at,
            "completed_at": self.completed_at,
            "error": self.error,
            "expected_seconds": round(self.expected, 3),
        }

    def row(self) -> tuple[Any, ...]:
        """As it is changed in the table: all that can change, then the position."""
        progress = json.dumps(self.progress) if self.progress is not None else None
        return (
            self.status.value,
            self.attempt,
            int(self.touched),
            progress,
            self.started_at,
            self.completed_at,
            self.error,
            self.position,
        )

    def share(self, at: float) -> float:
        """How much of it is done, 0 to 1."""
        if self.status in DONE:
            return 1.0
        if self.status is not StepStatus.RUNNING:
            return 0.0
        if self.progress and self.progress["total"] > 0:
            return min(float(self.progress["done"] / self.progress["total"]), AT_MOST)
        return min((at - self.began) / max(self.expected, 0.001), AT_MOST)

    def left(self, at: float) -> float:
        """Seconds that it may still take."""
        if self.status is StepStatus.RUNNING:
            return max(0.0, self.expected - (at - self.began))
        return 0.0 if self.status in DONE else self.expected


@dataclass(slots=True, eq=False)
class Live:
    """A job that has not ended. Only the loop changes it; the table follows."""

    job_id: str
    type: str
    workflow: Workflow[Any, Any]
    params: BaseModel
    learnt: Learnt
    plan: Mapping[str, Step[Any]]
    steps: list[LiveStep]
    server: str | None
    variant: str
    origin: str
    n: int = 0
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
    saved: str = ""
    resumed: bool = False
    task: asyncio.Task[None] | None = None
    workers: dict[asyncio.Task[None], LiveStep] = field(default_factory=dict)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    bell: asyncio.Future[None] | None = None
    """Rung when a step has ended, or the job is to be cancelled."""
    abandoned: list[LiveStep] = field(default_factory=list)
    """Steps that were given up while they were at work: they may have gone on."""
    weight: float = 0.0
    estimated_at: float = 0.0
    changed: list[LiveStep] = field(default_factory=list)
    """Steps that ended and are not written yet: they go with the next change."""
    took: list[tuple[str, str, int, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.weight = sum(step.expected for step in self.steps)

    def interrupt(self) -> None:
        """Tell the steps at work to stop; a person's cancel is too late for a last word."""
        for task, step in self.workers.items():
            if not (self.cancel_requested and self.plan[step.key].final):
                task.cancel()

    def ring(self, _: object = None) -> None:
        """Wake whoever waits for the steps."""
        if self.bell is not None and not self.bell.done():
            self.bell.set_result(None)

    def ready(self) -> list[LiveStep]:
        """Steps that may begin now."""
        done = {step.key for step in self.steps if step.status in DONE}
        return [
            step
            for step in self.steps
            if step.status is StepStatus.PENDING and done.issuperset(self.plan[step.key].after)
        ]

    def moved(self) -> bool:
        """Whether progress is more than was told last."""
        return self._share(monotonic()) > self.progress

    def fields(self, *, lists: bool) -> dict[str, Any]:
        """What follows from the steps: progress, estimate, the step at work; and the lists."""
        at = monotonic()
        self.progress = max(self.progress, self._share(at))
        running = next((s for s in self.steps if s.status is StepStatus.RUNNING), None)
        self.current_step = running.title if running else None
        stale = at - self.estimated_at > FRESH or self.status is not JobStatus.RUNNING
        if stale or not lists:
            self.estimated_completion, self.estimated_at = self._estimate(at), at
        derived: dict[str, Any] = {
            "progress": self.progress,
            "current_step": self.current_step,
            "estimated_completion": self.estimated_completion,
        }
        if lists:
            derived["steps_completed"], derived["steps_remaining"] = done_and_remaining(
                (s.title, s.status) for s in self.steps
            )
        return derived

    def _share(self, at: float) -> int:
        if self.status is JobStatus.COMPLETED:
            return 100
        if not self.weight:
            return 0
        done = sum(step.expected * step.share(at) for step in self.steps)
        return min(99, int(100 * done / self.weight))

    def _estimate(self, at: float) -> str | None:
        """When the longest way through what is left ends."""
        if self.status is not JobStatus.RUNNING:
            return None
        ends: dict[str, float] = {}
        for step in self.steps:
            begins = max((ends.get(key, 0.0) for key in self.plan[step.key].after), default=0.0)
            ends[step.key] = begins + step.left(at)
        left = max(ends.values(), default=0.0)
        end = datetime.now(UTC) + timedelta(seconds=left)
        return end.isoformat(timespec="milliseconds")[:-6] + "Z"


def done_and_remaining(steps: Any) -> tuple[list[str], list[str]]:
    """Titles of the steps that are done, and of those that are still to come or at work."""
    completed: list[str] = []
    remaining: list[str] = []
    for title, status in steps:
        if status in DONE:
            completed.append(title)
        elif status in {StepStatus.PENDING, StepStatus.RUNNING}:
            remaining.append(title)
    return completed, remaining


def begin(step: LiveStep, *, touched: bool) -> None:
    """The step is at work from now on."""
    step.status = StepStatus.RUNNING
    step.attempt += 1
    step.touched = step.touched or touched
    step.started_at = step.started_at or now()
    step.began = monotonic()
    step.error = None
