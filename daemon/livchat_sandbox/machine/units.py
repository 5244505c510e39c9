"""Transient units of a simulated machine: they run on by the clock, watched or not."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Work:
    """What a long command will print and when, how it ends, and what is so once it has ended.

    Times are moments of the clock. `effect` names a change (`installed`, `updated`, `configured`)
    with its data; it happens only if the command ends with 0. `breaks` says that stopping it
    half-way leaves dpkg interrupted.
    """

    lines: list[tuple[float, str]]
    ends_at: float
    code: int = 0
    effect: str = ""
    names: list[str] = field(default_factory=list)
    breaks: bool = False
    locks: bool = False


@dataclass
class Unit:
    """A transient unit, with the file that takes its output."""

    name: str
    argv: list[str]
    log: str | None
    work: Work
    printed: int = 0
    ended: bool = False
    remains: bool = True

    def settle(self, now: float) -> str:
        """What it has printed since it was last looked at."""
        fresh: list[str] = []
        while self.printed < len(self.work.lines) and self.work.lines[self.printed][0] <= now:
            fresh.append(self.work.lines[self.printed][1] + "\n")
            self.printed += 1
        return "".join(fresh)

    def state(self) -> tuple[str, str, str, int]:
        """ActiveState, SubState, Result and ExecMainStatus."""
        if not self.ended:
            return "active", "running", "success", 0
        if self.work.code:
            return "failed", "failed", "exit-code", self.work.code
        return "active", "exited", "success", 0

    def dump(self) -> dict[str, Any]:
        """The unit as JSON."""
        return asdict(self)

    @classmethod
    def load(cls, dumped: dict[str, Any]) -> Unit:
        """A unit from its dump."""
        work = dict(dumped["work"])
        work["lines"] = [(at, text) for at, text in work["lines"]]
        return cls(**{**dumped, "work": Work(**work)})
