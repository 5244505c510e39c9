"""Who asked for which change, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from livchatd.database import Database, Transaction, now

KEPT = timedelta(days=365)


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

    def tell(self, entry: Entry) -> None:
        """Write it down right after the change, in the order of writes; nobody waits for it."""
        row = _row(entry)
        self._database.post(lambda tx: _add(tx, row))

    async def keep(self, entry: Entry) -> None:
        """Write it down; durable when this returns."""
        row = _row(entry)
        await self._database.write(lambda tx: _add(tx, row))

    def forget_old(self) -> None:
        """Forget what is older than a year."""
        before = (datetime.now(UTC) - KEPT).isoformat(timespec="microseconds")[:-6] + "Z"
        self._database.post(lambda tx: tx.execute("DELETE FROM audit WHERE at < ?", (before,)))


Row = tuple[str, str, str, str | None, int]


def _row(entry: Entry) -> Row:
    return now(), entry.caller, entry.action, entry.target, entry.status


def _add(tx: Transaction, row: Row) -> None:
    tx.execute("INSERT INTO audit (at, caller, action, target, status) VALUES (?, ?, ?, ?, ?)", row)
