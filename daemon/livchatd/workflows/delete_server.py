"""Delete a server: its names first, then what costs money, then what is known of it."""

from __future__ import annotations

from livchat.job_state import JobStatus
from livchatd.jobs.step import Step, Workflow
from livchatd.steps.deps import ServerDeps
from livchatd.steps.facts import DeletionFacts
from livchatd.steps.params import DeleteServerParams
from livchatd.steps.server.delete import (
    DeleteKey,
    DeleteMachine,
    ReleaseAddress,
    RemoveServerFromInventory,
    RemoveServerNames,
    SetServerDeleting,
    end_cancelled_deletion,
    server_deletion_result,
)
from livchatd.steps.server.inventory_entry import OWN


def delete_server(deps: ServerDeps) -> Workflow[DeleteServerParams, DeletionFacts]:
    """Return the workflow; its result says what is still there."""

    async def on_end(params: DeleteServerParams, facts: DeletionFacts, status: JobStatus) -> None:
        if status is JobStatus.CANCELLED:
            await end_cancelled_deletion(deps.inventory, deps.providers, params, facts)

    return Workflow(
        name="delete_server",
        params=DeleteServerParams,
        facts=DeletionFacts,
        steps=lambda params: delete_steps(deps, params),
        result=server_deletion_result,
        on_end=on_end,
    )


def delete_steps(deps: ServerDeps, params: DeleteServerParams) -> list[Step[DeletionFacts]]:
    """Return the steps; a machine of the user's own stays as it is."""
    server = (params, deps.inventory)
    bought = (*server, deps.providers, deps.installation)
    first: list[Step[DeletionFacts]] = [
        SetServerDeleting(*server, deps.providers, key="mark"),
        RemoveServerNames(*server, deps.dns, key="names", after=("mark",)),
    ]
    at_provider: list[Step[DeletionFacts]] = [
        # An address that is released while names still point at it serves whoever gets it next.
        DeleteMachine(*bought, deps.shells, key="machine", after=("names",)),
        ReleaseAddress(*bought, key="address", after=("machine",)),
        DeleteKey(*bought, key="ssh_key", after=("mark",)),
    ]
    steps = first if params.provider == OWN else [*first, *at_provider]
    before = ("names",) if params.provider == OWN else ("address", "ssh_key")
    last = RemoveServerFromInventory(*server, deps.vault, deps.shells, key="forget", after=before)
    return [*steps, last]
