"""The daemon itself: its health."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic

from livchat import __version__
from livchat.wire.system import Health, JobCounts
from livchatd.jobs.engine import Engine


@dataclass(frozen=True)
class SystemOperations:
    """What can be asked about the daemon."""

    engine: Engine
    started: float = field(default_factory=monotonic)

    def health(self) -> Health:
        """Return that the daemon is alive, for how many seconds, and how many jobs it has."""
        return Health(
            status="ok",
            version=__version__,
            uptime_seconds=round(monotonic() - self.started, 3),
            jobs=JobCounts.model_validate(self.engine.counts()),
        )
