"""Who asked for which change, and what came of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from livchatd.storage.database import Database, Transaction, now

KEPT = timedelta(days=365)
TOGETHER = 0.05
"""Seconds for which entries that nobody waits for are gathered."""


@dataclass(frozen=True)
class Entry:
    """One request for a change. `status` is that of its answer; never a value that was sent."""

    caller: str
    action: str
    target: str | None
    status: int


class Audit:
    """The table of entries, in the order in which they were answered."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._told: list[Row] = []

    def tell(self, entry: Entry) -> None:
        """Write it down within 50 ms, many in one commit; nobody waits for it."""
        if not self._told:
            asyncio.get_running_loop().call_later(TOGETHER, self.flush)
        self._told.append(_row(entry))

    async def keep(self, entry: Entry) -> None:
        """Write it down; durable when this returns, with all that was told before it."""
        rows, self._told = [*self._told, _row(entry)], []
        await self._database.write(lambda tx: _add(tx, rows))

    def flush(self) -> None:
        """Write down now what was told."""
        rows, self._told = self._told, []
        if rows:
            self._database.post(lambda tx: _add(tx, rows))

    def forget_old(self) -> None:
        """Forget what is older than a year."""
        before = (datetime.now(UTC) - KEPT).isoformat(timespec="microseconds")[:-6] + "Z"
        self._database.post(lambda tx: tx.execute("DELETE FROM audit WHERE at < ?", (before,)))


Row = tuple[str, str, str, str | None, int]


def _row(entry: Entry) -> Row:
    return now(), entry.caller, entry.action, entry.target, entry.status


def _add(tx: Transaction, rows: list[Row]) -> None:
    tx.executemany(
        "INSERT INTO audit (at, caller, action, target, status) VALUES (?, ?, ?, ?, ?)", rows
    )
