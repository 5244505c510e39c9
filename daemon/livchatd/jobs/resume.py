"""Jobs taken up again: from the table after a restart, from an older job by a retry."""

from __future__ import annotations

import json
from collections.abc import Mapping
from time import monotonic
from typing import Any

from livchat.errors import LivChatError
from livchat.wire.jobs import JobStatus, StepStatus
from livchatd.jobs.active import Live, LiveStep
from livchatd.jobs.step import Workflow


def restore(
    row: Mapping[str, Any], rows: list[dict[str, Any]], workflows: Mapping[str, Workflow[Any, Any]]
) -> Live:
    """A live job from its rows.

    Steps are known by key, over versions of the code: one that the workflow no longer has is left
    out, a new one is to come.
    """
    workflow = workflows.get(row["type"])
    if workflow is None:
        raise LivChatError(
            f"cannot go on with {row['job_id']}: this version knows no workflow '{row['type']}'",
            hint="start the version of livchatd that began it",
        )
    params = workflow.params.model_validate_json(row["params"])
    plan = {step.key: step for step in workflow.steps(params)}
    kept = {old["key"]: old for old in rows}
    steps = []
    for position, (key, step) in enumerate(plan.items()):
        old = kept.get(key)
        expected = old["expected"] if old else step.usually
        fresh = LiveStep(position, key, step.title, expected)
        if old is not None:
            _take(fresh, old)
        steps.append(fresh)
    learnt = workflow.learnt.model_validate_json(row["learnt"])
    of = (row["job_id"], row["type"], workflow, params, learnt, plan, steps)
    live = Live(*of, row["server"], row["variant"], row["origin"])
    live.n = row["n"]
    live.status = JobStatus(row["status"])
    live.progress = row["progress"]
    live.cancel_requested = bool(row["cancel_requested"])
    live.waiting_for = row["waiting_for"]
    live.error, live.error_code, live.hint = row["error"], row["error_code"], row["hint"]
    live.saved = row["learnt"]
    live.resumed = True
    return live


def reused(live: Live, rows: list[dict[str, Any]]) -> None:
    """Take over the steps that an older job has done: they are done, and this job's to undo.

    What it skipped is looked at again: it was found so where the older job stood.
    """
    kept = {old["key"]: old for old in rows}
    for step in live.steps:
        old = kept.get(step.key)
        if old is not None and old["status"] == StepStatus.COMPLETED:
            _take(step, old)


def _take(step: LiveStep, old: Mapping[str, Any]) -> None:
    step.status = StepStatus(old["status"])
    step.attempt = old["attempt"]
    step.touched = bool(old["touched"])
    step.progress = json.loads(old["progress"]) if old["progress"] else None
    step.started_at, step.completed_at, step.error = (
        old["started_at"],
        old["completed_at"],
        old["error"],
    )
    step.began = monotonic()
