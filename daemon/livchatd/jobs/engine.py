"""The engine: what can be asked of jobs: submit, cancel, retry, wait, list, follow, prune."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel

from livchat.errors import Conflict
from livchat.wire.jobs import ENDED, JobStatus, StepStatus
from livchatd.jobs import idempotency as claims_table
from livchatd.jobs import job_table, maintenance
from livchatd.jobs.active import Live, LiveStep
from livchatd.jobs.durations import Durations
from livchatd.jobs.event_feed import Event, Feed
from livchatd.jobs.idempotency import Claim, Claims
from livchatd.jobs.ids import Ids
from livchatd.jobs.job_table import JobFilter
from livchatd.jobs.queues import Lines
from livchatd.jobs.recorder import Recorder, first_event
from livchatd.jobs.resume import restore, reused
from livchatd.jobs.retry import Patience
from livchatd.jobs.runner import Runner
from livchatd.jobs.step import Workflow
from livchatd.storage.database import Database, Transaction, now

logger = logging.getLogger(__name__)

TICK = 0.25
"""Seconds between looks at the progress of running steps."""
SLICE = 16
"""Jobs looked at before others have the loop."""
HEARTBEAT = 60
"""Ticks between two heartbeats of the streams: 15 s."""


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A job to be started.

    `guard` runs in the same transaction, before anything is written: it may raise `Conflict`, and
    may write once its checks have passed. `variant` names what durations depend on; until there are
    any, what steps usually take is multiplied by `pace`. `claim` makes the first answer that is
    kept for an idempotency key.
    """

    workflow: str
    params: BaseModel
    summary: str
    server: str | None = None
    variant: str = ""
    caller: str = ""
    claim: Callable[[str, str], Claim] | None = None
    guard: Callable[[Transaction], None] | None = None
    pace: float = 1.0


@dataclass(frozen=True)
class Submitted:
    """A job that is on disk; `replay` is the first answer, if the key was known."""

    job_id: str
    status: str
    replay: Claim | None = None


class Engine:
    """Durable jobs. All methods are called on the loop that made the database."""

    def __init__(
        self,
        database: Database,
        workflows: Sequence[Workflow[Any, Any]],
        *,
        redact: Callable[[str], str] = str,
        version: str = "0",
        limit: int = 256,
        backoff: float = 1.0,
    ) -> None:
        self._database = database
        self._workflows = {workflow.name: workflow for workflow in workflows}
        self._version = version
        self.durations = Durations()
        self.feed = Feed(database.epoch, self._head(), self._read_events)
        self._recorder = Recorder(database, self.feed)
        self._runner = Runner(self._recorder, self.durations, redact, Patience(backoff))
        self._lines = Lines(limit)
        self._live: dict[str, Live] = {}
        self._ticker: asyncio.Task[None] | None = None
        self._stopping = False
        self._tidying: asyncio.Task[None] | None = None
        self._ids = Ids()
        self._briefs = job_table.Briefs(database.reader)
        self.claims = Claims(database)

    async def start(self) -> None:
        """Take up every job that had not ended."""
        self.durations.load(self._database)
        self._recorder.count()
        self.claims.forget_old()
        for row in job_table.open_jobs(self._database.reader):
            live = restore(
                row, job_table.steps_of(self._database.reader, row["n"]), self._workflows
            )
            self._live[live.job_id] = live
            self._lines.join(live)
        self._begin()
        self._ticker = asyncio.create_task(self._tick())

    async def stop(self, patience: float = 1.5) -> None:
        """Stop the work without ending the jobs: they go on at the next start."""
        self._stopping = True
        self.feed.close()
        for task in (self._ticker, self._tidying):
            if task is not None:
                task.cancel()
        tasks = {live.task for live in self._live.values() if live.task is not None}
        for live in self._live.values():
            if live.task is not None:
                live.task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=patience)

    async def submit(self, order: Submission) -> Submitted:
        """Start a job: durable when this returns, at work in the same tick if its turn has come."""
        live = self._new(order.workflow, order.params, order.server, order.variant, order.pace)
        return await self._add(live, order.summary, order.caller, order.claim, order.guard)

    async def retry(
        self, job_id: str, caller: str = "", claim: Callable[[str, str], Claim] | None = None
    ) -> Submitted:
        """Start a job that goes on where a failed or cancelled one ended, with what it learnt."""
        old = job_table.job_row(self._database.reader, job_id)
        if old["status"] not in {JobStatus.FAILED, JobStatus.CANCELLED}:
            raise Conflict(
                f"cannot retry {job_id}: it is {old['status']}",
                hint=f"livchat job show {job_id}",
                details={"job_id": job_id, "status": old["status"]},
            )
        workflow = self._workflows[old["type"]]
        params = workflow.params.model_validate_json(old["params"])
        live = self._new(old["type"], params, old["server"], old["variant"])
        live.origin = old["origin"]
        live.learnt = workflow.learnt.model_validate_json(old["learnt"])
        live.saved = live.learnt.model_dump_json()
        reused(live, job_table.steps_of(self._database.reader, old["n"]))
        return await self._add(live, old["summary"], caller, claim, None, retry_of=job_id)

    async def cancel(self, job_id: str, *, force: bool = False) -> dict[str, Any]:
        """Ask a job to stop. A queued one ends at once; `force` abandons an undo under way."""
        live = self._live.get(job_id)
        if live is not None and live.status in ENDED:
            # Its end is being written: nothing may come after it.
            await live.ended.wait()
            live = None
        if live is None:
            job = self.job(job_id)
            raise Conflict(
                f"cannot cancel {job_id}: it has ended ({job['status']})",
                hint=f"livchat job show {job_id}",
                details={"job_id": job_id, "status": job["status"]},
            )
        live.force = live.force or force
        if not live.cancel_requested:
            live.cancel_requested = True
            if live.status is JobStatus.QUEUED and live.task is None:
                await self._withdraw(live)
            else:
                await self._recorder.change(live, [], {"cancel_requested": True})
        live.interrupt()
        live.ring()
        return self.job(job_id)

    async def prune(self, older_than: timedelta, status: str | None = None) -> int:
        """Delete jobs that ended longer ago than this; how many."""
        before = (datetime.now(UTC) - older_than).isoformat(timespec="microseconds")[:-6] + "Z"
        gone = await self._database.write(lambda tx: job_table.prune(tx, before, status))
        self._briefs.forget()
        for tally in gone:
            self._recorder.add(tally, -1)
        return len(gone)

    def job(self, job_id: str) -> dict[str, Any]:
        """A job whole, as DESIGN.md section 5 has it; `NotFound`."""
        return job_table.read_job(
            self._database.reader, job_id, self._database.epoch, self.feed.head
        )

    async def jobs(self, want: JobFilter) -> tuple[str, int, int | None]:
        """A page as JSON text, the number of all that match, and where the next page begins."""
        await self._recorder.counted.wait()
        total = self._recorder.tallies[want.type, want.status, want.server]
        if not total:
            return "[]", 0, None
        page, more = self._briefs.page(want)
        return page, total, more

    async def logs(
        self, job_id: str, tail: int, step: str | None, level: str | None
    ) -> dict[str, Any]:
        """The last lines of a job's log."""
        return await self._database.read_apart(
            lambda connection: job_table.read_logs(connection, job_id, tail, step, level)
        )

    async def wait(self, job_id: str, timeout: float) -> dict[str, Any]:  # noqa: ASYNC109
        """The job once it has ended, or as it is after `timeout` seconds."""
        live = self._live.get(job_id)
        if live is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await live.ended.wait()
        return self.job(job_id)

    def counts(self) -> dict[str, int]:
        """How many jobs wait and run."""
        running = sum(1 for live in self._live.values() if live.status is JobStatus.RUNNING)
        return {"queued": len(self._live) - running, "running": running}

    def live_jobs(self) -> dict[str, str]:
        """The job at work on each server."""
        return self._lines.holders()

    def live_job_of(self, server: str) -> str | None:
        """The job at work on a server, or None."""
        holder = self._lines.holder(server)
        return holder.job_id if holder else None

    async def follow(self, job_id: str | None, after: str | None) -> AsyncIterator[list[Event]]:
        """Batches of events, of one job or of all; see `Feed.follow`.

        Without `after`: those of a job from its beginning, those of all from now. `NotFound` and
        `CursorGone` come before the first batch.
        """
        n, ended, start = None, False, self.feed.head
        head = max(self.feed.head, self._head())
        if job_id is not None:
            row = job_table.job_row(self._database.reader, job_id)
            n, start = row["n"], 0
            ended = row["status"] in ENDED
        if after is not None:
            floor = 0 if n is not None else self._floor()
            start = job_table.parse_cursor(after, self._database.epoch, head, floor)
        async for batch in self.feed.follow(n, start, ended=ended):
            yield batch

    def _new(
        self, name: str, params: BaseModel, server: str | None, variant: str, pace: float = 1.0
    ) -> Live:
        workflow = self._workflows[name]
        plan = {step.key: step for step in workflow.steps(params)}
        steps = [
            LiveStep(i, key, step.title, self.durations.expected(key, variant, step.usually * pace))
            for i, (key, step) in enumerate(plan.items())
        ]
        job_id = self._ids.make()
        learnt = workflow.learnt()
        live = Live(job_id, name, workflow, params, learnt, plan, steps, server, variant, job_id)
        live.saved = learnt.model_dump_json()
        return live

    async def _add(
        self,
        live: Live,
        summary: str,
        caller: str,
        claim: Callable[[str, str], Claim] | None,
        guard: Callable[[Transaction], None] | None,
        retry_of: str | None = None,
    ) -> Submitted:
        made = claim(live.job_id, live.status.value) if claim else None
        columns = job_table.new_columns(live, summary, caller, self._version, now())
        columns["retry_of"] = retry_of
        first = first_event(live)

        def write(tx: Transaction) -> Claim | None:
            if made is not None:
                before = claims_table.seen(tx, made.key, made.digest)
                if before is not None:
                    return before
            if guard is not None:
                guard(tx)
            live.n = job_table.add_job(tx, columns, live.steps)
            if live.server is not None:
                live.waiting_for = job_table.take_lock(tx, live.server, live.n)
                if live.waiting_for is not None:
                    job_table.change_job(tx, live.n, {"waiting_for": live.waiting_for})
            if made is not None:
                claims_table.keep(tx, made)
            events = job_table.add_events(tx, live.n, live.job_id, [("job", first)])
            tx.after.append(lambda: self._added(live, events))
            return None

        replay = await self._database.write(write)
        return Submitted(live.job_id, live.status.value, replay)

    def _added(self, live: Live, events: list[Event]) -> None:
        """Called once the job is on disk, in the order of commits."""
        self.feed.publish(events)
        self._recorder.moved(live, None, live.status)
        self._live[live.job_id] = live
        self._lines.join(live)
        self._begin()

    def _begin(self) -> None:
        if self._stopping:
            return
        for live in self._lines.take():
            live.task = asyncio.create_task(self._drive(live))

    async def _drive(self, live: Live) -> None:
        try:
            await self._runner.drive(live)
        finally:
            if not self._stopping or live.status in ENDED:
                await self._ended(live)

    async def _ended(self, live: Live) -> None:
        self._live.pop(live.job_id, None)
        behind = self._lines.leave(live)
        live.ended.set()
        self._begin()
        for place, other in enumerate(behind):
            other.waiting_for = behind[0].job_id if place else None
            if other.status is JobStatus.QUEUED:
                await self._recorder.change(other, [], {"waiting_for": other.waiting_for})

    async def _withdraw(self, live: Live) -> None:
        """End a job that has not begun."""
        live.status = JobStatus.CANCELLED
        for step in live.steps:
            if step.status is StepStatus.PENDING:
                step.status = StepStatus.CANCELLED
        behind = self._lines.leave(live)
        ending: dict[str, Any] = {
            "status": "cancelled",
            "cancel_requested": True,
            "completed_at": now(),
            "waiting_for": None,
            "rollback": "none",
            "left_behind": [],
        }
        if live.workflow.settle is not None:
            await live.workflow.settle(live.params, live.learnt, JobStatus.CANCELLED)
        await self._recorder.change(live, live.steps, ending, kind="end")
        self._recorder.moved(live, JobStatus.QUEUED, JobStatus.CANCELLED)
        self._live.pop(live.job_id, None)
        live.ended.set()
        self._begin()
        for place, other in enumerate(behind):
            other.waiting_for = behind[0].job_id if place else None
            await self._recorder.change(other, [], {"waiting_for": other.waiting_for})

    async def _tick(self) -> None:
        """Tell progress: what steps say of themselves, and what the clock says of the others."""
        passed = 0
        while True:
            await asyncio.sleep(TICK)
            passed += 1
            if passed % HEARTBEAT == 0:
                self.feed.beat()
            if passed % maintenance.EVERY == maintenance.FIRST:
                work = maintenance.tidy(self._database, self.claims, self.prune)
                self._tidying = asyncio.create_task(work)
            for number, live in enumerate(list(self._live.values())):
                if number % SLICE == 0:
                    await asyncio.sleep(0)
                if live.status is JobStatus.RUNNING:
                    self._tell(live, look=(passed + live.n) % 4 == 0)

    def _tell(self, live: Live, *, look: bool) -> None:
        said = [step for step in live.workers.values() if step.told]
        if said or (look and live.moved()):
            for step in said:
                step.told = 0
            self._recorder.tell(live, said, {})

    def _head(self) -> int:
        last = self._database.reader.execute("SELECT max(seq) FROM events").fetchone()[0]
        return last or self._floor()

    def _floor(self) -> int:
        row = self._database.reader.execute(
            "SELECT value FROM meta WHERE key = 'seq_floor'"
        ).fetchone()
        return int(row[0])

    def _read_events(self, n: int | None, after: int, limit: int) -> list[Event]:
        return job_table.read_events(self._database.reader, n, after, limit)
