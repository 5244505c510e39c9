"""What a machine is and what is on it already, read over one connection without a change."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, field
from typing import Any

from livchatd.integrations.ssh.interfaces import Shell
from livchatd.steps.setup.network_ranges import of_pool
from livchatd.steps.setup.swarm import LABELS

PROXIES = frozenset({"docker-proxy", "dockerd", "traefik"})
"""Who holds a port that one of our stacks publishes."""
PACKAGES = (
    *("apt", "docker.io", "docker-ce", "podman-docker"),
    *("nginx", "apache2", "caddy", "haproxy", "ufw", "firewalld"),
)
DISKS = ("/", "/var", "/var/lib/docker")
"""Folders that a set-up writes to, and that may be disks of their own."""
_FORMAT = r"-f=${Package} ${Version} ${db:Status-Status}\n"
_HOLDER = re.compile(r'"([^"]+)"')


@dataclass(frozen=True)
class Survey:
    """A machine as it is. Sizes in bytes; `holders` are the programs behind TCP ports, by port.

    `datagrams` are those behind UDP ports; `free` is by where a disk is mounted.
    `docker` is the version of the running engine; `swarm` is None, `ours` or `foreign`.
    """

    system: str
    release: str
    title: str
    machine: str
    init: str
    memory: int
    free: dict[str, int]
    swap: bool
    holders: dict[int, str]
    packages: dict[str, str] = field(default_factory=dict)
    docker: str | None = None
    swarm: str | None = None
    stacks: frozenset[str] = frozenset()
    datagrams: dict[int, str] = field(default_factory=dict)

    def words(self) -> dict[str, str]:
        """What was found, in a person's words."""
        there = [
            f"{name} {version}" for name, version in self.packages.items() if name not in {"apt"}
        ]
        taken = [f"{port} ({holder})" for port, holder in self.holders.items() if port in {80, 443}]
        return {
            "system": self.title or "unknown",
            "architecture": self.machine,
            "memory": f"{self.memory / 1e9:.1f} GB",
            "free_disk": f"{min(self.free.values(), default=0) / 1e9:.1f} GB",
            "swap": "yes" if self.swap else "no",
            "web_ports_taken": ", ".join(taken) or "none",
            "docker": self.docker or "none",
            "swarm": self.swarm or "none",
            "stacks": ", ".join(sorted(self.stacks)) or "none",
            "packages": ", ".join(there) or "none of note",
        }


async def survey(shell: Shell) -> Survey:
    """Look at a machine, with all questions side by side."""

    async def told(*argv: str) -> str:
        return (await shell.run(*argv, check=False)).stdout

    asked = await asyncio.gather(
        told("cat", "/etc/os-release"),
        told("uname", "-m"),
        told("cat", "/proc/1/comm"),
        told("free", "-b"),
        told("df", "-B1", "--output=avail,target", *DISKS),
        told("swapon", "--show=NAME", "--noheadings"),
        told("ss", "-Hltnp"),
        told("dpkg-query", "-W", _FORMAT, *PACKAGES),
        told("docker", "version", "--format", "{{.Server.Version}}"),
        told("docker", "info", "--format", "{{json .Swarm}}"),
        told("docker", "node", "inspect", "self"),
        told("docker", "stack", "ls", "--format", "{{json .}}"),
        told("ss", "-Hlunp"),
    )
    return read(*asked)


def read(*asked: str) -> Survey:
    """The survey that these answers come to, in the order of the questions."""
    release, machine, init, memory, free, swap, ports, packages, docker, info, node, *rest = asked
    stacks, datagrams = rest
    system = parse_release(release)
    return Survey(
        system=system.get("ID", ""),
        release=system.get("VERSION_ID", ""),
        title=system.get("PRETTY_NAME", ""),
        machine=machine.strip(),
        init=init.strip(),
        memory=_memory(memory),
        free=_free(free),
        swap=bool(swap.strip()),
        holders=listeners(ports),
        packages=_packages(packages),
        docker=docker.strip() or None,
        swarm=_swarm(_json(info), _json(node)),
        stacks=frozenset(
            str(stack["Name"]) for line in stacks.splitlines() if (stack := _json(line))
        ),
        datagrams=listeners(datagrams),
    )


def parse_release(text: str) -> dict[str, str]:
    """/etc/os-release by key, without quotes."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {key.strip(): value.strip().strip("\"'") for key, _, value in pairs}


def listeners(text: str) -> dict[int, str]:
    """The program behind each port open to the world, as `ss -Hltnp` or `-Hlunp` tells it."""
    found: dict[int, str] = {}
    for line in text.splitlines():
        columns = line.split(None, 5)
        if len(columns) < 5 or columns[0] not in {"LISTEN", "UNCONN"}:
            continue
        address, _, port = columns[3].rpartition(":")
        holders = _HOLDER.findall(columns[5] if len(columns) > 5 else "")
        # Where systemd listens for another program, that one is meant.
        holder = next(
            (name for name in holders if name != "systemd"), *holders[:1] or ["something"]
        )
        if port.isdigit() and not address.startswith(("127.", "[::1]")):
            found[int(port)] = holder
    return found


def _memory(text: str) -> int:
    line = next((line.split() for line in text.splitlines() if line.startswith("Mem")), [])
    return int(line[1]) if len(line) > 1 and line[1].isdigit() else 0


def _free(text: str) -> dict[str, int]:
    """The free bytes of each disk, by where it is mounted. `df` passes over what is not there."""
    rows = (line.split(None, 1) for line in text.splitlines())
    return {row[1].strip(): int(row[0]) for row in rows if len(row) == 2 and row[0].isdigit()}


def _packages(text: str) -> dict[str, str]:
    rows = (line.split() for line in text.splitlines())
    return {row[0]: row[1] for row in rows if len(row) == 3 and row[2] == "installed"}


def _swarm(info: Any, node: Any) -> str | None:
    """Ours has the labels that a set-up gives, or at least one of our address pools."""
    if not info or info.get("LocalNodeState", "inactive") == "inactive":
        return None
    labels = (node[0].get("Spec", {}).get("Labels") or {}) if node else {}
    pools = (info.get("Cluster") or {}).get("DefaultAddrPool") or []
    ours = any(name in labels for name in LABELS) or any(of_pool(str(pool)) for pool in pools)
    return "ours" if ours else "foreign"


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
