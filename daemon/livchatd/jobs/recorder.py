"""The recorder: every change of an active job goes to the table, together with its events."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from time import monotonic
from typing import Any

from pydantic_core import to_json

from livchat.errors import StorageFull
from livchat.job_state import ENDED, JobStatus
from livchat.sanitize import clean_text
from livchatd.jobs import durations, job_lists, job_table
from livchatd.jobs.active import ActiveJob, ActiveStep
from livchatd.jobs.durations import DurationRow
from livchatd.jobs.event_feed import EventFeed
from livchatd.storage.database import Database, Transaction, now

logger = logging.getLogger(__name__)

_COLUMNS = frozenset(
    {
        "status",
        "progress",
        "current_step",
        "estimated_completion",
        "started_at",
        "completed_at",
        "error",
        "error_code",
        "hint",
        "waiting_for",
        "rollback",
    }
)
_JSON_COLUMNS = frozenset({"result", "left_behind", "messages"})
STORAGE_RETRY_SECONDS = 1.0
"""The pause between tries to write while the disk is full."""
MAX_LOG_LINE = 4000
"""How many characters of one log line are kept."""
MIN_PAUSE_SECONDS = 0.005
"""The shortest pause of a step that polls, so that no wait becomes a busy loop."""

JobKind = tuple[str | None, str | None, str | None]
"""Type, status and server of jobs; None stands for all."""


class Recorder:
    """Writes what happens to active jobs, and publishes it once it is on disk.

    `redact` takes known secrets out of a text; `poll_pace` multiplies the pauses of steps that
    poll.
    """

    def __init__(
        self,
        database: Database,
        feed: EventFeed,
        redact: Callable[[str], str] = str,
        poll_pace: float = 1.0,
    ) -> None:
        self._database = database
        self._feed = feed
        self._redact = redact
        self.poll_pace = poll_pace
        self.counts: Counter[JobKind] = Counter()
        """How many jobs there are by type, status and server, with None for all of them."""
        self.counted = asyncio.Event()
        self._full = False

    def start_counting(self) -> None:
        """Count the jobs that are there, in the writer's order; later changes are added to it."""

        def read(tx: Transaction) -> None:
            found = job_lists.count_jobs(tx.connection)

            def on_committed() -> None:
                for kind, count in found.items():
                    self.add_to_counts(kind, count)
                self.counted.set()

            tx.after.append(on_committed)

        self._database.write_soon(read)

    def count_status_change(
        self, job: ActiveJob, before: JobStatus | None, after: JobStatus
    ) -> None:
        """Keep the counts right, called in the order of commits; a new job has no `before`."""
        if before is not None:
            self.add_to_counts((job.type, before.value, job.server), -1)
        self.add_to_counts((job.type, after.value, job.server), 1)

    def add_to_counts(self, kind: JobKind, count: int) -> None:
        """Add to the count of every filter that a job matches: each total is one look-up."""
        job_type, status, server = kind
        for of_type in (job_type, None):
            for of_server in (None,) if server is None else (server, None):
                self.counts[of_type, status, of_server] += count
                self.counts[of_type, None, of_server] += count

    async def change(
        self,
        job: ActiveJob,
        steps: Sequence[ActiveStep] = (),
        fields: dict[str, Any] | None = None,
        *,
        kind: str = "job",
    ) -> None:
        """Record fields, these steps and those that ended before; durable when this returns.

        `kind` is the type of the last event. While the disk is full this waits.
        """
        ended, job.steps_to_record = job.steps_to_record, []
        measured, job.durations_to_record = job.durations_to_record, []
        together = [*(step for step in ended if step not in steps), *steps]
        write = self._writing(job, together, fields or {}, kind, measured)
        while True:
            try:
                await self._database.write(write)
            except StorageFull:
                if not self._full:
                    logger.exception("the table cannot be written; waiting for space")
                self._full = True
                await asyncio.sleep(STORAGE_RETRY_SECONDS)
            else:
                self._full = False
                return

    def write_progress_soon(self, job: ActiveJob, steps: Sequence[ActiveStep]) -> None:
        """Record progress without waiting for it to be on disk."""
        self._database.write_soon(self._writing(job, steps, {}, "progress", ()))

    async def mark_may_have_changed(self, job: ActiveJob, step: ActiveStep) -> None:
        """Record, before its `apply`, that a step may change the world from now on."""
        row = step.to_row()
        await self._database.write(lambda tx: job_table.change_steps(tx, job.number, [row]))

    async def save_facts(self, job: ActiveJob) -> None:
        """Make the facts durable."""
        text = job.facts.model_dump_json()
        if text != job.facts_stored:
            changes = {"learnt": text}
            await self._database.write(lambda tx: job_table.change_job(tx, job.number, changes))
            job.facts_stored = text

    def clean(self, text: str) -> str:
        """Return a text from elsewhere without secrets and without anything hidden in it."""
        # Once more afterwards: a secret may have been cut in two by what was hidden.
        return self._redact(clean_text(self._redact(text)))

    def log(self, job: ActiveJob, title: str, level: str, message: str) -> None:
        """Add the lines of a message to a job's log, under a step's title, without waiting.

        Facts that are known before it are written with it; later changes follow.
        """
        lines = (line.rstrip()[:MAX_LOG_LINE] for line in self.clean(message).split("\n"))
        for line in lines:
            if line:
                entry = {"timestamp": now(), "level": level, "step": title, "message": line}
                self._log_line(job, entry)

    def _log_line(self, job: ActiveJob, entry: dict[str, Any]) -> None:
        body = _dump({"at": entry["timestamp"], "log": entry})
        number, job_id, facts = job.number, job.job_id, job.facts.model_dump_json()
        # Not noted as stored: nobody would know if the disk was full.
        unsaved = facts != job.facts_stored

        def write(tx: Transaction) -> None:
            if unsaved:
                job_table.change_job(tx, number, {"learnt": facts})
            events = job_table.add_events(tx, number, job_id, [("log", body)])
            tx.after.append(lambda: self._feed.publish(events))

        self._database.write_soon(write)

    def _writing(
        self,
        job: ActiveJob,
        steps: Sequence[ActiveStep],
        fields: dict[str, Any],
        kind: str,
        measured: Sequence[DurationRow],
    ) -> Callable[[Transaction], None]:
        """Return what writes this change and its events: one for each step, the fields in the last.

        All is taken from the job as it is now: it goes on meanwhile.
        """
        at = now()
        derived = {**fields, **job.derived_fields(with_lists=kind != "progress")}
        columns = {name: value for name, value in derived.items() if name in _COLUMNS}
        columns.update(
            {
                name: json.dumps(derived[name])
                for name in _JSON_COLUMNS
                if derived.get(name) is not None
            }
        )
        if "cancel_requested" in derived:
            columns["cancel_requested"] = int(derived["cancel_requested"])
        facts = job.facts.model_dump_json()
        if kind != "progress" and facts != job.facts_stored:
            job.facts_stored = columns["learnt"] = facts
        earlier = "step" if kind in {"job", "end"} else kind
        events = [(earlier, _dump({"at": at, "step": step.to_wire()})) for step in steps[:-1]]
        last = {"at": at, "job": derived, **({"step": steps[-1].to_wire()} if steps else {})}
        events.append((kind, _dump(last)))
        rows = [step.to_row() for step in steps]
        number, job_id = job.number, job.job_id

        def write(tx: Transaction) -> None:
            job_table.change_job(tx, number, columns)
            if rows:
                job_table.change_steps(tx, number, rows)
            if measured:
                durations.store(tx, measured)
            if kind == "end":
                job_table.drop_locks(tx, number)
            made = job_table.add_events(tx, number, job_id, events)
            tx.after.append(lambda: self._feed.publish(made))

        return write


class ActiveStepContext:
    """The `StepContext` of one step of an active job: it logs and saves by the recorder."""

    def __init__(self, job: ActiveJob, step: ActiveStep, recorder: Recorder) -> None:
        self._job = job
        self._step = step
        self._recorder = recorder

    @property
    def job_id(self) -> str:
        """The job."""
        return self._job.job_id

    @property
    def root_job_id(self) -> str:
        """The first job of a chain of retries."""
        return self._job.root_job_id

    @property
    def facts(self) -> Any:
        """What is known by now: an instance of the workflow's own `Facts`."""
        return self._job.facts

    @property
    def attempt(self) -> int:
        """1 at the first try of this step."""
        return self._step.attempt

    async def save(self) -> None:
        """Make the facts durable now; a step that was given up is cancelled here."""
        if self._job.ended.is_set():
            raise asyncio.CancelledError
        await self._recorder.save_facts(self._job)

    async def note_created(self, thing: str) -> None:
        """Note, durably, that this job creates `thing`; the facts must be `CreatedFacts`."""
        facts: Any = self._job.facts
        if thing not in facts.made:
            facts.made = [*facts.made, thing]
            await self.save()

    async def poll(
        self, within: float, *, first: float = 0.5, most: float = 2.0
    ) -> AsyncIterator[float]:
        """Yield the seconds since the first look, for `within` seconds, with growing pauses."""
        began, pause = monotonic(), first
        while (elapsed := monotonic() - began) < within:
            yield elapsed
            await asyncio.sleep(max(pause * self._recorder.poll_pace, MIN_PAUSE_SECONDS))
            pause = min(pause * 1.5, most)

    def log(self, message: str, level: str = "info") -> None:
        """Add the lines of a message to the job's log; nothing comes after the job's end."""
        if self._job.status not in ENDED:
            self._recorder.log(self._job, self._step.title, level, message)

    def progress(self, done: float, total: float, unit: str) -> None:
        """Say how far this step is; it is written with the next tick."""
        progress = {"done": done, "total": total, "unit": unit}
        if progress != self._step.progress:
            self._step.progress = progress
            self._step.progress_unsent = True


def first_event(job: ActiveJob) -> str:
    """Return the body of a job's first event: a JSON text."""
    return _dump({"at": now(), "job": {"status": job.status.value, "waiting_for": None}})


def _dump(data: dict[str, Any]) -> str:
    return to_json(data).decode()
