"""From nothing, or from what is there, to running apps: one graph, where all that can overlaps."""

from __future__ import annotations

from livchat.wire.jobs import JobStatus
from livchatd.jobs.step import Step, Workflow
from livchatd.steps.apps.stack_inputs import Place
from livchatd.steps.deps import Tools
from livchatd.steps.facts import UpLearnt
from livchatd.steps.params import UpOrder
from livchatd.steps.server.inventory_entry import settle_creation
from livchatd.steps.setup.status import settle_server
from livchatd.workflows.create_server import create_steps
from livchatd.workflows.create_server import told as server_told
from livchatd.workflows.deploy_app import Ground, app_steps, settle_apps
from livchatd.workflows.deploy_app import told as apps_told
from livchatd.workflows.setup_server import DONE, setup_steps, updates

GROUND = Ground(
    address=("address",),
    settled=("machine",),
    docker=("docker",),
    portainer=("portainer_answers",),
    traefik=("traefik",),
    machine="machine",
    name="name",
    names_go_with="address",
)


def up(tools: Tools) -> Workflow[UpOrder, UpLearnt]:
    async def settle(order: UpOrder, learnt: UpLearnt, status: JobStatus) -> None:
        if status is not JobStatus.COMPLETED:
            await settle_creation(tools, order.server, learnt)
            await settle_server(tools, order.setup.name)
        await settle_apps(tools, order.server.name, order.apps, status)

    return Workflow(
        name="up",
        params=UpOrder,
        learnt=UpLearnt,
        steps=lambda order: up_steps(tools, order),
        result=lambda order, learnt: {
            "server": server_told(order.server, learnt),
            "apps": apps_told(order.apps, learnt),
        },
        settle=settle,
    )


def up_steps(tools: Tools, order: UpOrder) -> list[Step[UpLearnt]]:
    """Names are made as soon as there is an address, images fetched as soon as there is Docker."""
    setup = order.setup
    place = Place(
        server=order.server.name,
        provider=order.server.provider,
        zone_name=setup.zone_name,
        subdomain=setup.subdomain,
        ssl_email=setup.ssl_email,
        timezone=setup.timezone,
        challenge=setup.challenge,
    )
    return [
        *create_steps(tools, order.server, setup.zone_name),
        *setup_steps(tools, setup, "server"),
        *app_steps(tools, place, order.apps, GROUND),
        updates(
            tools, setup, DONE, *(f"{app.app_name}.app" for app in order.apps), inside="machine"
        ),
    ]
