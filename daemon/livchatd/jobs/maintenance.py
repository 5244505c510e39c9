"""Housekeeping: a copy of the table for each of the last days, and forgetting what is old."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

from livchatd.jobs.idempotency import Claims
from livchatd.storage.database import Database, now

logger = logging.getLogger(__name__)

EVERY = 4 * 3600
"""Ticks between two times: an hour."""
FIRST = 240
"""Ticks after the start before the first time: a minute."""
RETENTION = timedelta(days=90)
COPIES = 7
"""Copies of the table that are kept, one a day."""


async def tidy(
    database: Database, claims: Claims, prune: Callable[[timedelta], Awaitable[int]]
) -> None:
    """Keep a copy of the table, then forget what is old: jobs after 90 days, first answers."""
    try:
        await asyncio.to_thread(back_up, database)
    except (OSError, sqlite3.Error):
        logger.exception("cannot keep a copy of the table")
    claims.forget_old()
    await prune(RETENTION)


def back_up(database: Database) -> Path | None:
    """Copy the table beside itself, in `backups`, 0600; None if there is a copy of today."""
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
    for old in sorted(folder.glob("livchat-*.db"))[:-COPIES]:
        old.unlink()
    return copy
