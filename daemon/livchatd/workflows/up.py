"""From nothing, or from what is there, to running apps: one graph, where all that can overlaps."""

from __future__ import annotations

from livchat.job_state import JobStatus
from livchatd.jobs.step import Step, Workflow
from livchatd.steps.apps.finish import deployment_result, end_failed_deployment
from livchatd.steps.deps import AppDeps, ServerDeps
from livchatd.steps.facts import UpFacts
from livchatd.steps.params import UpParams
from livchatd.steps.server.inventory_entry import creation_result, end_failed_creation
from livchatd.steps.setup.status import end_failed_setup
from livchatd.workflows.create_server import create_steps
from livchatd.workflows.deploy_app import AppPrerequisites, app_steps
from livchatd.workflows.setup_server import DONE, setup_steps, update_step

PREREQUISITES = AppPrerequisites(
    address=("address",),
    address_final=("machine",),
    docker=("docker",),
    portainer=("portainer_answers",),
    traefik=("traefik",),
    machine="machine",
    name="name",
    names_part_of="address",
)
"""What the apps wait for in the steps of the server and of its set-up."""


def up(server: ServerDeps, apps: AppDeps) -> Workflow[UpParams, UpFacts]:
    """Return the workflow; its result is the server, and the apps with their URLs."""

    async def on_end(params: UpParams, facts: UpFacts, status: JobStatus) -> None:
        if status is not JobStatus.COMPLETED:
            await end_failed_creation(server.inventory, params.server, facts)
            await end_failed_setup(apps.inventory, params.setup.name)
        await end_failed_deployment(apps.inventory, params.server.name, params.apps, status)

    return Workflow(
        name="up",
        params=UpParams,
        facts=UpFacts,
        steps=lambda params: up_steps(server, apps, params),
        result=lambda params, facts: {
            "server": creation_result(params.server, facts),
            "apps": deployment_result(params.apps, facts),
        },
        on_end=on_end,
    )


def up_steps(server: ServerDeps, apps: AppDeps, params: UpParams) -> list[Step[UpFacts]]:
    """Return the steps: names come as soon as there is an address, images as soon as Docker is."""
    setup = params.setup
    after_apps = (f"{app.app_name}.app" for app in params.apps)
    return [
        *create_steps(server, params.server, setup.zone_name),
        *setup_steps(apps, setup, "server"),
        *app_steps(apps, setup.site, params.apps, PREREQUISITES),
        update_step(apps, setup, DONE, *after_apps, part_of="machine"),
    ]
