"""Transient systemd units of a simulated machine, which go on by the clock."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Work:
    """What a long command will print and when, how it ends, and what it changes at its end.

    Times are seconds since 1970. `effect` names a change of the machine (`installed`, `updated`,
    `opened`, `configured`) with the packages in `names`; it happens only if the command ends with
    0. `breaks` says that a stop half-way leaves dpkg interrupted, `locks` that the command holds
    the package manager's lock.
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
    """A transient unit. `log` is the file that takes its output.

    `printed` counts the lines that are in it. A unit that does not `remain` is gone once it ended.
    """

    name: str
    argv: list[str]
    log: str | None
    work: Work
    printed: int = 0
    ended: bool = False
    remains: bool = True

    def take_output(self, now: float) -> str:
        """Return what the unit printed since the last call."""
        fresh: list[str] = []
        while self.printed < len(self.work.lines) and self.work.lines[self.printed][0] <= now:
            fresh.append(self.work.lines[self.printed][1] + "\n")
            self.printed += 1
        return "".join(fresh)

    def systemd_state(self) -> tuple[str, str, str, int]:
        """Return ActiveState, SubState, Result and ExecMainStatus."""
        if not self.ended:
            return "active", "running", "success", 0
        if self.work.code:
            return "failed", "failed", "exit-code", self.work.code
        return "active", "exited", "success", 0

    def dump(self) -> dict[str, Any]:
        """Return the unit as JSON data."""
        return asdict(self)

    @classmethod
    def load(cls, dumped: dict[str, Any]) -> Unit:
        """Return a unit from its dump."""
        work = dict(dumped["work"])
        work["lines"] = [(at, text) for at, text in work["lines"]]
        return cls(**{**dumped, "work": Work(**work)})
