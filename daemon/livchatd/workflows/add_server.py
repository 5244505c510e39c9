"""Add a server: a machine of the user's own is logged in to and looked at; nothing is changed."""

from __future__ import annotations

from livchat.job_state import JobStatus
from livchatd.jobs.step import Step, Workflow
from livchatd.steps.deps import ServerDeps
from livchatd.steps.facts import JobFacts
from livchatd.steps.params import AddServerParams
from livchatd.steps.server.join import (
    LogIn,
    RecordAddedServer,
    ReserveOwnServerName,
    addition_result,
    end_failed_addition,
)
from livchatd.steps.setup.preflight import Preflight

GROUP = "server"
"""All steps are undone when one fails: the name is free again."""


def add_server(deps: ServerDeps) -> Workflow[AddServerParams, JobFacts]:
    """Return the workflow; its result is the machine with all that was found on it."""

    async def on_end(params: AddServerParams, facts: JobFacts, status: JobStatus) -> None:
        del facts
        if status is not JobStatus.COMPLETED:
            await end_failed_addition(deps.inventory, deps.vault, deps.shells, params.name, status)

    return Workflow(
        name="add_server",
        params=AddServerParams,
        facts=JobFacts,
        steps=lambda params: add_steps(deps, params),
        result=addition_result,
        on_end=on_end,
    )


def add_steps(deps: ServerDeps, params: AddServerParams) -> list[Step[JobFacts]]:
    """Return the steps."""
    inventory, vault, shells = deps.inventory, deps.vault, deps.shells
    return [
        ReserveOwnServerName(params, inventory, shells, key="name", rollback_group=GROUP),
        LogIn(
            params, inventory, vault, shells, key="login", after=("name",), rollback_group=GROUP
        ),
        Preflight(
            params.name, (), inventory, shells,
            key="preflight", after=("login",), rollback_group=GROUP,
        ),
        RecordAddedServer(
            params, inventory,
            key="server", after=("preflight",), part_of="name", rollback_group=GROUP,
        ),
    ]  # fmt: skip
