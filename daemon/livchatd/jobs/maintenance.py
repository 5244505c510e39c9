"""Maintenance: a copy of the database for each of the last days, and deleting what is old."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

from livchatd.jobs.idempotency import StoredResponses
from livchatd.storage.database import Database, now

logger = logging.getLogger(__name__)

PERIOD_SECONDS = 3600.0
FIRST_AFTER_SECONDS = 60.0
"""How long after its start the daemon does it first."""
RETENTION = timedelta(days=90)
"""How long jobs are kept after their end."""
BACKUP_COUNT = 7
"""How many copies of the database are kept, one a day."""


async def run_maintenance(
    database: Database,
    responses: StoredResponses,
    prune: Callable[[timedelta], Awaitable[int]],
) -> None:
    """Keep a copy of the database, then delete old jobs and responses.

    A copy that cannot be made is logged, and the rest is done nevertheless.
    """
    try:
        await asyncio.to_thread(backup, database)
    except (OSError, sqlite3.Error):
        logger.exception("cannot keep a copy of the table")
    responses.delete_expired()
    await prune(RETENTION)


def backup(database: Database) -> Path | None:
    """Copy the database beside itself, in `backups`, 0600; None if there is a copy of today.

    Raises `OSError` or `sqlite3.Error` if it cannot be written; an unfinished copy has another
    name and is replaced the next time.
    """
    folder = database.path.parent / "backups"
    copy = folder / f"livchat-{now()[:10]}.db"
    if copy.exists():
        return None
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = copy.with_suffix(".part")
    unfinished.unlink(missing_ok=True)
    database.copy_to(unfinished)
    unfinished.chmod(0o600)
    unfinished.replace(copy)
    for old in sorted(folder.glob("livchat-*.db"))[:-BACKUP_COUNT]:
        old.unlink()
    return copy
