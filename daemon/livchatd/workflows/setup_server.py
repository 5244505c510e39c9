"""Set up a server: from a bare system to a swarm that takes apps. What is so already stays."""

from __future__ import annotations

from livchat.wire.jobs import JobStatus
from livchatd.jobs.step import Step, Workflow
from livchatd.steps.deps import Tools
from livchatd.steps.facts import Ledger
from livchatd.steps.params import SetupServerOrder
from livchatd.steps.setup.base_stacks import AwaitPortainer, DeployPortainer, DeployTraefik
from livchatd.steps.setup.docker import ConfigureDocker
from livchatd.steps.setup.docker_apt_source import AddSource
from livchatd.steps.setup.firewall import CloseTheRest
from livchatd.steps.setup.packages import InstallPackages
from livchatd.steps.setup.preflight import Preflight
from livchatd.steps.setup.security_updates import KeepUpToDate
from livchatd.steps.setup.status import BeginSetup, RecordSetup, settle_server
from livchatd.steps.setup.swarm import CreateNetworks, StartSwarm
from livchatd.steps.setup.system import AddSwap, AwaitFirstBoot, NameSystem, SystemStep, TuneKernel

DONE = "setup"
"""The key of the last step: what follows a set-up comes after it."""


def setup_server(tools: Tools) -> Workflow[SetupServerOrder, Ledger]:
    async def settle(order: SetupServerOrder, learnt: Ledger, status: JobStatus) -> None:
        del learnt
        if status is not JobStatus.COMPLETED:
            await settle_server(tools, order.name)

    return Workflow(
        name="setup_server",
        params=SetupServerOrder,
        learnt=Ledger,
        steps=lambda order: [*setup_steps(tools, order), updates(tools, order, DONE)],
        result=lambda order, _: {"server": {"name": order.name, "zone_name": order.zone_name}},
        settle=settle,
    )


def setup_steps(
    tools: Tools, order: SetupServerOrder, after: str | None = None
) -> list[Step[Ledger]]:
    """`after` names the step that makes the machine reachable, if this job makes it."""
    begin: tuple[str, ...] = ("domain",)
    reached = (after,) if after else ()
    machine = "machine" if after else None

    def step(
        kind: type[SystemStep], key: str, *needs: str, inside: str | None = machine
    ) -> Step[Ledger]:
        return kind(key=key, after=needs, inside=inside, tools=tools, order=order)

    return [
        Preflight(
            key="preflight",
            after=reached,
            inside=machine,
            tools=tools,
            server=order.name,
            open_ports=tuple(order.open_ports),
        ),
        step(BeginSetup, "domain", "preflight", inside="name" if after else None),
        step(NameSystem, "system", *begin),
        step(AddSwap, "swap", *begin),
        step(TuneKernel, "kernel", *begin),
        step(ConfigureDocker, "docker_settings", *begin),
        step(AddSource, "docker_source", *begin),
        step(AwaitFirstBoot, "first_boot", *begin),
        step(InstallPackages, "docker", "first_boot", "docker_settings", "docker_source"),
        # While the swarm begins: nothing waits for it but the end.
        step(CloseTheRest, "firewall", "docker"),
        step(StartSwarm, "swarm", "docker"),
        step(CreateNetworks, "networks", "swarm"),
        step(DeployTraefik, "traefik", "networks", "kernel"),
        step(DeployPortainer, "portainer", "networks", "kernel"),
        step(AwaitPortainer, "portainer_answers", "portainer"),
        step(RecordSetup, DONE, "system", "swap", "firewall", "traefik", "portainer_answers"),
    ]


def updates(
    tools: Tools, order: SetupServerOrder, *after: str, inside: str | None = None
) -> Step[Ledger]:
    """The last step of all: what it starts goes on when the job has ended."""
    return KeepUpToDate(key="updates", after=after, inside=inside, tools=tools, order=order)
