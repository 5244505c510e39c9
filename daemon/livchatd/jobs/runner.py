"""The runner: drives one job forward to its end, or back to where it began."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from itertools import count
from time import monotonic
from typing import Any

from livchat.errors import LivChatError, TimedOut
from livchat.wire.jobs import JobStatus, StepStatus
from livchatd.jobs.active import Live, LiveStep, begin
from livchatd.jobs.durations import Durations
from livchatd.jobs.recorder import Recorder
from livchatd.jobs.retry import Patience, passes
from livchatd.jobs.rollback import Undo, halt, undo
from livchatd.jobs.step import Recovery, Retry, Step
from livchatd.jobs.step_context import StepRun
from livchatd.storage.database import now

logger = logging.getLogger(__name__)


SETTLING = 300.0
"""Seconds that putting records right may take."""
SETTLING_BY_FORCE = 3.0
GRACE = 1.0
"""Seconds that interrupted steps have, at least, before a person's force gives them up."""


class NeedsPerson(LivChatError):
    """A step was interrupted where only a person can know what became of it."""

    code = "needs_person"


class Runner:
    """Runs a job's steps: each durable before the next begins, independent ones side by side."""

    def __init__(
        self,
        recorder: Recorder,
        durations: Durations,
        redact: Callable[[str], str],
        patience: Patience,
    ) -> None:
        self._recorder = recorder
        self._durations = durations
        self._redact = redact
        self._patience = patience

    async def drive(self, live: Live) -> None:
        """Take a job to its end. Cancelling this task leaves the job to be resumed."""
        try:
            failed = next((s for s in live.steps if s.status is StepStatus.FAILED), None)
            if failed is None and not live.cancel_requested:
                failed = await self._forward(live)
            else:
                _mark_interrupted(live)
            await self._finish(live, failed)
        except asyncio.CancelledError:
            raise
        except Exception as bug:
            logger.exception("job %s: the runner broke", live.job_id)
            await self._broke(live, bug)

    async def _forward(self, live: Live) -> LiveStep | None:
        """Run steps until none is left, one fails or the job is cancelled; the one that failed."""
        fields = self._starts(live)
        again = [s for s in live.steps if s.status is StepStatus.RUNNING]
        failed: LiveStep | None = None
        try:
            while failed is None and not live.cancel_requested:
                begun = [*again, *live.ready()]
                if not begun and not live.workers:
                    return None
                for step in begun:
                    begin(step, touched=not _has(live.plan[step.key], "check"))
                if begun or fields:
                    await self._recorder.change(
                        live, begun, fields, kind="step" if begun else "job"
                    )
                if _asked_to_stop(live):
                    break
                for step in begun:
                    work = self._work(live, step, resumed=step in again)
                    task = asyncio.create_task(work)
                    task.add_done_callback(live.ring)
                    live.workers[task] = step
                again, fields = [], {}
                failed = await self._wait(live)
        finally:
            await _stop(live)
        await self._interrupted(live, failed)
        return failed

    def _starts(self, live: Live) -> dict[str, Any]:
        if live.status is not JobStatus.QUEUED:
            return {}
        live.status = JobStatus.RUNNING
        self._recorder.moved(live, JobStatus.QUEUED, JobStatus.RUNNING)
        return {"status": "running", "started_at": now(), "waiting_for": None}

    async def _wait(self, live: Live) -> LiveStep | None:
        """Wait until steps end; note those that did, and return one that failed."""
        if not live.cancel_requested and not any(task.done() for task in live.workers):
            live.bell = asyncio.get_running_loop().create_future()
            await live.bell
        failed: LiveStep | None = None
        for task in [task for task in live.workers if task.done()]:
            step = live.workers.pop(task)
            error = None if task.cancelled() else task.exception()
            if task.cancelled():
                step.status = StepStatus.CANCELLED
            elif error is not None:
                failed = failed or step
                self._noted(live, step, error, first=failed is step)
            else:
                self._measured(live, step)
            step.completed_at = now()
            live.changed.append(step)
        return failed

    def _measured(self, live: Live, step: LiveStep) -> None:
        if step.status is StepStatus.COMPLETED and step.attempt == 1:
            row = self._durations.add(step.key, live.variant, monotonic() - step.began)
            if row is not None:
                live.took.append(row)

    def _noted(self, live: Live, step: LiveStep, error: BaseException, *, first: bool) -> None:
        step.status = StepStatus.FAILED
        told = _told(error)
        step.error = self._redact(told.message)
        if first:
            live.error = f"{step.title}: {step.error}"
            live.error_code = told.code
            live.hint = told.hint or f"livchat job retry {live.job_id}"
        if not isinstance(error, LivChatError | Retry | TimeoutError):
            logger.error("job %s, step %s", live.job_id, step.title, exc_info=error)

    async def _interrupted(self, live: Live, failed: LiveStep | None) -> None:
        """Write down what was interrupted, and why the job fails, before anything is undone."""
        _mark_interrupted(live)
        fields: dict[str, Any] = {}
        if failed is not None:
            fields = {"error": live.error, "error_code": live.error_code, "hint": live.hint}
        if live.changed or fields:
            await self._recorder.change(live, [], fields)

    async def _finish(self, live: Live, failed: LiveStep | None) -> None:
        """Undo what is to be undone, settle, and write the end."""
        back = Undo()
        cancelled = live.cancel_requested and not _too_late(live)
        if cancelled or failed is not None:
            await halt(live, self._recorder, self._redact, self._patience)
            lane = None if cancelled or failed is None else live.plan[failed.key].lane
            tools = (self._recorder, self._redact, self._patience)
            back = await undo(live, *tools, lane=lane, everything=cancelled)
        if cancelled:
            await self._end(live, JobStatus.CANCELLED, back, {})
        elif failed is not None:
            error = {"error": live.error, "error_code": live.error_code, "hint": live.hint}
            await self._end(live, JobStatus.FAILED, back, error)
        else:
            result = live.workflow.result(live.params, live.learnt)
            await self._end(live, JobStatus.COMPLETED, None, {"result": result})

    async def _broke(self, live: Live, bug: Exception) -> None:
        """The runner itself failed: end the job as failed, whatever else is wrong."""
        await _stop(live)
        _mark_interrupted(live)
        error = {
            "error": f"the daemon met a fault of its own: {type(bug).__name__}",
            "error_code": LivChatError.code,
            "hint": "livchat daemon logs",
        }
        await self._end(
            live, JobStatus.FAILED, Undo.of_all(live, self._recorder, self._redact), error
        )

    async def _end(
        self, live: Live, status: JobStatus, back: Undo | None, fields: dict[str, Any]
    ) -> None:
        if live.workflow.settle is not None:
            try:
                async with asyncio.timeout(SETTLING_BY_FORCE if live.force else SETTLING):
                    await live.workflow.settle(live.params, live.learnt, status)
            except Exception:
                logger.exception("job %s: could not settle", live.job_id)
        before, live.status = live.status, status
        ending = {**fields, "status": status.value, "completed_at": now(), "waiting_for": None}
        if back is not None:
            ending["rollback"] = back.rollback.value
            ending["left_behind"] = back.left
        await self._recorder.change(live, [], ending, kind="end")
        self._recorder.moved(live, before, status)

    async def _work(self, live: Live, step: LiveStep, *, resumed: bool) -> None:
        """One step: try it until it is done, or fails for a reason that does not pass."""
        plan = live.plan[step.key]
        run = StepRun(live, step, self._recorder, self._redact)
        if resumed and step.touched and plan.recovery is Recovery.ASK:
            raise NeedsPerson(
                "the daemon was stopped in the middle, and only you can know what became of it",
                hint=f"look at it, then: livchat job retry {live.job_id}",
            )
        failing: float | None = None
        for tries in count(1):
            look = plan.recovery is Recovery.LOOK or tries > 1
            try:
                async with asyncio.timeout(plan.deadline):
                    await self._attempt(live, step, run, look=look)
            except (Retry, LivChatError, TimeoutError) as error:
                failing = failing or monotonic()
                since = monotonic() - failing
                over = self._patience.over(tries, plan.attempts, since, plan.outage)
                if over or not passes(error) or live.cancel_requested:
                    raise
                await self._pause(live, step, run, error, tries)
            else:
                step.error = None
                return

    async def _attempt(self, live: Live, step: LiveStep, run: StepRun, *, look: bool) -> None:
        plan = live.plan[step.key]
        checks = _has(plan, "check")
        begun = step.touched and checks
        if checks and (look or not begun) and await plan.check(run):
            step.status = StepStatus.COMPLETED if begun else StepStatus.SKIPPED
            return
        if not step.touched:
            step.touched = True
            await self._recorder.touch(live, step)
        await plan.apply(run)
        await plan.verify(run)
        step.status = StepStatus.COMPLETED

    async def _pause(
        self, live: Live, step: LiveStep, run: StepRun, error: BaseException, tries: int
    ) -> None:
        told, wait = _told(error), self._patience.pause(error, tries)
        when = f" in {wait:.0f} s" if wait >= 1 else ""
        run.log(f"{told.message}; trying again{when}", "warning")
        step.error = self._redact(told.message)
        step.attempt += 1
        await self._recorder.change(live, [step], {}, kind="step")
        await asyncio.sleep(wait)


def _asked_to_stop(live: Live) -> bool:
    return live.cancel_requested


def _too_late(live: Live) -> bool:
    """Whether the last word was spoken before a cancel could stop it."""
    return any(live.plan[s.key].final and s.status is StepStatus.COMPLETED for s in live.steps)


async def _stop(live: Live) -> None:
    """Interrupt the steps at work and wait until they have stopped, or a person gives them up."""
    live.interrupt()
    while live.workers:
        done, _ = await asyncio.wait(live.workers, timeout=GRACE)
        for task in done:
            step = live.workers.pop(task)
            if not task.cancelled() and task.exception() is None:
                step.completed_at = now()
                live.changed.append(step)
        if live.force and not done:
            _abandon(live)


def _abandon(live: Live) -> None:
    """Wait no more for the steps at work; what they do from now on is nobody's concern."""
    for task, step in live.workers.items():
        live.abandoned.append(step)
        task.add_done_callback(lambda task: task.cancelled() or task.exception())
    live.workers.clear()


def _mark_interrupted(live: Live) -> None:
    for step in live.steps:
        if step.status is StepStatus.RUNNING:
            step.status = StepStatus.CANCELLED
            step.completed_at = now()
            live.changed.append(step)


def _has(step: Step[Any], verb: str) -> bool:
    """Whether a step defines a verb itself."""
    return getattr(type(step), verb) is not getattr(Step, verb)


def _told(error: BaseException) -> LivChatError:
    """Any failure as one that can be told."""
    if isinstance(error, LivChatError):
        return error
    if isinstance(error, Retry):
        return TimedOut(error.reason)
    if isinstance(error, TimeoutError):
        return TimedOut("it took longer than it may")
    return LivChatError(
        f"the daemon met a fault of its own: {type(error).__name__}", hint="livchat daemon logs"
    )
