"""Lists of jobs: filters, pages as JSON text, and how many jobs there are of which kind."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

from livchat.job_state import ENDED
from livchatd.jobs.job_table import JOB_COLUMNS

CACHED_SUMMARIES_COUNT = 4096
"""How many ended jobs' summaries are kept in memory as text: some 2 MB."""


_SUMMARY_JSON = "json_object({})".format(
    ", ".join(
        f"'{name}', json(iif({name}, 'true', 'false'))"
        if name == "cancel_requested"
        else f"'{name}', {name}"
        for name in JOB_COLUMNS.split(", ")
    )
)


@dataclass(frozen=True)
class JobFilter:
    """Which jobs of a list; `before` is the `n` of the last job of the page before."""

    status: str | None = None
    type: str | None = None
    server: str | None = None
    limit: int = 50
    before: int | None = None


class JobSummaries:
    """Pages of jobs as JSON text; the text of an ended job is kept in memory, since it stays."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._ended: dict[int, str] = {}

    def page(self, job_filter: JobFilter) -> tuple[str, int | None]:
        """Return a page, newest first, as a JSON array, and the `before` of the next or None."""
        where, values = _where(job_filter)
        if job_filter.before is not None:
            where.append("n < ?")
            values.append(job_filter.before)
        condition = f"WHERE {' AND '.join(where)}" if where else ""
        rows = self._connection.execute(
            f"SELECT n FROM jobs {condition} ORDER BY n DESC LIMIT ?",  # noqa: S608 - names are ours
            (*values, job_filter.limit + 1),
        ).fetchall()
        numbers = [row[0] for row in rows[: job_filter.limit]]
        more = numbers[-1] if len(rows) > job_filter.limit else None
        texts = self._texts([n for n in numbers if n not in self._ended])
        return f"[{','.join(texts.get(n) or self._ended[n] for n in numbers)}]", more

    def clear(self) -> None:
        """Drop what is kept in memory: jobs were deleted."""
        self._ended.clear()

    def _texts(self, numbers: list[int]) -> dict[int, str]:
        if not numbers:
            return {}
        marks = ", ".join("?" * len(numbers))
        rows = self._connection.execute(
            f"SELECT n, status, {_SUMMARY_JSON} FROM jobs WHERE n IN ({marks})",  # noqa: S608
            numbers,
        ).fetchall()
        if len(self._ended) + len(rows) > CACHED_SUMMARIES_COUNT:
            self._ended.clear()
        self._ended.update((row[0], row[2]) for row in rows if row[1] in ENDED)
        return {row[0]: row[2] for row in rows}


def count_jobs(connection: sqlite3.Connection) -> dict[tuple[str, str, str | None], int]:
    """Return how many jobs there are by type, status and server."""
    rows = connection.execute(
        "SELECT type, status, server, count(*) FROM jobs GROUP BY 1, 2, 3"
    ).fetchall()
    return {(row[0], row[1], row[2]): row[3] for row in rows}


def _where(job_filter: JobFilter) -> tuple[list[str], list[Any]]:
    given = (
        ("status", job_filter.status),
        ("type", job_filter.type),
        ("server", job_filter.server),
    )
    chosen = [(name, value) for name, value in given if value is not None]
    return [f"{name} = ?" for name, _ in chosen], [value for _, value in chosen]
