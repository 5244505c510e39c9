"""The swarm of a server: one node that manages and runs everything, and its apps' networks."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from livchat.errors import ProviderError
from livchatd.integrations.ssh.interfaces import Shell
from livchatd.jobs.step import StepContext
from livchatd.steps.facts import JobFacts
from livchatd.steps.setup.network_ranges import Ranges, choose_ranges, ranges_of_pool, read_networks
from livchatd.steps.setup.system import SetupStep
from livchatd.storage.inventory import Inventory

EDGE, DATA = "livchat_edge", "livchat_data"
LABELS = ("livchat.edge", "livchat.data")


@dataclass(frozen=True)
class StartSwarm(SetupStep):
    """Starts a swarm that keeps clear of the machine's networks, and labels its node.

    Raises `ProviderError` on a worker of another swarm, and where no private range is free. The
    undo leaves a swarm that this job started.
    """

    inventory: Inventory
    title = "Start the swarm"
    expected_seconds = 2.0

    async def check(self, context: StepContext[JobFacts]) -> bool:
        shell = await self.shell()
        return await _manages(shell) and not _missing(await _node(shell))

    async def apply(self, context: StepContext[JobFacts]) -> None:
        shell = await self.shell()
        if not await _manages(shell):
            ranges = choose_ranges((await read_networks(shell)).occupied)
            await context.note_created("swarm")
            await shell.run(
                *("docker", "swarm", "init"),
                # A server with two addresses refuses to choose one by itself.
                *("--advertise-addr", self.inventory.address(self.params.name)),
                *("--default-addr-pool", str(ranges.pool), "--default-addr-pool-mask-length", "24"),
                timeout=120,
            )
        node = await _node(shell)
        for label in _missing(node):
            # `update` does not know `self`, as `inspect` does.
            await shell.run(
                *("docker", "node", "update", "--label-add", f"{label}=true", str(node["ID"]))
            )

    async def verify(self, context: StepContext[JobFacts]) -> None:
        if not await self.check(context):
            raise ProviderError("the swarm was started, but this server does not manage it")

    async def undo(self, context: StepContext[JobFacts]) -> None:
        if "swarm" in context.facts.made:
            shell = await self.shell()
            if await _manages(shell):
                await shell.run("docker", "swarm", "leave", "--force", timeout=120)


class CreateNetworks(SetupStep):
    """Creates the networks that apps share, with the MTU that fits; the undo removes them."""

    title = "Create the networks"
    expected_seconds = 1.0

    async def check(self, context: StepContext[JobFacts]) -> bool:
        shell = await self.shell()
        return not await _unmade(shell)

    async def apply(self, context: StepContext[JobFacts]) -> None:
        shell = await self.shell()
        networks = await read_networks(shell)
        ranges = await _ranges(shell) or choose_ranges(networks.occupied)
        # The ingress network keeps its own: on one node it has nobody to send anything to.
        subnets = {EDGE: ranges.edge, DATA: ranges.data}
        for name in await _unmade(shell):
            await context.note_created(f"network {name}")
            await shell.run(
                *("docker", "network", "create", "--driver", "overlay", "--attachable"),
                *("--subnet", str(subnets[name])),
                *("--opt", f"com.docker.network.driver.mtu={networks.overlay_mtu}"),
                name,
            )

    async def verify(self, context: StepContext[JobFacts]) -> None:
        shell = await self.shell()
        missing = await _unmade(shell)
        if missing:
            raise ProviderError(f"the network {missing[0]} was created, but it is not there")

    async def undo(self, context: StepContext[JobFacts]) -> None:
        shell = await self.shell()
        unmade = await _unmade(shell)
        for name in (EDGE, DATA):
            if f"network {name}" in context.facts.made and name not in unmade:
                await shell.run("docker", "network", "rm", name)


async def _swarm(shell: Shell) -> dict[str, Any]:
    """Return the swarm as the Docker daemon reports it."""
    result = await shell.run("docker", "info", "--format", "{{json .Swarm}}")
    swarm: dict[str, Any] = json.loads(result.stdout)
    return swarm


async def _ranges(shell: Shell) -> Ranges | None:
    """Return the ranges that the swarm was started with, if they are some of ours."""
    pools = ((await _swarm(shell)).get("Cluster") or {}).get("DefaultAddrPool") or []
    return next((ranges for pool in pools if (ranges := ranges_of_pool(str(pool)))), None)


async def _manages(shell: Shell) -> bool:
    """Whether the server manages a swarm; `ProviderError` on a worker of another swarm."""
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
    """Return the server's node as the swarm has it."""
    result = await shell.run("docker", "node", "inspect", "self")
    node: dict[str, Any] = json.loads(result.stdout)[0]
    return node


def _missing(node: dict[str, Any]) -> list[str]:
    """Return our labels that a node lacks."""
    labels = node.get("Spec", {}).get("Labels") or {}
    return [label for label in LABELS if labels.get(label) != "true"]


async def _unmade(shell: Shell) -> list[str]:
    """Return those of the shared networks that do not exist."""
    there = await asyncio.gather(
        *(shell.succeeds("docker", "network", "inspect", name) for name in (EDGE, DATA))
    )
    return [name for name, found in zip((EDGE, DATA), there, strict=True) if not found]
