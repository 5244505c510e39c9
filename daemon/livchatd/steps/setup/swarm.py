"""The swarm on a server: one manager that takes everything, and the networks that apps share."""

from __future__ import annotations

import asyncio
import json
from typing import Any, ClassVar

from livchat.errors import ProviderError
from livchatd.integrations.ssh.interfaces import Shell
from livchatd.jobs.step import Run
from livchatd.steps.facts import Ledger, make_note
from livchatd.steps.setup.network_ranges import Ranges, choose, networks, of_pool
from livchatd.steps.setup.system import SystemStep

EDGE, DATA = "livchat_edge", "livchat_data"
LABELS = ("livchat.edge", "livchat.data")


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
            ranges = choose((await networks(shell)).taken)
            await make_note(run, "swarm")
            await shell.run(
                *("docker", "swarm", "init"),
                # A server with two addresses refuses to choose one by itself.
                *("--advertise-addr", self.tools.address(self.order.name)),
                *("--default-addr-pool", str(ranges.pool), "--default-addr-pool-mask-length", "24"),
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
        around = await networks(shell)
        ranges = await _ranges(shell) or choose(around.taken)
        # The ingress network keeps its own: on one node it has nobody to send anything to.
        subnets = {EDGE: ranges.edge, DATA: ranges.data}
        for name in await _unmade(shell):
            await make_note(run, f"network {name}")
            await shell.run(
                *("docker", "network", "create", "--driver", "overlay", "--attachable"),
                *("--subnet", str(subnets[name])),
                *("--opt", f"com.docker.network.driver.mtu={around.overlay}"),
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
        for name in (EDGE, DATA):
            if f"network {name}" in run.learnt.made and name not in unmade:
                await shell.run("docker", "network", "rm", name)


async def _swarm(shell: Shell) -> dict[str, Any]:
    """The swarm as the engine tells it."""
    told = await shell.run("docker", "info", "--format", "{{json .Swarm}}")
    swarm: dict[str, Any] = json.loads(told.stdout)
    return swarm


async def _ranges(shell: Shell) -> Ranges | None:
    """The ranges that the swarm was begun with, if they are some of ours."""
    pools = ((await _swarm(shell)).get("Cluster") or {}).get("DefaultAddrPool") or []
    return next((ranges for pool in pools if (ranges := of_pool(str(pool)))), None)


async def _manages(shell: Shell) -> bool:
    """Whether the server manages a swarm. A worker of somebody else's swarm is refused."""
    swarm = await _swarm(shell)
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
    there = await asyncio.gather(
        *(shell.succeeds("docker", "network", "inspect", name) for name in (EDGE, DATA))
    )
    return [name for name, found in zip((EDGE, DATA), there, strict=True) if not found]
