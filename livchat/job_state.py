"""What a job's state is to daemon and clients alike: statuses, and what an event changes.

It needs no pydantic: the command line follows jobs without loading the wire models.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

LOG_TAIL = 100
"""How many of its last log lines a job carries."""


class JobStatus(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Nothing more will happen."""
        return self in ENDED


ENDED = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED})
"""The statuses that a job keeps for ever; each equals its text, as it stands in JSON."""


class StepStatus(StrEnum):
    """Where a step stands."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    SKIPPED = "skipped"
    FAILED = "failed"
    UNDONE = "undone"
    CANCELLED = "cancelled"


STEP_ENDED = frozenset(StepStatus) - {StepStatus.PENDING, StepStatus.RUNNING}
"""The statuses of a step that is not at work and will not be, unless its job is retried."""


class Rollback(StrEnum):
    """What became of the work that was done before a job was cancelled or failed."""

    NONE = "none"
    CLEAN = "clean"
    PARTIAL = "partial"


def apply_event(job: dict[str, Any], event: dict[str, Any], cursor: str) -> dict[str, Any]:
    """The job after the event: what `GET` would give. Neither argument is changed.

    `job` is a job's JSON object, `event` an event's data, `cursor` the event's id.
    """
    after = {**job, **(event.get("job") or {}), "cursor": cursor}
    step = event.get("step")
    if step is not None:
        after["steps"] = [step if old["name"] == step["name"] else old for old in job["steps"]]
    line = event.get("log")
    if line is not None:
        after["logs"] = [*job["logs"], line][-LOG_TAIL:]
    return after
