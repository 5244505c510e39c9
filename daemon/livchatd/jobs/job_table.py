"""The job table: the only place with SQL for jobs. Writes run in the writer's transactions."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Any

from livchat.errors import CursorGone, Invalid, NotFound
from livchat.wire.jobs import ENDED, LOG_TAIL
from livchatd.jobs.active import Live, LiveStep, done_and_remaining
from livchatd.jobs.event_feed import Event
from livchatd.storage.database import Transaction

REMEMBERED = 4096
"""How many ended jobs' texts are kept in memory: some 2 MB."""
LIST_LIMIT = 500
"""The most jobs that one page of a list may have."""

_JOB = (
    "job_id, type, status, summary, server, progress, current_step, created_at, started_at, "
    "completed_at, estimated_completion, error, error_code, waiting_for, cancel_requested, "
    "rollback, retry_of"
)
_WHOLE = f"SELECT n, params, result, hint, left_behind, {_JOB} FROM jobs WHERE job_id = ?"
_STEPS = (
    "SELECT title, status, attempt, progress, started_at, completed_at, error, expected "
    "FROM steps WHERE n = ? ORDER BY position"
)
_BRIEF = "json_object({})".format(
    ", ".join(
        f"'{name}', json(iif({name}, 'true', 'false'))"
        if name == "cancel_requested"
        else f"'{name}', {name}"
        for name in _JOB.split(", ")
    )
)
_CHANGE_STEP = (
    "UPDATE steps SET status = ?, attempt = ?, touched = ?, progress = ?, started_at = ?, "
    "completed_at = ?, error = ? WHERE position = ? AND n = ?"
)
_TAKE_LOCK = (
    "INSERT INTO locks VALUES (?1, ?2) RETURNING (SELECT job_id FROM locks JOIN jobs USING (n) "
    "WHERE resource = ?1 AND n < ?2 ORDER BY n LIMIT 1)"
)
TOGETHER = 64
"""Rows that one statement writes: each statement costs the writer a wait for the interpreter."""


@dataclass(frozen=True)
class JobFilter:
    """Which jobs; `before` is the `n` of the last job of the page before."""

    status: str | None = None
    type: str | None = None
    server: str | None = None
    limit: int = 50
    before: int | None = None


def left_behind(connection: sqlite3.Connection) -> dict[str, str]:
    """What jobs left behind, each with the latest job that says so."""
    rows = connection.execute(
        "SELECT job_id, left_behind FROM jobs WHERE left_behind != '[]' ORDER BY n"
    )
    return {thing: job_id for job_id, left in rows for thing in json.loads(left)}


def add_job(tx: Transaction, columns: Mapping[str, Any], steps: Iterable[LiveStep]) -> int:
    """Insert a job with its steps; its `n`."""
    names = ", ".join(columns)
    marks = ", ".join("?" * len(columns))
    n = tx.execute(
        f"INSERT INTO jobs ({names}) VALUES ({marks})",
        tuple(columns.values()),
    ).lastrowid
    assert n is not None  # noqa: S101 - an INSERT has a row id
    _add_rows(
        tx,
        "steps (n, key, title, expected, status, attempt, touched, progress, started_at, "
        "completed_at, error, position)",
        [(n, step.key, step.title, step.expected, *step.row()) for step in steps],
    )
    return n


def change_job(tx: Transaction, n: int, changes: Mapping[str, Any]) -> None:
    """Change columns of a job."""
    tx.execute(_change_of(tuple(changes)), (*changes.values(), n))


def change_steps(tx: Transaction, n: int, rows: Iterable[tuple[Any, ...]]) -> None:
    """Change steps, by their rows."""
    for row in rows:
        tx.execute(_CHANGE_STEP, (*row, n))


def add_events(
    tx: Transaction, n: int, job_id: str, events: Iterable[tuple[str, str]]
) -> list[Event]:
    """Append events (type and body); as they will be told."""
    made = [Event(tx.next_seq(), n, job_id, kind, body) for kind, body in events]
    _add_rows(tx, "events (seq, n, type, body)", [(e.seq, n, e.type, e.body) for e in made])
    return made


def take_lock(tx: Transaction, resource: str, n: int) -> str | None:
    """Stand in line for a resource; the job that holds it, or None if this one does."""
    ((holder,),) = tx.execute(_TAKE_LOCK, (resource, n)).fetchall()
    return str(holder) if holder is not None else None


def drop_locks(tx: Transaction, n: int) -> None:
    """Leave every line."""
    tx.execute("DELETE FROM locks WHERE n = ?", (n,))


def read_job(connection: sqlite3.Connection, job_id: str, epoch: str, seq: int) -> dict[str, Any]:
    """A job whole, with the cursor after the last event that it has taken in; `NotFound`."""
    connection.execute("BEGIN")
    try:
        row = connection.execute(_WHOLE, (job_id,)).fetchone()
        if row is None:
            raise NotFound(f"there is no job '{job_id}'", hint="livchat job list")
        n = row[0]
        steps = connection.execute(_STEPS, (n,)).fetchall()
        lines = connection.execute(
            "SELECT body FROM events WHERE n = ? AND type = 'log' ORDER BY seq DESC LIMIT ?",
            (n, LOG_TAIL),
        ).fetchall()
        last = connection.execute("SELECT max(seq) FROM events").fetchone()[0] or seq
    finally:
        connection.execute("COMMIT")
    job: dict[str, Any] = dict(zip(_JOB.split(", "), row[5:], strict=True))
    job["cancel_requested"] = bool(job["cancel_requested"])
    completed, remaining = done_and_remaining((s[0], s[1]) for s in steps)
    job["params"] = json.loads(row[1])
    job["steps_completed"], job["steps_remaining"] = completed, remaining
    job["steps"] = [_step(s) for s in steps]
    job["result"] = json.loads(row[2]) if row[2] else None
    job["hint"] = row[3]
    job["left_behind"] = json.loads(row[4])
    job["logs"] = [json.loads(line[0])["log"] for line in reversed(lines)]
    job["cursor"] = f"{epoch}-{last}"
    return job


class Briefs:
    """Pages of jobs as JSON text. The text of a job that has ended is remembered: it stays so."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._ended: dict[int, str] = {}

    def page(self, want: JobFilter) -> tuple[str, int | None]:
        """A page, newest first, as the text of an array; and where the next page begins."""
        where, values = _where(want)
        if want.before is not None:
            where.append("n < ?")
            values.append(want.before)
        condition = f"WHERE {' AND '.join(where)}" if where else ""
        rows = self._connection.execute(
            f"SELECT n FROM jobs {condition} ORDER BY n DESC LIMIT ?", (*values, want.limit + 1)
        ).fetchall()
        numbers = [row[0] for row in rows[: want.limit]]
        more = numbers[-1] if len(rows) > want.limit else None
        texts = self._texts([n for n in numbers if n not in self._ended])
        return f"[{','.join(texts.get(n) or self._ended[n] for n in numbers)}]", more

    def forget(self) -> None:
        """Forget all that is remembered: jobs were deleted."""
        self._ended.clear()

    def _texts(self, numbers: list[int]) -> dict[int, str]:
        if not numbers:
            return {}
        marks = ", ".join("?" * len(numbers))
        rows = self._connection.execute(
            f"SELECT n, status, {_BRIEF} FROM jobs WHERE n IN ({marks})", numbers
        ).fetchall()
        if len(self._ended) + len(rows) > REMEMBERED:
            self._ended.clear()
        self._ended.update((row[0], row[2]) for row in rows if row[1] in ENDED)
        return {row[0]: row[2] for row in rows}


def read_logs(
    connection: sqlite3.Connection, job_id: str, tail: int, step: str | None, level: str | None
) -> dict[str, Any]:
    """The last lines of a job's log; `NotFound`."""
    found = connection.execute("SELECT n FROM jobs WHERE job_id = ?", (job_id,)).fetchone()
    if found is None:
        raise NotFound(f"there is no job '{job_id}'", hint="livchat job list")
    where, values = ["n = ?", "type = 'log'"], [found[0]]
    for name, value in (("step", step), ("level", level)):
        if value is not None:
            where.append(f"json_extract(body, '$.log.{name}') = ?")
            values.append(value)
    condition = " AND ".join(where)
    total = connection.execute(f"SELECT count(*) FROM events WHERE {condition}", values).fetchone()[
        0
    ]
    rows = connection.execute(
        f"SELECT body FROM events WHERE {condition} ORDER BY seq DESC LIMIT ?",
        (*values, tail),
    ).fetchall()
    lines = [json.loads(row[0])["log"] for row in reversed(rows)]
    return {"job_id": job_id, "logs": lines, "total_lines": total}


def read_events(
    connection: sqlite3.Connection, n: int | None, after: int, limit: int
) -> list[Event]:
    """Events after a number, of one job or of all."""
    mine = "events.n = ? AND" if n is not None else ""
    values = (after, limit) if n is None else (n, after, limit)
    rows = connection.execute(
        f"SELECT seq, events.n, job_id, events.type, body FROM events JOIN jobs USING (n) "
        f"WHERE {mine} seq > ? ORDER BY seq LIMIT ?",
        values,
    ).fetchall()
    return [Event(*row) for row in rows]


def parse_cursor(cursor: str, epoch: str, head: int, floor: int) -> int:
    """The number in a cursor; `CursorGone` if it is of another table, or pruned."""
    given, dash, number = cursor.rpartition("-")
    if not dash or not number.isdigit():
        raise Invalid.field("after", "is not a cursor: it looks like 5f0c2a9e-812")
    seq = int(number)
    if given != epoch or seq > head or seq < floor:
        raise CursorGone(
            "these events are no longer all there",
            hint="read the job again and go on from its cursor",
            details={"oldest": f"{epoch}-{floor}", "newest": f"{epoch}-{head}"},
        )
    return seq


def tallies(connection: sqlite3.Connection) -> dict[tuple[str, str, str | None], int]:
    """How many jobs there are by type, status and server."""
    rows = connection.execute(
        "SELECT type, status, server, count(*) FROM jobs GROUP BY 1, 2, 3"
    ).fetchall()
    return {(row[0], row[1], row[2]): row[3] for row in rows}


def prune(tx: Transaction, before: str, status: str | None) -> list[tuple[str, str, str | None]]:
    """Delete ended jobs that ended before a time; type, status and server of each."""
    where = "status IN ('completed', 'failed', 'cancelled') AND completed_at < ?"
    values: list[Any] = [before]
    if status is not None:
        where += " AND status = ?"
        values.append(status)
    gone = tx.execute(f"SELECT n, type, status, server FROM jobs WHERE {where}", values).fetchall()
    numbers = [(row[0],) for row in gone]
    floor = 0
    for number in numbers:
        last = tx.execute("SELECT max(seq) FROM events WHERE n = ?", number).fetchone()[0]
        floor = max(floor, last or 0)
    for table in ("events", "steps", "jobs"):
        tx.executemany(f"DELETE FROM {table} WHERE n = ?", numbers)
    tx.execute(
        "UPDATE meta SET value = max(CAST(value AS INTEGER), ?) WHERE key = 'seq_floor'", (floor,)
    )
    return [row[1:] for row in gone]


def open_jobs(connection: sqlite3.Connection) -> list[dict[str, Any]]:
    """Every job that has not ended, oldest first, with its steps."""
    cursor = connection.execute(
        "SELECT * FROM jobs WHERE status IN ('queued', 'running') ORDER BY n"
    )
    return _dicts(cursor)


def steps_of(connection: sqlite3.Connection, n: int) -> list[dict[str, Any]]:
    """The steps of a job, as they are kept."""
    return _dicts(connection.execute("SELECT * FROM steps WHERE n = ? ORDER BY position", (n,)))


def job_row(connection: sqlite3.Connection, job_id: str) -> dict[str, Any]:
    """A job as it is kept; `NotFound`."""
    rows = _dicts(connection.execute("SELECT * FROM jobs WHERE job_id = ?", (job_id,)))
    if not rows:
        raise NotFound(f"there is no job '{job_id}'", hint="livchat job list")
    return rows[0]


def new_columns(
    live: Live, summary: str, caller: str, version: str, created_at: str
) -> dict[str, Any]:
    """The row of a job that begins."""
    return {
        "job_id": live.job_id,
        "type": live.type,
        "status": live.status.value,
        "summary": summary,
        "server": live.server,
        "params": live.params.model_dump_json(),
        "learnt": live.saved,
        "variant": live.variant,
        "created_at": created_at,
        "origin": live.origin,
        "retry_of": None,
        "caller": caller,
        "owner": "livchatd",
        "version": version,
    }


def _add_rows(tx: Transaction, into: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows, many with each statement."""
    for first in range(0, len(rows), TOGETHER):
        some = rows[first : first + TOGETHER]
        tx.execute(_addition_of(into, len(some[0]), len(some)), tuple(chain.from_iterable(some)))


@cache
def _addition_of(into: str, width: int, rows: int) -> str:
    marks = f"({', '.join('?' * width)})"
    return f"INSERT INTO {into} VALUES {', '.join([marks] * rows)}"


@cache
def _change_of(names: tuple[str, ...]) -> str:
    return f"UPDATE jobs SET {', '.join(f'{name} = ?' for name in names)} WHERE n = ?"


def _where(want: JobFilter) -> tuple[list[str], list[Any]]:
    given = (("status", want.status), ("type", want.type), ("server", want.server))
    chosen = [(name, value) for name, value in given if value is not None]
    return [f"{name} = ?" for name, _ in chosen], [value for _, value in chosen]


def _step(row: tuple[Any, ...]) -> dict[str, Any]:
    return {
        "name": row[0],
        "status": row[1],
        "attempt": row[2],
        "progress": json.loads(row[3]) if row[3] else None,
        "started_at": row[4],
        "completed_at": row[5],
        "error": row[6],
        "expected_seconds": round(row[7], 3),
    }


def _dicts(cursor: sqlite3.Cursor) -> list[dict[str, Any]]:
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
