"""The swarm on a server: one manager that takes everything, and the networks that apps share."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from livchat.errors import ProviderError
from livchatd.integrations.ssh import Shell
from livchatd.jobs.step import Run
from livchatd.steps.learnt import Ledger, make_note
from livchatd.steps.system import SystemStep

POOL = "172.20.0.0/14"
"""Where the swarm takes its subnets from: away from 10.0.0.0/8, which providers' networks use."""
NETWORKS = {"livchat_edge": "172.24.0.0/20", "livchat_data": "172.24.16.0/20"}
LABELS = ("livchat.edge", "livchat.data")
OVERHEAD = 50
"""Bytes of each packet that the overlay takes for itself."""


class StartSwarm(SystemStep):
    usually: ClassVar[float] = 2.0

    @property
    def title(self) -> str:
        return "Start the swarm"

    async def check(self, run: Run[Ledger]) -> bool:
        shell = await self.tools.shell(self.order.name)
        return await _manages(shell) and not _missing(await _node(shell))

    async def apply(self, run: Run[Ledger]) -> None:
        shell = await self.tools.shell(self.order.name)
        if not await _manages(shell):
            await make_note(run, "swarm")
            await shell.run(
                *("docker", "swarm", "init"),
                # A server with two addresses refuses to choose one by itself.
                *("--advertise-addr", self.tools.address(self.order.name)),
                *("--default-addr-pool", POOL, "--default-addr-pool-mask-length", "24"),
                timeout=120,
            )
        node = await _node(shell)
        for label in _missing(node):
            # `update` does not know `self`, as `inspect` does.
            await shell.run(
                *("docker", "node", "update", "--label-add", f"{label}=true", str(node["ID"]))
            )

    async def verify(self, run: Run[Ledger]) -> None:
        if not await self.check(run):
            raise ProviderError("the swarm was started, but this server does not manage it")

    async def undo(self, run: Run[Ledger]) -> None:
        if "swarm" in run.learnt.made:
            shell = await self.tools.shell(self.order.name)
            if await _manages(shell):
                await shell.run("docker", "swarm", "leave", "--force", timeout=120)


class CreateNetworks(SystemStep):
    usually: ClassVar[float] = 1.0

    @property
    def title(self) -> str:
        return "Create the networks"

    async def check(self, run: Run[Ledger]) -> bool:
        shell = await self.tools.shell(self.order.name)
        return not await _unmade(shell)

    async def apply(self, run: Run[Ledger]) -> None:
        shell = await self.tools.shell(self.order.name)
        size = await _packet_size(shell) - OVERHEAD
        for name in await _unmade(shell):
            await make_note(run, f"network {name}")
            await shell.run(
                *("docker", "network", "create", "--driver", "overlay", "--attachable"),
                *("--subnet", NETWORKS[name]),
                *("--opt", f"com.docker.network.driver.mtu={size}"),
                name,
            )

    async def verify(self, run: Run[Ledger]) -> None:
        shell = await self.tools.shell(self.order.name)
        missing = await _unmade(shell)
        if missing:
            raise ProviderError(f"the network {missing[0]} was created, but it is not there")

    async def undo(self, run: Run[Ledger]) -> None:
        shell = await self.tools.shell(self.order.name)
        unmade = await _unmade(shell)
        for name in NETWORKS:
            if f"network {name}" in run.learnt.made and name not in unmade:
                await shell.run("docker", "network", "rm", name)


async def _manages(shell: Shell) -> bool:
    """Whether the server manages a swarm. A worker of somebody else's swarm is refused."""
    told = await shell.run("docker", "info", "--format", "{{json .Swarm}}")
    swarm: dict[str, Any] = json.loads(told.stdout)
    if swarm.get("LocalNodeState") != "active":
        return False
    if not swarm.get("ControlAvailable"):
        raise ProviderError(
            "this server is a worker of another swarm",
            hint="take it out of that swarm first: docker swarm leave",
        )
    return True


async def _node(shell: Shell) -> dict[str, Any]:
    """The server as the swarm knows it."""
    told = await shell.run("docker", "node", "inspect", "self")
    node: dict[str, Any] = json.loads(told.stdout)[0]
    return node


def _missing(node: dict[str, Any]) -> list[str]:
    """The labels that a node lacks."""
    labels = node.get("Spec", {}).get("Labels") or {}
    return [label for label in LABELS if labels.get(label) != "true"]


async def _unmade(shell: Shell) -> list[str]:
    return [
        name for name in NETWORKS if not await shell.succeeds("docker", "network", "inspect", name)
    ]


async def _packet_size(shell: Shell) -> int:
    """The MTU of the way out, in bytes: a private network's may be smaller than 1,500."""
    routes = (await shell.read("/proc/net/route") or "").splitlines()[1:]
    default = next((row.split()[0] for row in routes if row.split()[1:2] == ["00000000"]), None)
    size = await shell.read(f"/sys/class/net/{default}/mtu") if default else None
    return int(size) if size and size.strip().isdigit() else 1_500
