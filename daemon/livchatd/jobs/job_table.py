"""The job table: jobs, their steps, events and locks in SQL. Writes run in a transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import chain
from typing import Any

from livchat.errors import CursorGone, InvalidRequest, NotFound
from livchat.job_state import LOG_TAIL
from livchat.messages import JOB_MISSING
from livchatd.jobs.active import ActiveJob, ActiveStep, completed_and_remaining
from livchatd.jobs.event_feed import Event
from livchatd.storage.database import Transaction, now

JOB_COLUMNS = (
    "job_id, type, status, summary, server, progress, current_step, created_at, started_at, "
    "completed_at, estimated_completion, error, error_code, waiting_for, cancel_requested, "
    "rollback, retry_of"
)
_JOB_BY_ID = (
    f"SELECT n, params, result, hint, left_behind, messages, {JOB_COLUMNS} "
    "FROM jobs WHERE job_id = ?"
)
_STEPS_OF_JOB = (
    "SELECT title, status, attempt, progress, started_at, completed_at, error, expected, messages "
    "FROM steps WHERE n = ? ORDER BY position"
)
_CHANGE_STEP = (
    "UPDATE steps SET status = ?, attempt = ?, touched = ?, progress = ?, started_at = ?, "
    "completed_at = ?, error = ?, messages = ? WHERE position = ? AND n = ?"
)
_TAKE_LOCK = (
    "INSERT INTO locks VALUES (?1, ?2) RETURNING (SELECT job_id FROM locks JOIN jobs USING (n) "
    "WHERE resource = ?1 AND n < ?2 ORDER BY n LIMIT 1)"
)
ROWS_PER_INSERT = 64
"""How many rows one statement writes: each statement costs the writer a wait for the GIL."""


def left_behind(connection: sqlite3.Connection) -> dict[str, str]:
    """Return what jobs left behind, each with the id of the latest job that says so."""
    rows = connection.execute(
        "SELECT job_id, left_behind FROM jobs WHERE left_behind != '[]' ORDER BY n"
    )
    return {thing: job_id for job_id, left in rows for thing in json.loads(left)}


def add_job(tx: Transaction, columns: Mapping[str, Any], steps: Iterable[ActiveStep]) -> int:
    """Insert a job with its steps; return its `n`."""
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
        "completed_at, error, messages, position)",
        [(n, step.key, step.title, step.expected_seconds, *step.to_row()) for step in steps],
    )
    return n


def change_job(tx: Transaction, n: int, changes: Mapping[str, Any]) -> None:
    """Change columns of a job."""
    tx.execute(_update_sql(tuple(changes)), (*changes.values(), n))


def change_steps(tx: Transaction, n: int, rows: Iterable[tuple[Any, ...]]) -> None:
    """Change steps; each row is an `ActiveStep.to_row()`."""
    for row in rows:
        tx.execute(_CHANGE_STEP, (*row, n))


def add_events(
    tx: Transaction, n: int, job_id: str, events: Iterable[tuple[str, str]]
) -> list[Event]:
    """Append events, each a type and a body, a JSON text; return them as they are published."""
    added = [Event(tx.next_seq(), n, job_id, kind, body) for kind, body in events]
    _add_rows(tx, "events (seq, n, type, body)", [(e.seq, n, e.type, e.body) for e in added])
    return added


def take_lock(tx: Transaction, resource: str, n: int) -> str | None:
    """Queue for a resource; return the id of the job that holds it, or None if this one does."""
    ((holder,),) = tx.execute(_TAKE_LOCK, (resource, n)).fetchall()
    return str(holder) if holder is not None else None


def drop_locks(tx: Transaction, n: int) -> None:
    """Leave the queue of every resource."""
    tx.execute("DELETE FROM locks WHERE n = ?", (n,))


def read_job(connection: sqlite3.Connection, job_id: str, epoch: str, seq: int) -> dict[str, Any]:
    """Return a job as the API shows it; `seq` is the newest event where there are none.

    Its cursor is that of the last event that it contains. Raises `NotFound`.
    """
    connection.execute("BEGIN")
    try:
        row = connection.execute(_JOB_BY_ID, (job_id,)).fetchone()
        if row is None:
            raise NotFound(JOB_MISSING(job=job_id), hint="livchat job list")
        n = row[0]
        steps = connection.execute(_STEPS_OF_JOB, (n,)).fetchall()
        lines = connection.execute(
            "SELECT body FROM events WHERE n = ? AND type = 'log' ORDER BY seq DESC LIMIT ?",
            (n, LOG_TAIL),
        ).fetchall()
        last = connection.execute("SELECT max(seq) FROM events").fetchone()[0] or seq
    finally:
        connection.execute("COMMIT")
    job: dict[str, Any] = dict(zip(JOB_COLUMNS.split(", "), row[6:], strict=True))
    job["cancel_requested"] = bool(job["cancel_requested"])
    completed, remaining = completed_and_remaining((s[0], s[1]) for s in steps)
    job["params"] = json.loads(row[1])
    job["steps_completed"], job["steps_remaining"] = completed, remaining
    job["steps"] = [_step(s) for s in steps]
    job["result"] = json.loads(row[2]) if row[2] else None
    job["hint"] = row[3]
    job["left_behind"] = json.loads(row[4])
    job["logs"] = [json.loads(line[0])["log"] for line in reversed(lines)]
    job["cursor"] = f"{epoch}-{last}"
    if row[5]:
        job["messages"] = json.loads(row[5])
    return job


def read_logs(
    connection: sqlite3.Connection, job_id: str, tail: int, step: str | None, level: str | None
) -> dict[str, Any]:
    """Return the last `tail` lines of a job's log, of a step (its title) and a level if given.

    Raises `NotFound`.
    """
    found = connection.execute("SELECT n FROM jobs WHERE job_id = ?", (job_id,)).fetchone()
    if found is None:
        raise NotFound(JOB_MISSING(job=job_id), hint="livchat job list")
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
    """Return up to `limit` events after a number, of one job (its `n`) or of all."""
    mine = "events.n = ? AND" if n is not None else ""
    values = (after, limit) if n is None else (n, after, limit)
    rows = connection.execute(
        f"SELECT seq, events.n, job_id, events.type, body FROM events JOIN jobs USING (n) "
        f"WHERE {mine} seq > ? ORDER BY seq LIMIT ?",
        values,
    ).fetchall()
    return [Event(*row) for row in rows]


def parse_cursor(cursor: str, epoch: str, head: int, floor: int) -> int:
    """Return the event number in a cursor; `head` is the newest, `floor` the last one pruned.

    Raises `CursorGone` if it is of another table or was pruned, `InvalidRequest` if it is none.
    """
    given, dash, number = cursor.rpartition("-")
    if not dash or not number.isdigit():
        raise InvalidRequest.field("after", "is not a cursor: it looks like 5f0c2a9e-812")
    seq = int(number)
    if given != epoch or seq > head or seq < floor:
        raise CursorGone(
            "these events are no longer all there",
            hint="read the job again and go on from its cursor",
            details={"oldest": f"{epoch}-{floor}", "newest": f"{epoch}-{head}"},
        )
    return seq


def prune(tx: Transaction, before: str, status: str | None) -> list[tuple[str, str, str | None]]:
    """Delete jobs that ended before a time, and raise the floor of the cursors over their events.

    Returns type, status and server of each.
    """
    where = "status IN ('completed', 'failed', 'cancelled') AND completed_at < ?"
    values: list[Any] = [before]
    if status is not None:
        where += " AND status = ?"
        values.append(status)
    pruned = tx.execute(
        f"SELECT n, type, status, server FROM jobs WHERE {where}", values
    ).fetchall()
    numbers = [(row[0],) for row in pruned]
    floor = 0
    for number in numbers:
        last = tx.execute("SELECT max(seq) FROM events WHERE n = ?", number).fetchone()[0]
        floor = max(floor, last or 0)
    for table in ("events", "steps", "jobs"):
        tx.executemany(f"DELETE FROM {table} WHERE n = ?", numbers)
    tx.execute(
        "UPDATE meta SET value = max(CAST(value AS INTEGER), ?) WHERE key = 'seq_floor'", (floor,)
    )
    return [row[1:] for row in pruned]


def newest_seq(connection: sqlite3.Connection) -> int:
    """Return the number of the newest event there ever was; 0 before the first."""
    last = connection.execute("SELECT max(seq) FROM events").fetchone()[0]
    return last or floor(connection)


def floor(connection: sqlite3.Connection) -> int:
    """Return the number of the newest event that was pruned: cursors before it are gone."""
    row = connection.execute("SELECT value FROM meta WHERE key = 'seq_floor'").fetchone()
    return int(row[0])


def open_jobs(connection: sqlite3.Connection) -> list[dict[str, Any]]:
    """Return the rows of the jobs that have not ended, oldest first."""
    cursor = connection.execute(
        "SELECT * FROM jobs WHERE status IN ('queued', 'running') ORDER BY n"
    )
    return _dicts(cursor)


def steps_of(connection: sqlite3.Connection, n: int) -> list[dict[str, Any]]:
    """Return the rows of a job's steps, in their order."""
    return _dicts(connection.execute("SELECT * FROM steps WHERE n = ? ORDER BY position", (n,)))


def job_row(connection: sqlite3.Connection, job_id: str) -> dict[str, Any]:
    """Return the row of a job; `NotFound`."""
    rows = _dicts(connection.execute("SELECT * FROM jobs WHERE job_id = ?", (job_id,)))
    if not rows:
        raise NotFound(JOB_MISSING(job=job_id), hint="livchat job list")
    return rows[0]


def new_columns(
    job: ActiveJob, summary: str, caller: str, version: str, retry_of: str | None
) -> dict[str, Any]:
    """Return the row of a new job. `caller` is who asked for it, `version` the daemon's."""
    return {
        "job_id": job.job_id,
        "type": job.type,
        "status": job.status.value,
        "summary": summary,
        "server": job.server,
        "params": job.params.model_dump_json(),
        "learnt": job.facts_stored,
        "variant": job.duration_key,
        "created_at": now(),
        "origin": job.root_job_id,
        "retry_of": retry_of,
        "caller": caller,
        "owner": "livchatd",
        "version": version,
    }


def _add_rows(tx: Transaction, into: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows, many with each statement; `into` names the table and its columns."""
    for first in range(0, len(rows), ROWS_PER_INSERT):
        some = rows[first : first + ROWS_PER_INSERT]
        tx.execute(_insert_sql(into, len(some[0]), len(some)), tuple(chain.from_iterable(some)))


@cache
def _insert_sql(into: str, width: int, rows: int) -> str:
    marks = f"({', '.join('?' * width)})"
    return f"INSERT INTO {into} VALUES {', '.join([marks] * rows)}"


@cache
def _update_sql(names: tuple[str, ...]) -> str:
    return f"UPDATE jobs SET {', '.join(f'{name} = ?' for name in names)} WHERE n = ?"


def _step(row: tuple[Any, ...]) -> dict[str, Any]:
    messages = {"messages": json.loads(row[8])} if row[8] else {}
    return {
        "name": row[0],
        "status": row[1],
        "attempt": row[2],
        "progress": json.loads(row[3]) if row[3] else None,
        "started_at": row[4],
        "completed_at": row[5],
        "error": row[6],
        "expected_seconds": round(row[7], 3),
        **messages,
    }


def _dicts(cursor: sqlite3.Cursor) -> list[dict[str, Any]]:
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
