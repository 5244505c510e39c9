"""Rollback: undoing in reverse what a job did, never what it found, and telling what is left."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from time import monotonic
from typing import Any

from livchat.errors import LivChatError
from livchat.job_state import Rollback, StepStatus
from livchatd.jobs.active import ActiveJob, ActiveStep
from livchatd.jobs.recorder import ActiveStepContext, Recorder
from livchatd.jobs.retry import RetryPolicy, is_transient
from livchatd.jobs.step import Retry, Step
from livchatd.storage.database import now

logger = logging.getLogger(__name__)

MIN_ATTEMPTS = 4
"""How often an undo is tried, at least, where it fails for a transient reason."""
DEADLINE_SECONDS = 300.0
"""How long one undo may take."""
FORCE_CHECK_SECONDS = 0.2
"""How soon a person's force is seen."""

_TO_UNDO = frozenset(
    {StepStatus.COMPLETED, StepStatus.FAILED, StepStatus.CANCELLED, StepStatus.RUNNING}
)


@dataclass
class RollbackResult:
    """What came of a rollback: how clean it is, and what is left, in a person's words."""

    rollback: Rollback = Rollback.NONE
    left: list[str] = field(default_factory=list)


def nothing_undone(job: ActiveJob, recorder: Recorder) -> RollbackResult:
    """Return the result where nothing was undone: all that the job did is left."""
    left: list[str] = []
    for step in _steps_to_undo(job):
        left.extend(_leftovers(job, step, ActiveStepContext(job, step, recorder)))
    return RollbackResult(Rollback.NONE, left)


async def roll_back(
    job: ActiveJob,
    recorder: Recorder,
    policy: RetryPolicy,
    *,
    rollback_group: str | None,
    everything: bool,
) -> RollbackResult:
    """Undo the steps of a rollback group, or all; those that are part of an undone one go with it.

    A step without an undo stays, as does one whose undo fails: both are told as left.
    """
    done = _steps_to_undo(job)
    chosen = [
        step
        for step in done
        if everything
        or (rollback_group and job.definitions[step.key].rollback_group == rollback_group)
    ]
    undoable = {s.key for s in chosen if type(job.definitions[s.key]).undo is not Step.undo}
    any_undone = any(step.status is StepStatus.UNDONE for step in job.steps)
    left: dict[str, list[str]] = {}
    for step in reversed(done):
        if not undoable.isdisjoint(_containing(job, step)):
            continue
        context = ActiveStepContext(job, step, recorder)
        parts = [other for other in done if step.key in _containing(job, other)]
        if step.key in undoable and not job.force:
            undo = partial(job.definitions[step.key].undo, context)
            if await _try(job, step, undo, context, policy):
                any_undone = True
                await _record_undone(job, recorder, step, parts)
                continue
            await _record_half_undone(job, recorder, step)
        left[step.key] = _leftovers(job, step, context)
        if step.key in undoable:
            left.update((part.key, _leftovers(job, part, context)) for part in parts)
    remains = [thing for step in job.steps for thing in left.get(step.key, [])]
    remains += [f"'{step.title}' was given up while it was at work" for step in job.abandoned]
    if not chosen and not any_undone:
        return RollbackResult(Rollback.NONE, remains)
    if remains:
        partly = everything or any_undone
        return RollbackResult(Rollback.PARTIAL if partly else Rollback.NONE, remains)
    return RollbackResult(Rollback.CLEAN, remains)


async def stop_interrupted(job: ActiveJob, recorder: Recorder, policy: RetryPolicy) -> None:
    """Stop what interrupted steps left at work, now or before a crash.

    Nothing is stopped that is part of a thing which will be undone: it goes with it. A step that
    cannot be stopped counts as abandoned.
    """
    done = _steps_to_undo(job)
    keys = {step.key for step in done}
    for step in done:
        definition = job.definitions[step.key]
        if step.status is StepStatus.COMPLETED or step in job.abandoned:
            continue
        if type(definition).stop is Step.stop:
            continue
        if job.cancel_requested and not keys.isdisjoint(_containing(job, step)):
            continue
        context = ActiveStepContext(job, step, recorder)
        if not await _try(job, step, partial(definition.stop, context), context, policy):
            job.abandoned.append(step)


async def _try(
    job: ActiveJob,
    step: ActiveStep,
    work: Callable[[], Coroutine[Any, Any, None]],
    context: ActiveStepContext,
    policy: RetryPolicy,
) -> bool:
    """Do it, again where it fails for a transient reason; return whether it is done."""
    failed_first: float | None = None
    for attempt in count(1):
        try:
            return await _unless_forced(job, work())
        except (LivChatError, Retry, TimeoutError) as error:
            failed_first = failed_first or monotonic()
            context.log(f"cannot undo this yet: {error}", "warning")
            retry_for = job.definitions[step.key].retry_for
            if not is_transient(error) or policy.exhausted(
                attempt, MIN_ATTEMPTS, monotonic() - failed_first, retry_for
            ):
                return False
            if not await _pause(job, policy.backoff(error, attempt)):
                return False
        except Exception:
            logger.exception("job %s: undo of %s", job.job_id, step.title)
            return False
    return False


async def _pause(job: ActiveJob, seconds: float) -> bool:
    """Wait before the next attempt; return False as soon as a person gives it up by force."""
    until = monotonic() + seconds
    while not job.force and (left := until - monotonic()) > 0:  # noqa: ASYNC110 - a flag
        await asyncio.sleep(min(left, FORCE_CHECK_SECONDS))
    return not job.force


async def _unless_forced(job: ActiveJob, undoing: Coroutine[Any, Any, None]) -> bool:
    """Wait for an undo, unless a person gives it up by force; return whether it ended.

    Raises what it raises, and `TimeoutError` if it takes too long.
    """
    work = asyncio.create_task(undoing)
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not work.done() and not job.force:
                await asyncio.wait({work}, timeout=FORCE_CHECK_SECONDS)
        if work.done():
            await work
        return work.done()
    finally:
        if not work.done():
            work.cancel()
            await asyncio.wait({work}, timeout=5)


async def _record_undone(
    job: ActiveJob, recorder: Recorder, step: ActiveStep, parts: list[ActiveStep]
) -> None:
    for undone in (*parts, step):
        undone.status = StepStatus.UNDONE
        undone.completed_at = now()
    await recorder.change(job, [*parts, step], kind="step")


async def _record_half_undone(job: ActiveJob, recorder: Recorder, step: ActiveStep) -> None:
    """Record that part of it may be gone: a retry must not take it for done."""
    step.status = StepStatus.FAILED
    step.error = step.error or "it could not be undone"
    await recorder.change(job, [step], kind="step")


def _containing(job: ActiveJob, step: ActiveStep) -> set[str]:
    """Return the keys of the steps that this one is a part of, directly or not."""
    found: set[str] = set()
    key = job.definitions[step.key].part_of
    while key is not None and key in job.definitions:
        found.add(key)
        key = job.definitions[key].part_of
    return found


def _steps_to_undo(job: ActiveJob) -> list[ActiveStep]:
    return [step for step in job.steps if step.may_have_changed and step.status in _TO_UNDO]


def _leftovers(job: ActiveJob, step: ActiveStep, context: ActiveStepContext) -> list[str]:
    try:
        return job.definitions[step.key].leftovers(context)
    except Exception:
        logger.exception("job %s: what %s leaves", job.job_id, step.title)
        return [step.title]
