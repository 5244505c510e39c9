"""First answers kept by Idempotency-Key: a request that is sent again makes nothing twice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from livchat.errors import Invalid
from livchatd.storage.database import Database, Transaction, now

KEPT = timedelta(hours=24)


@dataclass(frozen=True)
class Claim:
    """The first answer to a key: `digest` is of the request, `body` the JSON text sent."""

    key: str
    digest: str
    status: int
    body: str


def seen(tx: Transaction, key: str, digest: str) -> Claim | None:
    """The first answer to this key, or None; `Invalid` if the key was used for something else."""
    row = tx.execute("SELECT digest, status, body FROM claims WHERE key = ?", (key,)).fetchone()
    if row is None:
        return None
    if row[0] != digest:
        raise Invalid(
            "Idempotency-Key: was used for another request",
            hint="send a new key with each new request",
            details={
                "fields": [{"field": "Idempotency-Key", "message": "was used for another request"}]
            },
        )
    return Claim(key, *row)


def keep(tx: Transaction, claim: Claim) -> None:
    """Keep a first answer."""
    tx.execute(
        "INSERT OR IGNORE INTO claims VALUES (?, ?, ?, ?, ?)",
        (claim.key, claim.digest, claim.status, claim.body, now()),
    )


class Claims:
    """Claims of requests that start no job."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, key: str, digest: str) -> Claim | None:
        """The first answer to this key, or None; `Invalid` if it was used for something else."""
        return await self._database.write(lambda tx: seen(tx, key, digest))

    async def keep(self, claim: Claim) -> None:
        """Keep a first answer."""
        await self._database.write(lambda tx: keep(tx, claim))

    def forget_old(self) -> None:
        """Forget what is older than a day."""
        before = (datetime.now(UTC) - KEPT).isoformat(timespec="microseconds")[:-6] + "Z"
        self._database.post(
            lambda tx: tx.execute("DELETE FROM claims WHERE created_at < ?", (before,))
        )
