"""Who asks for a job, what is told of it, and the answer kept for a request sent again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from livchat.wire.jobs import JobStatus
from livchatd.jobs.idempotency import Claim

ON_DISK = JobStatus.QUEUED.value
"""How a job stands when it is on disk: the same in the first answer and in each repeated one."""


@dataclass(frozen=True)
class Started:
    """A job that is on disk. `replay` is the first answer to a request that was sent again."""

    job_id: str
    status: str
    summary: str
    server: str | None
    retry_of: str | None = None
    replay: Claim | None = None


async def _never() -> bool:
    return False


@dataclass(frozen=True)
class Ask:
    """Who asks, and the answer to keep for the same request sent again.

    `repeated` says whether it is one that was sent before.
    """

    caller: str
    claim: Callable[[Started], Claim] | None = None
    repeated: Callable[[], Awaitable[bool]] = _never


def teller(
    ask: Ask, summary: str, server: str | None, retry_of: str | None
) -> Callable[[str, str], Claim] | None:
    """What makes the answer to keep, once the job has its id."""
    claim = ask.claim
    if claim is None:
        return None
    return lambda job_id, status: claim(Started(job_id, status, summary, server, retry_of))
