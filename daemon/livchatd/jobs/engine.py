"""The engine: durable jobs that are submitted, cancelled, retried, listed, followed and pruned."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel

from livchat.errors import Conflict
from livchat.job_state import ENDED, JobStatus
from livchatd.jobs import job_table
from livchatd.jobs.active import ActiveJob, JobIds, ServerQueues, new_job
from livchatd.jobs.durations import Durations
from livchatd.jobs.event_feed import Event, EventFeed
from livchatd.jobs.idempotency import (
    ANONYMOUS,
    AcceptedJob,
    Caller,
    StoredResponse,
    StoredResponses,
    run_once,
)
from livchatd.jobs.job_lists import JobFilter, JobSummaries
from livchatd.jobs.maintenance import FIRST_AFTER_SECONDS, PERIOD_SECONDS, run_maintenance
from livchatd.jobs.recorder import Recorder, first_event
from livchatd.jobs.resume import resume, reuse_completed_steps
from livchatd.jobs.retry import RetryPolicy
from livchatd.jobs.runner import Runner
from livchatd.jobs.step import Workflow
from livchatd.storage.database import Database, Transaction

TICK_SECONDS = 0.25
"""The pause between looks at the progress of running steps."""
JOBS_PER_TURN = 16
"""How many jobs are looked at before others have the loop."""
HEARTBEAT_SECONDS = 15.0
"""The time between two heartbeats of the streams."""

_ENCODER = json.JSONEncoder(separators=(",", ":"))


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A job to be started.

    `guard` runs in the same transaction, before anything is written: it may raise `Conflict`, and
    may write once its checks have passed. `duration_key` names what durations depend on.
    """

    workflow: str
    params: BaseModel
    summary: str
    server: str | None = None
    duration_key: str = ""
    caller: Caller = ANONYMOUS
    guard: Callable[[Transaction], None] | None = None


class Engine:
    """Durable jobs. All methods are called on the loop that made the database.

    `redact` takes secrets out of a text; `max_running` is how many jobs run at once; `tempo`
    multiplies the pauses between attempts, and how long is tried; `poll_pace` the pauses of steps
    that poll, 0 leaving hardly any; `duration_scales` are those of `Durations`.
    """

    def __init__(  # noqa: PLR0913
        self,
        database: Database,
        workflows: Sequence[Workflow[Any, Any]],
        *,
        redact: Callable[[str], str] = str,
        version: str = "0",
        max_running: int = 256,
        tempo: float = 1.0,
        poll_pace: float = 1.0,
        duration_scales: Mapping[str, float] | None = None,
    ) -> None:
        self._database = database
        self._workflows = {workflow.name: workflow for workflow in workflows}
        self._version = version
        self.durations = Durations(duration_scales)
        newest = job_table.newest_seq(database.reader)
        self.feed = EventFeed(database.epoch, newest, self._read_events)
        self._recorder = Recorder(database, self.feed, redact, poll_pace)
        self._runner = Runner(self._recorder, self.durations, RetryPolicy(tempo))
        self._queues = ServerQueues(max_running)
        self._active: dict[str, ActiveJob] = {}
        self._ticker: asyncio.Task[None] | None = None
        self._maintenance: asyncio.Task[None] | None = None
        self._stopping = False
        self._ids = JobIds()
        self._summaries = JobSummaries(database.reader)
        self.responses = StoredResponses(database)

    async def start(self) -> None:
        """Take up every job that has not ended."""
        reader = self._database.reader
        self.durations.load(self._database)
        self._recorder.start_counting()
        self.responses.delete_expired()
        for row in job_table.open_jobs(reader):
            job = resume(row, job_table.steps_of(reader, row["n"]), self._workflows)
            self._active[job.job_id] = job
            self._queues.enqueue(job)
        self._start_ready()
        self._ticker = asyncio.create_task(self._tick())

    async def stop(self, grace: float = 1.5) -> None:
        """Stop the work without ending the jobs: they go on at the next start.

        Waits `grace` seconds at most for what is at work.
        """
        self._stopping = True
        self.feed.close()
        for task in (self._ticker, self._maintenance):
            if task is not None:
                task.cancel()
        tasks = {job.task for job in self._active.values() if job.task is not None}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=grace)

    async def submit(self, submission: Submission) -> AcceptedJob:
        """Start a job: durable when this returns, at work in the same tick if its turn has come.

        A request with a key that is known gets the job of the first time, and starts none. Raises
        what the guard raises, and `InvalidRequest` for a key that was used for another request.
        """
        job = self._new_job(
            submission.workflow, submission.params, submission.server, submission.duration_key
        )
        return await self._add(job, submission.summary, submission.caller, guard=submission.guard)

    async def retry(self, job_id: str, caller: Caller = ANONYMOUS) -> AcceptedJob:
        """Start a job that goes on where a failed or cancelled one ended, with its facts.

        Raises `Conflict` if the job may not be retried, `NotFound` if there is none.
        """
        old = job_table.job_row(self._database.reader, job_id)
        if old["status"] not in {JobStatus.FAILED, JobStatus.CANCELLED}:
            raise Conflict(
                f"cannot retry {job_id}: it is {old['status']}",
                hint=f"livchat job show {job_id}",
                details={"job_id": job_id, "status": old["status"]},
            )
        workflow = self._workflows[old["type"]]
        params = workflow.params.model_validate_json(old["params"])
        job = self._new_job(old["type"], params, old["server"], old["variant"])
        job.root_job_id = old["origin"]
        job.facts = workflow.facts.model_validate_json(old["learnt"])
        job.facts_stored = job.facts.model_dump_json()
        reuse_completed_steps(job, job_table.steps_of(self._database.reader, old["n"]))
        return await self._add(job, old["summary"], caller, retry_of=job_id)

    async def cancel(self, job_id: str, *, force: bool = False) -> dict[str, Any]:
        """Ask a job to stop, and return it. A queued one ends at once.

        `force` abandons steps at work and an undo under way. Raises `Conflict` if the job has
        ended, `NotFound` if there is none.
        """
        job = self._active.get(job_id)
        if job is not None and job.status in ENDED:
            # Its end is being written: nothing may come after it.
            await job.ended.wait()
            job = None
        if job is None:
            status = self.job(job_id)["status"]
            raise Conflict(
                f"cannot cancel {job_id}: it has ended ({status})",
                hint=f"livchat job show {job_id}",
                details={"job_id": job_id, "status": status},
            )
        job.force = job.force or force
        if not job.cancel_requested:
            job.cancel_requested = True
            if job.status is JobStatus.QUEUED and job.task is None:
                await self._withdraw(job)
            else:
                await self._recorder.change(job, [], {"cancel_requested": True})
        job.cancel_steps()
        job.wake()
        return self.job(job_id)

    async def prune(self, older_than: timedelta, status: str | None = None) -> int:
        """Delete jobs that ended longer ago than this; return how many."""
        before = (datetime.now(UTC) - older_than).isoformat(timespec="microseconds")[:-6] + "Z"
        pruned = await self._database.write(lambda tx: job_table.prune(tx, before, status))
        self._summaries.clear()
        for kind in pruned:
            self._recorder.add_to_counts(kind, -1)
        return len(pruned)

    def job(self, job_id: str) -> dict[str, Any]:
        """Return a job as `GET /api/jobs/{job_id}` shows it; `NotFound`."""
        return job_table.read_job(
            self._database.reader, job_id, self._database.epoch, self.feed.head
        )

    async def jobs(self, job_filter: JobFilter) -> tuple[str, int, int | None]:
        """Return a page as a JSON array, how many jobs match, and the `before` of the next page."""
        await self._recorder.counted.wait()
        total = self._recorder.counts[job_filter.type, job_filter.status, job_filter.server]
        if not total:
            return "[]", 0, None
        page, more = self._summaries.page(job_filter)
        return page, total, more

    async def logs(
        self, job_id: str, tail: int, step: str | None, level: str | None
    ) -> dict[str, Any]:
        """Return the last lines of a job's log, of one step or level if given; `NotFound`."""
        return await self._database.read_in_thread(
            lambda connection: job_table.read_logs(connection, job_id, tail, step, level)
        )

    async def wait(self, job_id: str, timeout: float) -> dict[str, Any]:  # noqa: ASYNC109
        """Return the job once it has ended, or as it is after `timeout` seconds; `NotFound`."""
        job = self._active.get(job_id)
        if job is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await job.ended.wait()
        return self.job(job_id)

    def counts(self) -> dict[str, int]:
        """Return how many jobs are queued and running."""
        running = sum(1 for job in self._active.values() if job.status is JobStatus.RUNNING)
        return {"queued": len(self._active) - running, "running": running}

    def active_jobs(self) -> dict[str, str]:
        """Return the id of the job that holds each server."""
        return self._queues.active_jobs()

    def active_job_of(self, server: str) -> str | None:
        """Return the id of the job that holds a server, or None."""
        job = self._queues.active_job(server)
        return job.job_id if job else None

    async def follow(self, job_id: str | None, after: str | None) -> AsyncIterator[list[Event]]:
        """Yield batches of events, of one job or of all, after a cursor; see `EventFeed.follow`.

        Without a cursor: those of a job from its beginning, those of all from now. `NotFound` and
        `CursorGone` come before the first batch.
        """
        number, ended_by, start, reader = None, None, self.feed.head, self._database.reader
        head = max(self.feed.head, job_table.newest_seq(reader))
        if job_id is not None:
            row = job_table.job_row(reader, job_id)
            number, start = row["n"], 0
            # Read after the row: the job's last event is not beyond it.
            ended_by = job_table.newest_seq(reader) if row["status"] in ENDED else None
        if after is not None:
            floor = 0 if number is not None else job_table.floor(reader)
            start = job_table.parse_cursor(after, self._database.epoch, head, floor)
        async for batch in self.feed.follow(number, start, ended_by=ended_by):
            yield batch

    def _new_job(
        self, name: str, params: BaseModel, server: str | None, duration_key: str
    ) -> ActiveJob:
        workflow = self._workflows[name]
        return new_job(self._ids.make(), workflow, params, server, duration_key, self.durations)

    async def _add(
        self,
        job: ActiveJob,
        summary: str,
        caller: Caller,
        *,
        guard: Callable[[Transaction], None] | None = None,
        retry_of: str | None = None,
    ) -> AcceptedJob:
        """Write a new job and the response to its request in one transaction, and start it."""
        accepted = AcceptedJob(job.job_id, _accepted_body(job, summary, retry_of))
        columns = job_table.new_columns(job, summary, caller.name, self._version, retry_of)
        first = first_event(job)

        def add(tx: Transaction) -> StoredResponse:
            if guard is not None:
                guard(tx)
            job.number = job_table.add_job(tx, columns, job.steps)
            if job.server is not None:
                job.waiting_for = job_table.take_lock(tx, job.server, job.number)
                if job.waiting_for is not None:
                    job_table.change_job(tx, job.number, {"waiting_for": job.waiting_for})
            events = job_table.add_events(tx, job.number, job.job_id, [("job", first)])
            tx.after.append(lambda: self._on_added(job, events))
            return StoredResponse(202, accepted.body)

        def write(tx: Transaction) -> StoredResponse | None:
            if caller.key is not None:
                return run_once(tx, caller.key, lambda: add(tx))
            add(tx)
            return None

        first_response = await self._database.write(write)
        if first_response is not None:
            first_id = json.loads(first_response.body)["job_id"]
            return AcceptedJob(first_id, first_response.body, replayed=True)
        return accepted

    def _on_added(self, job: ActiveJob, events: list[Event]) -> None:
        """Take a job up; called once it is on disk, in the order of commits."""
        self.feed.publish(events)
        self._recorder.count_status_change(job, None, job.status)
        self._active[job.job_id] = job
        self._queues.enqueue(job)
        self._start_ready()

    def _start_ready(self) -> None:
        if self._stopping:
            return
        for job in self._queues.start_ready():
            job.task = asyncio.create_task(self._drive(job))

    async def _drive(self, job: ActiveJob) -> None:
        try:
            await self._runner.drive(job)
        finally:
            if not self._stopping or job.status in ENDED:
                await self._release(job, self._queues.remove(job))

    async def _withdraw(self, job: ActiveJob) -> None:
        """End a job that has not begun."""
        # Before anything is awaited: its turn may come meanwhile.
        behind = self._queues.remove(job)
        await self._runner.withdraw(job)
        await self._release(job, behind)

    async def _release(self, job: ActiveJob, behind: list[ActiveJob]) -> None:
        """Let the jobs behind an ended one run, and record whom each now waits for."""
        self._active.pop(job.job_id, None)
        job.ended.set()
        self._start_ready()
        for position, waiting in enumerate(behind):
            waiting.waiting_for = behind[0].job_id if position else None
            if waiting.status is JobStatus.QUEUED:
                await self._recorder.change(waiting, [], {"waiting_for": waiting.waiting_for})

    async def _tick(self) -> None:
        """Record progress: what steps say of themselves, and what the clock says of the others."""
        ticks = 0
        while True:
            await asyncio.sleep(TICK_SECONDS)
            ticks += 1
            if ticks % round(HEARTBEAT_SECONDS / TICK_SECONDS) == 0:
                self.feed.heartbeat()
            due = round(FIRST_AFTER_SECONDS / TICK_SECONDS)
            if ticks % round(PERIOD_SECONDS / TICK_SECONDS) == due:
                work = run_maintenance(self._database, self.responses, self.prune)
                self._maintenance = asyncio.create_task(work)
            for position, job in enumerate(list(self._active.values())):
                if position % JOBS_PER_TURN == 0:
                    await asyncio.sleep(0)
                if job.status is JobStatus.RUNNING:
                    self._record_progress(job, by_clock=(ticks + job.number) % 4 == 0)

    def _record_progress(self, job: ActiveJob, *, by_clock: bool) -> None:
        """Record progress that is not recorded yet; that of the clock once a second."""
        unsent = [step for step in job.workers.values() if step.progress_unsent]
        if unsent or (by_clock and job.has_new_progress()):
            for step in unsent:
                step.progress_unsent = False
            self._recorder.write_progress_soon(job, unsent)

    def _read_events(self, job_number: int | None, after: int, limit: int) -> list[Event]:
        return job_table.read_events(self._database.reader, job_number, after, limit)


def _accepted_body(job: ActiveJob, summary: str, retry_of: str | None) -> str:
    """Return the body of the 202 that accepts a job: `livchat.wire.jobs.Accepted` as JSON."""
    body: dict[str, Any] = {
        "job_id": job.job_id,
        "status": job.status.value,
        "message": f"{summary}: accepted",
        "check_status": f"GET /api/jobs/{job.job_id}",
        "server_name": job.server,
    }
    if retry_of is not None:
        body["retry_of"] = retry_of
    return _ENCODER.encode(body)
