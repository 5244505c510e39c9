"""Set up a server: from a bare system to a swarm that takes apps. What is there already stays."""

from __future__ import annotations

from livchat.job_state import JobStatus
from livchatd.jobs.step import Step, Workflow
from livchatd.steps.deps import SetupDeps
from livchatd.steps.facts import JobFacts
from livchatd.steps.params import SetupServerParams
from livchatd.steps.setup.base_stacks import DeployPortainer, DeployTraefik, WaitForPortainer
from livchatd.steps.setup.docker import ConfigureDocker
from livchatd.steps.setup.docker_apt_source import AddDockerSource
from livchatd.steps.setup.firewall import SetFirewall
from livchatd.steps.setup.packages import InstallPackages
from livchatd.steps.setup.preflight import Preflight
from livchatd.steps.setup.security_updates import EnableSecurityUpdates
from livchatd.steps.setup.status import BeginSetup, RecordSetup, end_failed_setup, setup_result
from livchatd.steps.setup.swarm import CreateNetworks, StartSwarm
from livchatd.steps.setup.system import AddSwap, NameSystem, TuneKernel, WaitForFirstBoot

DONE = "setup"
"""The key of the last step but the updates: what follows a set-up comes after it."""


def setup_server(deps: SetupDeps) -> Workflow[SetupServerParams, JobFacts]:
    """Return the workflow; its result names the server and its zone."""

    async def on_end(params: SetupServerParams, facts: JobFacts, status: JobStatus) -> None:
        del facts
        if status is not JobStatus.COMPLETED:
            await end_failed_setup(deps.inventory, params.name)

    return Workflow(
        name="setup_server",
        params=SetupServerParams,
        facts=JobFacts,
        steps=lambda params: [*setup_steps(deps, params), update_step(deps, params, DONE)],
        result=lambda params, _: setup_result(params),
        on_end=on_end,
    )


def setup_steps(
    deps: SetupDeps, params: SetupServerParams, after: str | None = None
) -> list[Step[JobFacts]]:
    """Return all steps but the updates.

    `after` is the key of the step after which the machine is reached, if this job creates it: then
    every step is part of the machine.
    """
    machine, name = ("machine", "name") if after else (None, None)
    reached, begun = (after,) if after else (), ("domain",)
    inventory, on_server = deps.inventory, (params, deps.shells)
    stack = (*on_server, deps.catalog, deps.vault)
    ports = tuple(params.open_ports)
    return [
        Preflight(
            params.name, ports, inventory, deps.shells,
            key="preflight", after=reached, part_of=machine,
        ),
        BeginSetup(params, inventory, key="domain", after=("preflight",), part_of=name),
        NameSystem(*on_server, key="system", after=begun, part_of=machine),
        AddSwap(*on_server, key="swap", after=begun, part_of=machine),
        TuneKernel(*on_server, key="kernel", after=begun, part_of=machine),
        ConfigureDocker(*on_server, key="docker_settings", after=begun, part_of=machine),
        AddDockerSource(*on_server, key="docker_source", after=begun, part_of=machine),
        WaitForFirstBoot(*on_server, key="first_boot", after=begun, part_of=machine),
        InstallPackages(
            *on_server,
            key="docker", after=("first_boot", "docker_settings", "docker_source"), part_of=machine,
        ),
        # While the swarm starts: nothing waits for it but the end.
        SetFirewall(
            *on_server, inventory, deps.providers,
            key="firewall", after=("docker",), part_of=machine,
        ),
        StartSwarm(*on_server, inventory, key="swarm", after=("docker",), part_of=machine),
        CreateNetworks(*on_server, key="networks", after=("swarm",), part_of=machine),
        DeployTraefik(*stack, key="traefik", after=("networks", "kernel"), part_of=machine),
        DeployPortainer(*stack, key="portainer", after=("networks", "kernel"), part_of=machine),
        WaitForPortainer(
            params, deps.portainers,
            key="portainer_answers", after=("portainer",), part_of=machine,
        ),
        RecordSetup(
            params, inventory,
            key=DONE, after=("system", "swap", "firewall", "traefik", "portainer_answers"),
            part_of=machine,
        ),
    ]  # fmt: skip


def update_step(
    deps: SetupDeps, params: SetupServerParams, *after: str, part_of: str | None = None
) -> Step[JobFacts]:
    """Return the last step of all: what it starts goes on when the job has ended."""
    return EnableSecurityUpdates(params, deps.shells, key="updates", after=after, part_of=part_of)
