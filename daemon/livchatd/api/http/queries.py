"""The queries of requests, as models."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from livchat.job_state import JobStatus
from livchat.wire.base import ProviderName, Request, ResourceName

DEFAULT_AGE = "7d"
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

Word = Annotated[str, StringConstraints(min_length=1, max_length=64)]
CURSOR = "^[0-9A-Za-z]{1,32}-[0-9]{1,18}$"
Cursor = Annotated[str, StringConstraints(pattern=CURSOR)]


class JobsQuery(Request):
    """Which jobs; `cursor` is the `next_cursor` of the page before."""

    status: JobStatus | None = None
    type: Word | None = None
    server: Word | None = None
    limit: int = Field(50, ge=1, le=500)
    cursor: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,18}$")] | None = None


class LogsQuery(Request):
    """Which lines of a job's log: the last `tail` of those that match."""

    tail: int = Field(100, ge=0, le=10_000)
    step: Annotated[str, StringConstraints(max_length=256)] | None = None
    level: Literal["debug", "info", "warning", "error"] | None = None


class WaitQuery(Request):
    """How many seconds to wait for a job's end."""

    timeout: float = Field(30, ge=0, le=600, allow_inf_nan=False)


class EventsQuery(Request):
    """The event after which a stream begins."""

    after: Cursor | None = None


class CancelQuery(Request):
    """`force` ends a rollback that is under way as well."""

    force: bool = False


class PruneQuery(Request):
    """Jobs that ended longer ago than this: 90s, 30m, 12h, 7d or 2w."""

    older_than: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,6}[smhdw]$")] = DEFAULT_AGE
    status: Literal["completed", "failed", "cancelled"] | None = None

    @property
    def age(self) -> timedelta:
        """`older_than` as a time."""
        return timedelta(**{_UNITS[self.older_than[-1]]: int(self.older_than[:-1])})


class ProviderQuery(Request):
    """Which provider; without it the default one."""

    provider: ProviderName | None = None


class TypesQuery(ProviderQuery):
    """Which provider, and which of its locations."""

    region: ResourceName | None = None


class PlanQuery(Request):
    """`plan` asks for what would be done; nothing is."""

    plan: bool = False


class SecretsQuery(Request):
    """`reveal` asks for values too, which the audit log records."""

    reveal: bool = False


class DeleteAppQuery(Request):
    """`purge` deletes an app's volumes and databases too."""

    purge: bool = False
