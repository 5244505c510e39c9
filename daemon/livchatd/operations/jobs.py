"""Jobs: listed, shown, waited for, followed, cancelled, retried, pruned."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from livchat.job_state import ENDED, JobStatus
from livchat.wire.config import Done
from livchat.wire.jobs import CancelAnswer
from livchatd.jobs.engine import Engine
from livchatd.jobs.event_feed import Event
from livchatd.jobs.idempotency import AcceptedJob, Caller
from livchatd.jobs.job_lists import JobFilter


@dataclass(frozen=True)
class JobOperations:
    """What can be asked about jobs. A job is a JSON object as the engine has it."""

    engine: Engine

    async def page(
        self,
        status: JobStatus | None,
        job_type: str | None,
        server: str | None,
        limit: int,
        cursor: str | None,
    ) -> str:
        """Return a page of jobs, newest first, as JSON text.

        The engine keeps the text of each job in a list: nothing is parsed to be written again.
        """
        before = int(cursor) if cursor else None
        jobs, total, following = await self.engine.jobs(
            JobFilter(status.value if status else None, job_type, server, limit, before)
        )
        next_cursor = json.dumps(None if following is None else str(following))
        return f'{{"jobs":{jobs},"total":{total},"next_cursor":{next_cursor}}}'

    def show(self, job_id: str) -> dict[str, Any]:
        """Return a job; `NotFound`."""
        return self.engine.job(job_id)

    async def logs(
        self, job_id: str, tail: int, step: str | None, level: str | None
    ) -> dict[str, Any]:
        """Return the last `tail` lines of a job's log that match; `NotFound`."""
        return await self.engine.logs(job_id, tail, step, level)

    async def wait(self, job_id: str, seconds: float) -> dict[str, Any]:
        """Return a job once it has ended, or as it is after so many seconds; `NotFound`."""
        return await self.engine.wait(job_id, seconds)

    def follow(self, job_id: str | None, after: str | None) -> AsyncIterator[list[Event]]:
        """Yield batches of events of a job, or of all, after a cursor; an empty one now and then.

        Raises `NotFound` and `CursorGone` before the first batch.
        """
        return self.engine.follow(job_id, after)

    async def cancel(self, job_id: str, *, force: bool) -> CancelAnswer:
        """Ask a job to stop, with `force` without a rollback.

        Raises `NotFound` for the job, `Conflict` if it has ended.
        """
        job = await self.engine.cancel(job_id, force=force)
        status = JobStatus(job["status"])
        message = "cancelled" if status in ENDED else "cancelling: it stops at the next safe point"
        return CancelAnswer(success=True, message=message, job_id=job_id, status=status)

    async def retry(self, job_id: str, caller: Caller) -> AcceptedJob:
        """Submit a job that goes on where a failed or cancelled one ended.

        Raises `NotFound` for the job, `Conflict` if it has not failed and was not cancelled.
        """
        return await self.engine.retry(job_id, caller)

    async def prune(self, age: timedelta, status: str | None) -> Done:
        """Delete the jobs that ended longer ago than `age`, of one status or of all."""
        removed = await self.engine.prune(age, status)
        return Done(success=True, message=f"{removed} jobs deleted", data={"removed": removed})
