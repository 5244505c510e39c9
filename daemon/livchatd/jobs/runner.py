"""The runner: takes one job forward to its end, or back to where it began."""

from __future__ import annotations

import asyncio
import logging
from itertools import count
from time import monotonic
from typing import Any

from livchat.errors import LivChatError, TimedOut
from livchat.job_state import JobStatus, StepStatus
from livchat.messages import DAEMON_FAULT, STEP_FAILED, TOOK_TOO_LONG, references
from livchatd.jobs.active import ActiveJob, ActiveStep
from livchatd.jobs.durations import Durations
from livchatd.jobs.recorder import ActiveStepContext, Recorder
from livchatd.jobs.retry import RetryPolicy, is_transient
from livchatd.jobs.rollback import RollbackResult, nothing_undone, roll_back, stop_interrupted
from livchatd.jobs.step import Recovery, Retry, Step
from livchatd.storage.database import now

logger = logging.getLogger(__name__)

ON_END_SECONDS = 300.0
"""How long a workflow's `on_end` may take."""
FORCED_ON_END_SECONDS = 3.0
"""How long it may take once a person forces the end."""
GRACE_SECONDS = 1.0
"""How long interrupted steps have, at least, before a person's force abandons them."""


class NeedsManualDecision(LivChatError):
    """A step was interrupted where only a person can know what became of it."""

    code = "needs_person"


class Runner:
    """Runs a job's steps: each is durable before the next begins, independent ones side by side."""

    def __init__(self, recorder: Recorder, durations: Durations, policy: RetryPolicy) -> None:
        self._recorder = recorder
        self._durations = durations
        self._policy = policy

    async def drive(self, job: ActiveJob) -> None:
        """Take a job to its end. Cancelling this task leaves the job to be resumed."""
        try:
            failed = next((s for s in job.steps if s.status is StepStatus.FAILED), None)
            if failed is None and not job.cancel_requested:
                failed = await self._forward(job)
            else:
                _mark_interrupted(job)
            await self._finish(job, failed)
        except asyncio.CancelledError:
            raise
        except Exception as bug:
            logger.exception("job %s: the runner broke", job.job_id)
            await self._end_broken(job, bug)

    async def withdraw(self, job: ActiveJob) -> None:
        """End a job that has not begun as cancelled; its turn must not come any more."""
        for step in job.steps:
            if step.status is StepStatus.PENDING:
                step.status = StepStatus.CANCELLED
        job.steps_to_record = list(job.steps)
        ending = {"cancel_requested": True}
        await self._end(job, JobStatus.CANCELLED, RollbackResult(), ending)

    async def _forward(self, job: ActiveJob) -> ActiveStep | None:
        """Run steps until none is left, one fails or the job is cancelled; return a failed one."""
        fields = self._start(job)
        resumed = [s for s in job.steps if s.status is StepStatus.RUNNING]
        failed: ActiveStep | None = None
        try:
            while failed is None and not job.cancel_requested:
                begun = [*resumed, *job.ready_steps()]
                if not begun and not job.workers:
                    return None
                for step in begun:
                    step.begin(may_change=not _defines_check(job.definitions[step.key]))
                if begun or fields:
                    kind = "step" if begun else "job"
                    await self._recorder.change(job, begun, fields, kind=kind)
                if _cancel_requested(job):
                    break
                for step in begun:
                    work = self._work(job, step, resumed=step in resumed)
                    task = asyncio.create_task(work)
                    task.add_done_callback(job.wake)
                    job.workers[task] = step
                resumed, fields = [], {}
                failed = await self._wait(job)
        finally:
            await _stop(job)
        await self._record_interrupted(job, failed)
        return failed

    def _start(self, job: ActiveJob) -> dict[str, Any]:
        """Let a queued job run; return the fields that change."""
        if job.status is not JobStatus.QUEUED:
            return {}
        job.status = JobStatus.RUNNING
        self._recorder.count_status_change(job, JobStatus.QUEUED, JobStatus.RUNNING)
        return {"status": "running", "started_at": now(), "waiting_for": None}

    async def _wait(self, job: ActiveJob) -> ActiveStep | None:
        """Wait until steps end, note what became of them, and return one that failed."""
        if not job.cancel_requested and not any(task.done() for task in job.workers):
            job.wakeup = asyncio.get_running_loop().create_future()
            await job.wakeup
        failed: ActiveStep | None = None
        for task in [task for task in job.workers if task.done()]:
            step = job.workers.pop(task)
            error = None if task.cancelled() else task.exception()
            if task.cancelled():
                step.status = StepStatus.CANCELLED
            elif error is not None:
                failed = failed or step
                self._note_failure(job, step, error, first=failed is step)
            else:
                self._note_duration(job, step)
            step.completed_at = now()
            job.steps_to_record.append(step)
        return failed

    def _note_duration(self, job: ActiveJob, step: ActiveStep) -> None:
        if step.status is StepStatus.COMPLETED and step.attempt == 1:
            seconds = monotonic() - step.started_clock
            row = self._durations.add(step.key, job.duration_key, seconds)
            if row is not None:
                job.durations_to_record.append(row)

    def _note_failure(
        self, job: ActiveJob, step: ActiveStep, error: BaseException, *, first: bool
    ) -> None:
        step.status = StepStatus.FAILED
        failure = _as_livchat_error(error)
        clean = self._recorder.clean
        step.set_error(clean(failure.message), references({"error": failure.message}, clean))
        if first:
            title = job.definitions[step.key].title
            message = STEP_FAILED(step=title, error=failure.message)
            job.error = clean(message)
            job.error_code = failure.code
            job.hint = failure.hint or f"livchat job retry {job.job_id}"
            job.messages = references({"error": message, "hint": job.hint}, clean)
        if not isinstance(error, LivChatError | Retry | TimeoutError):
            logger.error("job %s, step %s", job.job_id, step.title, exc_info=error)

    async def _record_interrupted(self, job: ActiveJob, failed: ActiveStep | None) -> None:
        """Record what was interrupted, and why the job fails, before anything is undone."""
        _mark_interrupted(job)
        fields = _error_fields(job) if failed is not None else {}
        if job.steps_to_record or fields:
            await self._recorder.change(job, [], fields)

    async def _finish(self, job: ActiveJob, failed: ActiveStep | None) -> None:
        """Undo what is to be undone, and record the end."""
        result = RollbackResult()
        cancelled = job.cancel_requested and not _past_no_return(job)
        if cancelled or failed is not None:
            await stop_interrupted(job, self._recorder, self._policy)
            group = None
            if failed is not None and not cancelled:
                group = job.definitions[failed.key].rollback_group
            result = await roll_back(
                job, self._recorder, self._policy, rollback_group=group, everything=cancelled
            )
        if cancelled:
            await self._end(job, JobStatus.CANCELLED, result, {})
        elif failed is not None:
            await self._end(job, JobStatus.FAILED, result, _error_fields(job))
        else:
            outcome = job.workflow.result(job.params, job.facts)
            await self._end(job, JobStatus.COMPLETED, None, {"result": outcome})

    async def _end_broken(self, job: ActiveJob, bug: Exception) -> None:
        """End a job as failed since the runner itself broke, whatever else is wrong."""
        await _stop(job)
        _mark_interrupted(job)
        error = {
            "error": DAEMON_FAULT(kind=type(bug).__name__),
            "error_code": LivChatError.code,
            "hint": "livchat daemon logs",
        }
        await self._end(job, JobStatus.FAILED, nothing_undone(job, self._recorder), error)

    async def _end(
        self,
        job: ActiveJob,
        status: JobStatus,
        result: RollbackResult | None,
        fields: dict[str, Any],
    ) -> None:
        """Call the workflow's `on_end`, then record the end."""
        if job.workflow.on_end is not None:
            try:
                async with asyncio.timeout(FORCED_ON_END_SECONDS if job.force else ON_END_SECONDS):
                    await job.workflow.on_end(job.params, job.facts, status)
            except Exception:
                logger.exception("job %s: could not settle", job.job_id)
        before, job.status = job.status, status
        ending = {**fields, "status": status.value, "completed_at": now(), "waiting_for": None}
        if result is not None:
            ending["rollback"] = result.rollback.value
            ending["left_behind"] = result.left
        await self._recorder.change(job, [], ending, kind="end")
        self._recorder.count_status_change(job, before, status)

    async def _work(self, job: ActiveJob, step: ActiveStep, *, resumed: bool) -> None:
        """Try one step until it is done; raises once it fails for good."""
        definition = job.definitions[step.key]
        context = ActiveStepContext(job, step, self._recorder)
        if resumed and step.may_have_changed and definition.recovery is Recovery.MANUAL:
            raise NeedsManualDecision(
                "the daemon was stopped in the middle, and only you can know what became of it",
                hint=f"look at it, then: livchat job retry {job.job_id}",
            )
        failed_first: float | None = None
        for attempt in count(1):
            try:
                async with asyncio.timeout(definition.deadline):
                    await self._attempt(job, step, context)
            except (Retry, LivChatError, TimeoutError) as error:
                failed_first = failed_first or monotonic()
                exhausted = self._policy.exhausted(
                    attempt,
                    definition.min_attempts,
                    monotonic() - failed_first,
                    definition.retry_for,
                )
                if exhausted or not is_transient(error) or job.cancel_requested:
                    raise
                await self._pause(job, step, context, error, attempt)
            else:
                step.set_error(None, None)
                return

    async def _attempt(self, job: ActiveJob, step: ActiveStep, context: ActiveStepContext) -> None:
        """Check, apply and verify a step once.

        What is there already is skipped, unless an earlier attempt may have made it.
        """
        definition = job.definitions[step.key]
        if _defines_check(definition):
            applied_before = step.may_have_changed
            if await definition.check(context):
                step.status = StepStatus.COMPLETED if applied_before else StepStatus.SKIPPED
                return
        if not step.may_have_changed:
            step.may_have_changed = True
            await self._recorder.mark_may_have_changed(job, step)
        await definition.apply(context)
        await definition.verify(context)
        step.status = StepStatus.COMPLETED

    async def _pause(
        self,
        job: ActiveJob,
        step: ActiveStep,
        context: ActiveStepContext,
        error: BaseException,
        attempt: int,
    ) -> None:
        """Log the error, record that there is another attempt, and wait for it."""
        message, seconds = _as_livchat_error(error).message, self._policy.backoff(error, attempt)
        when = f" in {seconds:.0f} s" if seconds >= 1 else ""
        context.log(f"{message}; trying again{when}", "warning")
        clean = self._recorder.clean
        step.set_error(clean(message), references({"error": message}, clean))
        step.attempt += 1
        await self._recorder.change(job, [step], kind="step")
        await asyncio.sleep(seconds)


def _cancel_requested(job: ActiveJob) -> bool:
    """Read it anew: it may have changed while something was recorded."""
    return job.cancel_requested


def _past_no_return(job: ActiveJob) -> bool:
    """Whether a step was done, before a cancel could stop it, after which nothing is undone."""
    return any(
        job.definitions[step.key].point_of_no_return and step.status is StepStatus.COMPLETED
        for step in job.steps
    )


def _error_fields(job: ActiveJob) -> dict[str, Any]:
    found = {"error": job.error, "error_code": job.error_code, "hint": job.hint}
    return {**found, "messages": job.messages} if job.messages else found


async def _stop(job: ActiveJob) -> None:
    """Interrupt the steps at work and wait until they have stopped, or a person's force."""
    job.cancel_steps()
    while job.workers:
        done, _ = await asyncio.wait(job.workers, timeout=GRACE_SECONDS)
        for task in done:
            step = job.workers.pop(task)
            if not task.cancelled() and task.exception() is None:
                step.completed_at = now()
                job.steps_to_record.append(step)
        if job.force and not done:
            _abandon(job)


def _abandon(job: ActiveJob) -> None:
    """Wait no more for the steps at work; what they do from now on is not recorded."""
    for task, step in job.workers.items():
        job.abandoned.append(step)
        task.add_done_callback(lambda task: task.cancelled() or task.exception())
    job.workers.clear()


def _mark_interrupted(job: ActiveJob) -> None:
    for step in job.steps:
        if step.status is StepStatus.RUNNING:
            step.status = StepStatus.CANCELLED
            step.completed_at = now()
            job.steps_to_record.append(step)


def _defines_check(definition: Step[Any]) -> bool:
    """Whether a step has a check of its own."""
    return type(definition).check is not Step.check


def _as_livchat_error(error: BaseException) -> LivChatError:
    """Return any failure as one that has a code and a hint."""
    if isinstance(error, LivChatError):
        return error
    if isinstance(error, Retry):
        return TimedOut(error.reason)
    if isinstance(error, TimeoutError):
        return TimedOut(TOOK_TOO_LONG())
    return LivChatError(DAEMON_FAULT(kind=type(error).__name__), hint="livchat daemon logs")
