"""A simulated machine: its files, packages, units and Docker engine, which go on by the clock."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from livchat_sandbox.docker.engine import Engine
from livchat_sandbox.docker.state import EngineState
from livchat_sandbox.machine import traefik
from livchat_sandbox.machine.files import Files
from livchat_sandbox.machine.firewall import open_ports
from livchat_sandbox.machine.packages import (
    DOCKER_REPOSITORY,
    PREINSTALLED,
    docker_version,
    versions_with_dependencies,
)
from livchat_sandbox.machine.portainer_data import PortainerData
from livchat_sandbox.machine.traefik import ProxyResponse
from livchat_sandbox.machine.units import Unit

if TYPE_CHECKING:
    from livchat_sandbox.clock import Clock
    from livchat_sandbox.faults.effects import CommandFailure
    from livchat_sandbox.machine.spec import MachineSpec

ENABLED_AT_BOOT = ("apt-daily.timer", "apt-daily-upgrade.timer")
"""Units that are enabled on every image."""
_LISTEN_STREAM = re.compile(r"^ListenStream=(\d+)$", re.MULTILINE)
_APT_SOURCES = "/etc/apt/sources.list.d"
_CLOUD_INIT_SECONDS = 8.0
"""Simulated seconds after the boot for which cloud-init holds the package manager's lock."""


@dataclass
class Facts:
    """What a machine is, and the plain settings that commands change.

    The field names are keys on disk.
    """

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
    """Whether the lists of Docker's own repository are among those that were fetched."""
    interrupted: bool = False
    """Whether dpkg was stopped half-way."""
    held: list[str] = field(default_factory=list)
    """Packages on hold: no upgrade touches them."""
    enabled: list[str] = field(default_factory=lambda: list(ENABLED_AT_BOOT))
    """Units that start at boot, of those that can be enabled and disabled."""
    table: str | None = None
    """The nftables table in force, as nft was given it."""


class Machine:
    """One machine. What it does by itself is computed when it is asked for (`advance_to_now`).

    `on_change` is called when anything changed that is kept on disk.
    """

    def __init__(self, facts: Facts, files: Files, engine: EngineState, clock: Clock) -> None:
        self.facts = facts
        self.files = files
        self.clock = clock
        self.engine = Engine(engine, clock)
        self.units: dict[str, Unit] = {}
        self.portainer = PortainerData()
        self.on_change: Callable[[], None] = _ignore_change
        self.forced_failure: CommandFailure | None = None
        """How the next unit that is started fails, under a fault."""

    @classmethod
    def boot(cls, spec: MachineSpec, clock: Clock) -> Machine:
        """Return a machine that boots now: SSH answers, and cloud-init is still at work."""
        facts = Facts(
            **asdict(spec),
            first_boot_ends=clock.now() + clock.scaled(_CLOUD_INIT_SECONDS),
            hostname=spec.name,
            packages=dict(PREINSTALLED),
        )
        files, state = Files.from_image(spec.image, spec.name), EngineState(spec.name)
        machine = cls(facts, files, state, clock)
        if spec.image.startswith("docker-ce"):
            machine.install(["docker-ce", "docker-ce-cli", "containerd.io"])
        return machine

    def dump(self) -> dict[str, Any]:
        """Return the machine as JSON data, from which `load` makes the same machine."""
        return {
            "facts": asdict(self.facts),
            "files": self.files.dump(),
            "engine": self.engine.state.dump(),
            "units": [unit.dump() for unit in self.units.values()],
            "portainer": self.portainer.dump(),
        }

    @classmethod
    def load(cls, dumped: dict[str, Any], clock: Clock) -> Machine:
        """Return a machine from its dump; what ran goes on, and may have ended in the meantime."""
        machine = cls(
            Facts(**dumped["facts"]),
            Files(dumped["files"]),
            EngineState.load(dumped["engine"]),
            clock,
        )
        machine.units = {unit["name"]: Unit.load(unit) for unit in dumped["units"]}
        machine.portainer = PortainerData.load(dumped["portainer"])
        return machine

    @property
    def memory(self) -> int:
        """Memory in bytes."""
        return int(self.facts.memory_gb * 1024**3)

    def ssh_listener(self) -> tuple[int, str]:
        """Return the port of SSH, and the program that listens: systemd if ssh.socket is there."""
        match = _LISTEN_STREAM.search(self.files.read("/etc/systemd/system/ssh.socket") or "")
        return (int(match[1]), "systemd") if match else (22, "sshd")

    def port_open(self, port: int) -> bool:
        """Whether the packet filter lets new connections from outside come to a TCP port."""
        self.advance_to_now()
        return self.facts.table is None or port in open_ports(self.facts.table)

    def cloud_init_running(self) -> bool:
        """Whether cloud-init is still at work."""
        return self.clock.now() < self.facts.first_boot_ends

    def package_lock_free_at(self) -> float:
        """Return when the package manager's lock will be free, in seconds since 1970."""
        holders = [unit.work.ends_at for unit in self.units.values() if unit.work.locks]
        return max([self.clock.now(), self.facts.first_boot_ends, *holders])

    def advance_to_now(self) -> None:
        """Let what is due happen: units print and end, stacks are deployed, updates are judged."""
        now = self.clock.now()
        changes = [self._advance_unit(unit, now) for unit in self.units.values()]
        for unit in [each for each in self.units.values() if each.ended and not each.remains]:
            del self.units[unit.name]
        changes.append(self.portainer.advance_to_now(self.engine, self.clock))
        changes.append(self.engine.judge_updates())
        if any(changes):
            self.on_change()

    def _advance_unit(self, unit: Unit, now: float) -> bool:
        if unit.ended:
            return False
        printed = unit.take_output(now)
        if unit.log and printed:
            self.files.append(unit.log, printed)
        if now >= unit.work.ends_at:
            unit.ended = True
            unit.work.locks = False
            if unit.work.code == 0:
                self._apply(unit.work.effect, unit.work.names)
        return bool(printed) or unit.ended

    def _apply(self, effect: str, packages: list[str]) -> None:
        if effect == "installed":
            self.install(packages)
        elif effect == "updated":
            sources = self.files.concatenated(_APT_SOURCES)
            self.facts.lists, self.facts.vendor = True, DOCKER_REPOSITORY in sources
        elif effect == "opened":
            self.facts.table = None
        elif effect == "configured":
            self.facts.interrupted = False

    def install(self, packages: list[str]) -> None:
        """Install packages and their dependencies; that of Docker starts the engine."""
        self.facts.packages |= versions_with_dependencies(self.facts.image, packages)
        if not self.engine.state.active and (version := docker_version(self.facts.packages)):
            self.engine.start(version)

    def stop_unit(self, name: str) -> None:
        """End a unit and what runs in it; it is gone then, unless it had failed."""
        unit = self.units[name]
        if not unit.ended and unit.work.breaks and unit.printed:
            self.facts.interrupted = True
        unit.work.locks = False
        if not (unit.ended and unit.work.code):
            del self.units[name]

    def stacks(self) -> list[dict[str, Any]]:
        """Return the stacks on this machine as `{"name", "services": [short names]}`."""
        self.advance_to_now()
        stacks: dict[str, list[str]] = {}
        for service in sorted(self.engine.state.services.values(), key=lambda each: each.name):
            stacks.setdefault(service.stack, []).append(service.short_name)
        return [{"name": name, "services": services} for name, services in sorted(stacks.items())]

    def web_response(self, host: str, path: str, authorization: str = "") -> ProxyResponse | None:
        """Return what Traefik of this machine answers; None where it has no router for the host."""
        self.advance_to_now()
        return traefik.respond(self.engine, host, path, authorization)


def _ignore_change() -> None:
    """Do nothing: changes are kept by nobody."""
