"""A simulated server: its files, packages, units and Docker engine, moved on by the clock."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from livchat_sandbox.docker.engine import Engine
from livchat_sandbox.docker.state import Holdings
from livchat_sandbox.machine import traefik
from livchat_sandbox.machine.files import Files
from livchat_sandbox.machine.firewall import open_ports
from livchat_sandbox.machine.packages import PRESENT, VENDOR, docker_version, unpacked
from livchat_sandbox.machine.portainer_data import Portainer
from livchat_sandbox.machine.traefik import Site
from livchat_sandbox.machine.units import Unit

if TYPE_CHECKING:
    from livchat_sandbox.clock import Clock

ENABLED = ("apt-daily.timer", "apt-daily-upgrade.timer")
"""Units that every image switches on."""
_LISTEN = re.compile(r"^ListenStream=(\d+)$", re.MULTILINE)
_SOURCES = "/etc/apt/sources.list.d"
_FIRST_BOOT = 8.0
"""Seconds after boot during which cloud-init works and holds the package manager's lock."""


@dataclass
class Facts:
    """What a machine is, and the plain settings that commands change."""

    name: str
    ip: str
    image: str
    architecture: str
    cores: int
    memory_gb: float
    disk_gb: int
    user_data: str
    authorized_keys: list[str]
    first_boot_ends: float
    hostname: str
    timezone: str = "Etc/UTC"
    swap: list[str] = field(default_factory=list)
    packages: dict[str, str] = field(default_factory=dict)
    """Version by package."""
    lists: bool = False
    """Whether the package lists have been fetched."""
    vendor: bool = False
    """Whether the lists that were fetched are Docker's own too."""
    interrupted: bool = False
    """Whether dpkg was stopped half-way."""
    held: list[str] = field(default_factory=list)
    """Packages that no upgrade takes along."""
    enabled: list[str] = field(default_factory=lambda: list(ENABLED))
    """Units that begin at boot, of those that can be switched."""
    table: str | None = None
    """The packet filter's table in force, as nft was given it."""


class Machine:
    """One server. Everything it does by itself is computed when it is looked at (`settle`)."""

    def __init__(self, facts: Facts, files: Files, held: Holdings, clock: Clock) -> None:
        self.facts = facts
        self.files = files
        self.clock = clock
        self.engine = Engine(held, clock)
        self.units: dict[str, Unit] = {}
        self.portainer = Portainer()
        self.changed: Callable[[], None] = _nothing
        self.spoilt: tuple[str, int] | None = None
        """The last words and exit status of the next unit that is started: a fault."""

    @classmethod
    def boot(  # noqa: PLR0913 - the parts of an order at a provider
        cls,
        name: str,
        ip: str,
        image: str,
        architecture: str,
        cores: int,
        memory_gb: float,
        disk_gb: int,
        user_data: str,
        authorized_keys: list[str],
        clock: Clock,
    ) -> Machine:
        """A machine that boots now: SSH answers, and cloud-init is still at work."""
        facts = Facts(
            name=name,
            ip=ip,
            image=image,
            architecture=architecture,
            cores=cores,
            memory_gb=memory_gb,
            disk_gb=disk_gb,
            user_data=user_data,
            authorized_keys=list(authorized_keys),
            first_boot_ends=clock.now() + clock.scaled(_FIRST_BOOT),
            hostname=name,
            packages=dict(PRESENT),
        )
        machine = cls(facts, Files.of(image, name), Holdings(name), clock)
        if image.startswith("docker-ce"):
            machine.install(["docker-ce", "docker-ce-cli", "containerd.io"])
        return machine

    def dump(self) -> dict[str, Any]:
        """The machine as JSON; `load` makes the same machine of it."""
        return {
            "facts": asdict(self.facts),
            "files": self.files.dump(),
            "engine": self.engine.held.dump(),
            "units": [unit.dump() for unit in self.units.values()],
            "portainer": self.portainer.dump(),
        }

    @classmethod
    def load(cls, dumped: dict[str, Any], clock: Clock) -> Machine:
        """A machine from its dump; what was running runs on, and may have ended meanwhile."""
        machine = cls(
            Facts(**dumped["facts"]),
            Files(dumped["files"]),
            Holdings.load(dumped["engine"]),
            clock,
        )
        machine.units = {unit["name"]: Unit.load(unit) for unit in dumped["units"]}
        machine.portainer = Portainer.load(dumped["portainer"])
        return machine

    @property
    def memory(self) -> int:
        """Its memory in bytes."""
        return int(self.facts.memory_gb * 1024**3)

    def ssh(self) -> tuple[int, str]:
        """Where SSH listens, and who does: systemd for it, if ssh.socket says so."""
        found = _LISTEN.search(self.files.read("/etc/systemd/system/ssh.socket") or "")
        return (int(found[1]), "systemd") if found else (22, "sshd")

    def admits(self, port: int) -> bool:
        """Whether the packet filter lets a new connection from outside come to a TCP port."""
        self.settle()
        return self.facts.table is None or port in open_ports(self.facts.table)

    def first_boot(self) -> bool:
        """Whether cloud-init is still at work."""
        return self.clock.now() < self.facts.first_boot_ends

    def unlocked_at(self) -> float:
        """When the package manager's lock is free."""
        held = [unit.work.ends_at for unit in self.units.values() if unit.work.locks]
        return max([self.clock.now(), self.facts.first_boot_ends, *held])

    def settle(self) -> None:
        """Let what is due happen: units print and end, stacks are deployed, updates judged."""
        now = self.clock.now()
        moved = [self._advance(unit, now) for unit in self.units.values()]
        for unit in [each for each in self.units.values() if each.ended and not each.remains]:
            del self.units[unit.name]
        moved.append(self.portainer.settle(self.engine, self.clock))
        moved.append(self.engine.settle())
        if any(moved):
            self.changed()

    def _advance(self, unit: Unit, now: float) -> bool:
        if unit.ended:
            return False
        printed = unit.settle(now)
        if unit.log and printed:
            self.files.append(unit.log, printed)
        if now >= unit.work.ends_at:
            unit.ended = True
            unit.work.locks = False
            if unit.work.code == 0:
                self._effect(unit.work.effect, unit.work.names)
        return bool(printed) or unit.ended

    def _effect(self, effect: str, names: list[str]) -> None:
        if effect == "installed":
            self.install(names)
        elif effect == "updated":
            self.facts.lists, self.facts.vendor = True, VENDOR in self.files.text(_SOURCES)
        elif effect == "opened":
            self.facts.table = None
        elif effect == "configured":
            self.facts.interrupted = False

    def install(self, packages: list[str]) -> None:
        """The packages, and what they need, are installed; Docker's starts its engine."""
        self.facts.packages |= unpacked(self.facts.image, packages)
        if not self.engine.held.active and (version := docker_version(self.facts.packages)):
            self.engine.start(version)

    def stop_unit(self, name: str) -> None:
        """End a unit and all that runs in it; a transient unit that is no failure is forgotten."""
        unit = self.units[name]
        if not unit.ended and unit.work.breaks and unit.printed:
            self.facts.interrupted = True
        unit.work.locks = False
        if not (unit.ended and unit.work.code):
            del self.units[name]

    def stacks(self) -> list[dict[str, Any]]:
        """The stacks on this machine: `{"name", "services": [short names]}`."""
        self.settle()
        found: dict[str, list[str]] = {}
        for service in sorted(self.engine.held.services.values(), key=lambda each: each.name):
            found.setdefault(service.stack, []).append(service.short)
        return [{"name": name, "services": services} for name, services in sorted(found.items())]

    def site(self, host: str, path: str, authorization: str = "") -> Site | None:
        """What Traefik here answers for a host and path; None where nothing routes it."""
        self.settle()
        return traefik.site(self.engine, host, path, authorization)


def _nothing() -> None:
    """Nobody wants to know."""
