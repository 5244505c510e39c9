"""Create a server: a machine is bought and reached by SSH, or nothing is left at all."""

from __future__ import annotations

from livchat.job_state import JobStatus
from livchatd.jobs.step import Step, Workflow
from livchatd.steps.deps import ServerDeps
from livchatd.steps.facts import MachineFacts
from livchatd.steps.params import CreateServerParams
from livchatd.steps.server.inventory_entry import (
    RecordServer,
    ReserveName,
    WaitForSsh,
    creation_result,
    end_failed_creation,
)
from livchatd.steps.server.machine import (
    CreateMachine,
    MakeKeys,
    RegisterKey,
    ReserveAddress,
    WaitForMachine,
)

GROUP = "server"
"""All steps are undone when one fails: a machine that nobody can use costs money for nothing."""


def create_server(deps: ServerDeps) -> Workflow[CreateServerParams, MachineFacts]:
    """Return the workflow; its result is the server as it was bought."""

    async def on_end(params: CreateServerParams, facts: MachineFacts, status: JobStatus) -> None:
        if status is not JobStatus.COMPLETED:
            await end_failed_creation(deps.inventory, params, facts)

    return Workflow(
        name="create_server",
        params=CreateServerParams,
        facts=MachineFacts,
        steps=lambda params: create_steps(deps, params),
        result=lambda params, facts: {"server": creation_result(params, facts)},
        on_end=on_end,
    )


def create_steps(
    deps: ServerDeps, params: CreateServerParams, zone_name: str | None = None
) -> list[Step[MachineFacts]]:
    """Return the steps; `zone_name` is where DNS records will point at the server, if known."""
    bought = (params, deps.providers, deps.installation)
    inventory, vault, shells, dns = deps.inventory, deps.vault, deps.shells, deps.dns
    return [
        ReserveName(*bought, inventory, vault, key="name", rollback_group=GROUP),
        MakeKeys(*bought, inventory, vault, key="keys", after=("name",), rollback_group=GROUP),
        ReserveAddress(
            *bought, zone_name, inventory, dns,
            key="address", after=("name",), rollback_group=GROUP,
        ),
        RegisterKey(
            *bought, inventory, vault, key="ssh_key", after=("keys",), rollback_group=GROUP
        ),
        CreateMachine(
            *bought, zone_name, inventory, dns, vault, shells,
            key="machine", after=("address", "ssh_key"), rollback_group=GROUP,
        ),
        WaitForMachine(
            *bought, inventory,
            key="boot", after=("machine",), part_of="machine", rollback_group=GROUP,
        ),
        WaitForSsh(
            params.name, shells,
            key="ssh", after=("boot",), part_of="machine", rollback_group=GROUP,
        ),
        RecordServer(
            *bought, inventory, key="server", after=("ssh",), part_of="name", rollback_group=GROUP
        ),
    ]  # fmt: skip
