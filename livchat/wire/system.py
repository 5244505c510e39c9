"""The daemon itself: its version, its health, how many jobs it has."""

from __future__ import annotations

from livchat.wire.base import Wire


class Root(Wire):
    """What answers at `/`."""

    message: str
    version: str
    docs: str
    health: str


class JobCounts(Wire):
    """How many jobs wait and run."""

    queued: int
    running: int


class Health(Wire):
    """The daemon is alive."""

    status: str
    version: str
    uptime_seconds: float
    jobs: JobCounts
