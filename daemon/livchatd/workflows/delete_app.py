"""Delete an app: its stack, names and secrets; its data stays unless it is to be purged too."""

from __future__ import annotations

from livchatd.jobs.step import Step, Workflow
from livchatd.steps.apps.delete import (
    PurgeData,
    RemoveAppFromInventory,
    RemoveNames,
    RemoveSecrets,
    RemoveStack,
    SetAppDeleting,
    app_deletion_result,
)
from livchatd.steps.deps import AppDeps
from livchatd.steps.facts import DeletionFacts
from livchatd.steps.params import DeleteAppParams


def delete_app(deps: AppDeps) -> Workflow[DeleteAppParams, DeletionFacts]:
    """Return the workflow; its result names the app and its server."""
    return Workflow(
        name="delete_app",
        params=DeleteAppParams,
        facts=DeletionFacts,
        steps=lambda params: delete_steps(deps, params),
        result=lambda params, _: app_deletion_result(params),
    )


def delete_steps(deps: AppDeps, params: DeleteAppParams) -> list[Step[DeletionFacts]]:
    """Return the steps."""
    app = (params, deps.inventory)
    steps: list[Step[DeletionFacts]] = [
        SetAppDeleting(*app, deps.portainers, key="mark"),
        RemoveStack(*app, deps.shells, deps.portainers, key="stack", after=("mark",)),
        RemoveNames(*app, deps.dns, key="names", after=("mark",)),
        RemoveSecrets(*app, deps.shells, key="secrets", after=("stack",)),
    ]
    if params.purge:
        steps.append(
            PurgeData(*app, deps.catalog, deps.vault, deps.shells, key="data", after=("stack",))
        )
    everything = tuple(step.key for step in steps)
    return [*steps, RemoveAppFromInventory(*app, key="forget", after=everything)]
