"""Jobs taken up again: from the table after a restart, from an older job by a retry."""

from __future__ import annotations

import json
from collections.abc import Mapping
from time import monotonic
from typing import Any

from livchat.errors import LivChatError
from livchat.job_state import JobStatus, StepStatus
from livchat.messages import references
from livchatd.jobs.active import ActiveJob, ActiveStep
from livchatd.jobs.step import Workflow


def resume(
    job_row: Mapping[str, Any],
    step_rows: list[dict[str, Any]],
    workflows: Mapping[str, Workflow[Any, Any]],
) -> ActiveJob:
    """Return an active job from its rows; `LivChatError` if its workflow is not known.

    Steps are known by their keys over versions of the code: one that the workflow no longer has is
    left out, a new one is to come.
    """
    workflow = workflows.get(job_row["type"])
    if workflow is None:
        raise LivChatError(
            f"cannot go on with {job_row['job_id']}: "
            f"this version knows no workflow '{job_row['type']}'",
            hint="start the version of livchatd that began it",
        )
    params = workflow.params.model_validate_json(job_row["params"])
    definitions = {step.key: step for step in workflow.steps(params)}
    kept = {row["key"]: row for row in step_rows}
    steps = []
    for position, (key, definition) in enumerate(definitions.items()):
        row = kept.get(key)
        expected = row["expected"] if row else definition.expected_seconds
        messages = references({"name": definition.title})
        step = ActiveStep(position, key, definition.title, expected, messages=messages)
        if row is not None:
            _restore(step, row)
        steps.append(step)
    job = ActiveJob(
        job_id=job_row["job_id"],
        type=job_row["type"],
        workflow=workflow,
        params=params,
        facts=workflow.facts.model_validate_json(job_row["learnt"]),
        definitions=definitions,
        steps=steps,
        server=job_row["server"],
        duration_key=job_row["variant"],
        root_job_id=job_row["origin"],
    )
    job.number = job_row["n"]
    job.status = JobStatus(job_row["status"])
    job.progress = job_row["progress"]
    job.cancel_requested = bool(job_row["cancel_requested"])
    job.waiting_for = job_row["waiting_for"]
    job.error, job.error_code, job.hint = job_row["error"], job_row["error_code"], job_row["hint"]
    job.messages = json.loads(job_row["messages"]) if job_row["messages"] else None
    job.facts_stored = job_row["learnt"]
    return job


def reuse_completed_steps(job: ActiveJob, step_rows: list[dict[str, Any]]) -> None:
    """Take over the steps that an older job has done: they are done, and this job's to undo.

    What it skipped is checked again: it was found so where the older job stood.
    """
    kept = {row["key"]: row for row in step_rows}
    for step in job.steps:
        row = kept.get(step.key)
        if row is not None and row["status"] == StepStatus.COMPLETED:
            _restore(step, row)


def _restore(step: ActiveStep, row: Mapping[str, Any]) -> None:
    step.status = StepStatus(row["status"])
    step.attempt = row["attempt"]
    step.may_have_changed = bool(row["touched"])
    step.progress = json.loads(row["progress"]) if row["progress"] else None
    step.started_at, step.completed_at = row["started_at"], row["completed_at"]
    step.error = row["error"]
    step.messages = json.loads(row["messages"]) if row["messages"] else step.messages
    step.started_clock = monotonic()
