"""Idempotency keys: a request that is sent again gets its first response and does nothing twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from livchat.errors import InvalidRequest
from livchatd.storage.database import Database, Transaction, now

KEPT_FOR = timedelta(hours=24)
"""How long a first response is kept."""


@dataclass(frozen=True)
class IdempotencyKey:
    """The caller's Idempotency-Key, with the digest of the request that it was sent with."""

    key: str
    digest: str


@dataclass(frozen=True)
class Caller:
    """Who sends a request, as the audit log names them, and the key of the request if it has one.

    `name` is `uid:1000 pid:4242` for a process of this machine, `token` over TCP.
    """

    name: str
    key: IdempotencyKey | None = None


ANONYMOUS = Caller("")
"""Nobody in particular, with no key: for jobs that no request asks for."""


@dataclass(frozen=True)
class StoredResponse:
    """The first response to a key: its HTTP status and its body, a JSON text."""

    status: int
    body: str


@dataclass(frozen=True)
class AcceptedJob:
    """A job that is on disk, with the body of the 202 that says so: a JSON text.

    `replayed` says that the request was sent before: job and body are those of the first time.
    """

    job_id: str
    body: str
    replayed: bool = False


def find(tx: Transaction, key: IdempotencyKey) -> StoredResponse | None:
    """Return the first response to this key, or None.

    Raises `InvalidRequest` if the key was used for another request.
    """
    row = tx.execute("SELECT digest, status, body FROM claims WHERE key = ?", (key.key,)).fetchone()
    if row is None:
        return None
    digest, status, body = row
    if digest != key.digest:
        raise InvalidRequest(
            "Idempotency-Key: was used for another request",
            hint="send a new key with each new request",
            details={
                "fields": [{"field": "Idempotency-Key", "message": "was used for another request"}]
            },
        )
    return StoredResponse(status, body)


def store(tx: Transaction, key: IdempotencyKey, response: StoredResponse) -> None:
    """Keep the first response to a key; a later one changes nothing."""
    tx.execute(
        "INSERT OR IGNORE INTO claims VALUES (?, ?, ?, ?, ?)",
        (key.key, key.digest, response.status, response.body, now()),
    )


def run_once(
    tx: Transaction, key: IdempotencyKey, run: Callable[[], StoredResponse]
) -> StoredResponse | None:
    """Run `run` and keep its response, unless the key has a response already: return that one.

    Returns None if `run` ran. Raises `InvalidRequest` if the key was used for another request.
    """
    first = find(tx, key)
    if first is None:
        store(tx, key, run())
    return first


class StoredResponses:
    """The first responses to requests that start no job; a job's is written with the job."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, key: IdempotencyKey) -> StoredResponse | None:
        """Return the first response to this key, or None.

        Raises `InvalidRequest` if the key was used for another request.
        """
        return await self._database.write(lambda tx: find(tx, key))

    async def knows(self, key: IdempotencyKey | None) -> bool:
        """Whether a request has a first response already; raises what `find` raises."""
        return key is not None and await self.find(key) is not None

    async def store(self, key: IdempotencyKey, response: StoredResponse) -> None:
        """Keep a first response; it is on disk when this returns."""
        await self._database.write(lambda tx: store(tx, key, response))

    def delete_expired(self) -> None:
        """Delete responses that are older than a day."""
        before = (datetime.now(UTC) - KEPT_FOR).isoformat(timespec="microseconds")[:-6] + "Z"
        self._database.write_soon(
            lambda tx: tx.execute("DELETE FROM claims WHERE created_at < ?", (before,))
        )
