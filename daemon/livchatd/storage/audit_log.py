"""The audit log: who asked for which change, and what came of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from livchatd.storage.database import Database, Transaction, now

KEPT_FOR = timedelta(days=365)
"""How long an entry is kept."""
GATHERING_SECONDS = 0.05
"""How long entries that nobody waits for are gathered."""

Row = tuple[str, str, str, str | None, int]
"""A row of the table: time, caller, action, target, status."""


@dataclass(frozen=True)
class AuditEntry:
    """One request for a change; no value that was sent is in it.

    `action` is the route's, `target` what it is about, `status` the HTTP status of its response.
    """

    caller: str
    action: str
    target: str | None
    status: int


class AuditLog:
    """The entries in the database, in the order in which the requests were answered."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._gathered: list[Row] = []

    def record_soon(self, entry: AuditEntry) -> None:
        """Write an entry within 50 ms, many in one commit, without waiting for it."""
        if not self._gathered:
            asyncio.get_running_loop().call_later(GATHERING_SECONDS, self.flush)
        self._gathered.append(_row(entry))

    async def record(self, entry: AuditEntry) -> None:
        """Write an entry; durable when this returns, with all that were gathered before it."""
        rows, self._gathered = [*self._gathered, _row(entry)], []
        await self._database.write(lambda tx: _add(tx, rows))

    def flush(self) -> None:
        """Write what was gathered now."""
        rows, self._gathered = self._gathered, []
        if rows:
            self._database.write_soon(lambda tx: _add(tx, rows))

    def delete_expired(self) -> None:
        """Delete entries that are older than a year."""
        before = (datetime.now(UTC) - KEPT_FOR).isoformat(timespec="microseconds")[:-6] + "Z"
        self._database.write_soon(
            lambda tx: tx.execute("DELETE FROM audit WHERE at < ?", (before,))
        )


def _row(entry: AuditEntry) -> Row:
    return now(), entry.caller, entry.action, entry.target, entry.status


def _add(tx: Transaction, rows: list[Row]) -> None:
    tx.executemany(
        "INSERT INTO audit (at, caller, action, target, status) VALUES (?, ?, ?, ?, ?)", rows
    )
