"""Host information: what a machine is and what is on it, read without changing anything."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, field
from typing import Any

from livchatd.integrations.ssh.interfaces import Shell
from livchatd.steps.setup.network_ranges import ranges_of_pool
from livchatd.steps.setup.swarm import LABELS

PROXIES = frozenset({"docker-proxy", "dockerd", "traefik"})
"""The programs that hold a port which one of our stacks publishes."""
PACKAGES = (
    *("apt", "docker.io", "docker-ce", "podman-docker"),
    *("nginx", "apache2", "caddy", "haproxy", "ufw", "firewalld"),
)
DISKS = ("/", "/var", "/var/lib/docker")
"""Folders that a set-up writes to, each of which may be a disk of its own."""
_FORMAT = r"-f=${Package} ${Version} ${db:Status-Status}\n"
_HOLDER = re.compile(r'"([^"]+)"')


@dataclass(frozen=True)
class HostInfo:
    """A machine as it is; `memory` is in bytes.

    `system`, `release` and `title` are of /etc/os-release, `init` is the program that runs as
    process 1. `free_bytes` are by mount point. The holders are the programs that listen to the
    world, by port; `packages` are versions by name. `docker` is the version of the running daemon;
    `swarm` is None, `ours` or `foreign`.
    """

    system: str
    release: str
    title: str
    architecture: str
    init: str
    memory: int
    free_bytes: dict[str, int]
    swap: bool
    tcp_holders: dict[int, str]
    packages: dict[str, str] = field(default_factory=dict)
    docker: str | None = None
    swarm: str | None = None
    stacks: frozenset[str] = frozenset()
    udp_holders: dict[int, str] = field(default_factory=dict)

    def summary(self) -> dict[str, str]:
        """Return what was found, as people read it."""
        there = [
            f"{name} {version}" for name, version in self.packages.items() if name not in {"apt"}
        ]
        web = [
            f"{port} ({holder})" for port, holder in self.tcp_holders.items() if port in {80, 443}
        ]
        return {
            "system": self.title or "unknown",
            "architecture": self.architecture,
            "memory": f"{self.memory / 1e9:.1f} GB",
            "free_disk": f"{min(self.free_bytes.values(), default=0) / 1e9:.1f} GB",
            "swap": "yes" if self.swap else "no",
            "web_ports_taken": ", ".join(web) or "none",
            "docker": self.docker or "none",
            "swarm": self.swarm or "none",
            "stacks": ", ".join(sorted(self.stacks)) or "none",
            "packages": ", ".join(there) or "none of note",
        }


async def read_host_info(shell: Shell) -> HostInfo:
    """Read the host information of a machine, by commands that run side by side."""

    async def output_of(*argv: str) -> str:
        return (await shell.run(*argv, check=False)).stdout

    outputs = await asyncio.gather(
        output_of("cat", "/etc/os-release"),
        output_of("uname", "-m"),
        output_of("cat", "/proc/1/comm"),
        output_of("free", "-b"),
        output_of("df", "-B1", "--output=avail,target", *DISKS),
        output_of("swapon", "--show=NAME", "--noheadings"),
        output_of("ss", "-Hltnp"),
        output_of("dpkg-query", "-W", _FORMAT, *PACKAGES),
        output_of("docker", "version", "--format", "{{.Server.Version}}"),
        output_of("docker", "info", "--format", "{{json .Swarm}}"),
        output_of("docker", "node", "inspect", "self"),
        output_of("docker", "stack", "ls", "--format", "{{json .}}"),
        output_of("ss", "-Hlunp"),
    )
    return parse_host_info(*outputs)


def parse_host_info(*outputs: str) -> HostInfo:
    """Return the host information in these outputs, in the order of `read_host_info`'s commands."""
    release, architecture, init, memory, free, swap, tcp, packages, *more = outputs
    docker, info, node, stacks, udp = more
    system = parse_release(release)
    return HostInfo(
        system=system.get("ID", ""),
        release=system.get("VERSION_ID", ""),
        title=system.get("PRETTY_NAME", ""),
        architecture=architecture.strip(),
        init=init.strip(),
        memory=_memory(memory),
        free_bytes=_free(free),
        swap=bool(swap.strip()),
        tcp_holders=listeners(tcp),
        packages=_packages(packages),
        docker=docker.strip() or None,
        swarm=_swarm(_json(info), _json(node)),
        stacks=frozenset(
            str(stack["Name"]) for line in stacks.splitlines() if (stack := _json(line))
        ),
        udp_holders=listeners(udp),
    )


def parse_release(text: str) -> dict[str, str]:
    """Return the values of /etc/os-release by key, without quotes."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {key.strip(): value.strip().strip("\"'") for key, _, value in pairs}


def listeners(text: str) -> dict[int, str]:
    """Return the program at each port, but for loopback, from `ss -Hltnp` or `-Hlunp`."""
    found: dict[int, str] = {}
    for line in text.splitlines():
        columns = line.split(None, 5)
        if len(columns) < 5 or columns[0] not in {"LISTEN", "UNCONN"}:
            continue
        address, _, port = columns[3].rpartition(":")
        holders = _HOLDER.findall(columns[5] if len(columns) > 5 else "")
        # Where systemd listens for another program, that program is taken.
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
    """Return the free bytes of each disk by mount point, from `df`, which skips missing folders."""
    rows = (line.split(None, 1) for line in text.splitlines())
    return {row[1].strip(): int(row[0]) for row in rows if len(row) == 2 and row[0].isdigit()}


def _packages(text: str) -> dict[str, str]:
    rows = (line.split() for line in text.splitlines())
    return {row[0]: row[1] for row in rows if len(row) == 3 and row[2] == "installed"}


def _swarm(info: Any, node: Any) -> str | None:
    """Return whose the swarm is: ours has a label that a set-up gives, or one of our pools."""
    if not info or info.get("LocalNodeState", "inactive") == "inactive":
        return None
    labels = (node[0].get("Spec", {}).get("Labels") or {}) if node else {}
    pools = (info.get("Cluster") or {}).get("DefaultAddrPool") or []
    ours = any(name in labels for name in LABELS) or any(
        ranges_of_pool(str(pool)) for pool in pools
    )
    return "ours" if ours else "foreign"


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
