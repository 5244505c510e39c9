"""The recorder: every change of a live job goes to the table with its events, at once."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from pydantic_core import to_json

from livchat.errors import StorageFull
from livchat.wire.jobs import JobStatus
from livchatd.jobs import durations, job_table
from livchatd.jobs.active import Live, LiveStep
from livchatd.jobs.event_feed import Event, Feed
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
_JSON = frozenset({"result", "left_behind"})
PATIENCE = 1.0
"""Seconds between tries to write while the disk is full."""

Tally = tuple[str | None, str | None, str | None]
"""Type, status and server; None stands for all."""


class Recorder:
    """Writes what happens to live jobs, and tells it to the feed once it is on disk."""

    def __init__(self, database: Database, feed: Feed) -> None:
        self.database = database
        self.feed = feed
        self.tallies: Counter[Tally] = Counter()
        self.counted = asyncio.Event()
        self.full = False

    def count(self) -> None:
        """Count the jobs that are there, in the writer's order; later changes are added to it."""

        def read(tx: Transaction) -> None:
            found = job_table.tallies(tx.connection)

            def arrived() -> None:
                for tally, count in found.items():
                    self.add(tally, count)
                self.counted.set()

            tx.after.append(arrived)

        self.database.post(read)

    def moved(self, live: Live, before: JobStatus | None, after: JobStatus) -> None:
        """Keep the count of jobs; called in the order of commits."""
        if before is None:
            self.add((live.type, after.value, live.server), 1)
            return
        for kind, server in _matching(live.type, live.server):
            self.tallies[kind, before.value, server] -= 1
            self.tallies[kind, after.value, server] += 1

    def add(self, tally: Tally, count: int) -> None:
        """Count jobs in every filter that they match, so that each total is one look-up."""
        name, status, at = tally
        for kind, server in _matching(name, at):
            self.tallies[kind, status, server] += count
            self.tallies[kind, None, server] += count

    async def change(
        self,
        live: Live,
        steps: Sequence[LiveStep] = (),
        fields: dict[str, Any] | None = None,
        *,
        kind: str = "job",
    ) -> None:
        """Record steps that ended, these steps and fields; durable when it returns."""
        ended, live.changed = live.changed, []
        took, live.took = live.took, []
        together = [*(step for step in ended if step not in steps), *steps]
        write = self._write(live, together, fields or {}, kind, took)
        while True:
            try:
                await self.database.write(write)
            except StorageFull:
                if not self.full:
                    logger.exception("the table cannot be written; waiting for space")
                self.full = True
                await asyncio.sleep(PATIENCE)
            else:
                self.full = False
                return

    def tell(self, live: Live, steps: Sequence[LiveStep], fields: dict[str, Any]) -> None:
        """Record progress without waiting."""
        self.database.post(self._write(live, steps, fields, "progress", ()))

    def log(self, live: Live, line: dict[str, Any]) -> None:
        """Record a line, with what was learnt before it, without waiting; later changes follow."""
        body = _dump({"at": line["timestamp"], "log": line})
        n, job_id, learnt = live.n, live.job_id, live.learnt.model_dump_json()
        # Not noted as saved: nobody would know if the disk was full.
        unsaved = learnt != live.saved

        def write(tx: Transaction) -> None:
            if unsaved:
                job_table.change_job(tx, n, {"learnt": learnt})
            events = job_table.add_events(tx, n, job_id, [("log", body)])
            tx.after.append(lambda: self.feed.publish(events))

        self.database.post(write)

    async def touch(self, live: Live, step: LiveStep) -> None:
        """Record, before its apply, that a step may change the world from now on."""
        row = step.row()
        await self.database.write(lambda tx: job_table.change_steps(tx, live.n, [row]))

    async def save(self, live: Live) -> None:
        """Make what was learnt durable."""
        text = live.learnt.model_dump_json()
        if text != live.saved:
            await self.database.write(lambda tx: job_table.change_job(tx, live.n, {"learnt": text}))
            live.saved = text

    def _write(
        self,
        live: Live,
        steps: Sequence[LiveStep],
        fields: dict[str, Any],
        kind: str,
        took: Sequence[tuple[str, str, int, float]],
    ) -> Callable[[Transaction], None]:
        at = now()
        derived = {**fields, **live.fields(lists=kind != "progress")}
        columns = {name: value for name, value in derived.items() if name in _COLUMNS}
        columns.update(
            {name: json.dumps(derived[name]) for name in _JSON if derived.get(name) is not None}
        )
        if "cancel_requested" in derived:
            columns["cancel_requested"] = int(derived["cancel_requested"])
        learnt = live.learnt.model_dump_json()
        if kind != "progress" and learnt != live.saved:
            live.saved = columns["learnt"] = learnt
        events = [(_kind(kind), _dump({"at": at, "step": step.wire()})) for step in steps[:-1]]
        last = {"at": at, "job": derived, **({"step": steps[-1].wire()} if steps else {})}
        events.append((kind, _dump(last)))
        rows = [step.row() for step in steps]
        n, job_id = live.n, live.job_id

        def write(tx: Transaction) -> None:
            job_table.change_job(tx, n, columns)
            if rows:
                job_table.change_steps(tx, n, rows)
            if took:
                durations.keep(tx, list(took))
            if kind == "end":
                job_table.drop_locks(tx, n)
            made = job_table.add_events(tx, n, job_id, events)
            tx.after.append(lambda: self.feed.publish(made))

        return write


def _matching(kind: str | None, server: str | None) -> list[tuple[str | None, str | None]]:
    """Type and server of every filter that a job matches, whatever its status."""
    servers = (None,) if server is None else (server, None)
    return [(name, at) for name in (kind, None) for at in servers]


def first_event(live: Live) -> str:
    """The body of a job's first event."""
    return _dump({"at": now(), "job": {"status": live.status.value, "waiting_for": None}})


def published(feed: Feed, events: list[Event]) -> Callable[[], None]:
    """What is to be called after the commit that holds these events."""
    return lambda: feed.publish(events)


def _kind(kind: str) -> str:
    return "step" if kind in {"job", "end"} else kind


def _dump(data: dict[str, Any]) -> str:
    return to_json(data).decode()
