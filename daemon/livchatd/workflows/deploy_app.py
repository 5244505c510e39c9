"""Deploy apps in order of need; those that do not need each other go side by side."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from livchat.wire.apps import AppStatus
from livchat.wire.jobs import JobStatus
from livchat.wire.servers import Challenge
from livchatd.jobs.step import Step, Workflow
from livchatd.steps.apps.deploy import AwaitApp, DeployApp, MakeSecrets, PrepareDatabases, RecordApp
from livchatd.steps.apps.dns_propagation import AwaitNames
from livchatd.steps.apps.dns_records import PointNames
from livchatd.steps.apps.stack_inputs import Place, Recipe
from livchatd.steps.deps import Tools
from livchatd.steps.facts import AppsLearnt
from livchatd.steps.params import AppOrder, DeployAppOrder
from livchatd.steps.setup.docker import PullImages


@dataclass(frozen=True)
class Ground:
    """What must be done before apps are: keys of steps that the same job has, if it has them.

    `address` gives names something to point at, which stays after `settled`; `docker` takes images,
    `portainer` takes stacks, `traefik` answers for them; `machine` is the step whose undo takes
    everything on it along.
    """

    address: tuple[str, ...] = field(default=())
    settled: tuple[str, ...] = field(default=())
    docker: tuple[str, ...] = field(default=())
    portainer: tuple[str, ...] = field(default=())
    traefik: tuple[str, ...] = field(default=())
    machine: str | None = None
    name: str | None = None
    names_go_with: str | None = None


def deploy_app(tools: Tools) -> Workflow[DeployAppOrder, AppsLearnt]:
    async def settle(order: DeployAppOrder, learnt: AppsLearnt, status: JobStatus) -> None:
        del learnt
        await settle_apps(tools, order.server, order.apps, status)

    return Workflow(
        name="deploy_app",
        params=DeployAppOrder,
        learnt=AppsLearnt,
        steps=lambda order: app_steps(tools, _place(order), order.apps, Ground()),
        result=lambda order, learnt: {"apps": told(order.apps, learnt)},
        settle=settle,
    )


def app_steps(
    tools: Tools, place: Place, apps: Iterable[AppOrder], ground: Ground
) -> list[Step[AppsLearnt]]:
    """The steps of all apps. Names of steps are `<app>.<what>`; an app is done at `<app>.app`."""
    steps: list[Step[AppsLearnt]] = []
    here: list[str] = []
    before: tuple[str, ...] = ground.address
    for app in apps:
        needs = tuple(f"{need}.app" for need in app.needs if need in here)
        steps += _of(tools, place, app, ground, _After(before, needs))
        # One after the other: each takes the next free database in Redis.
        before = (f"{app.app_name}.secrets",)
        here.append(app.app_name)
    return steps


async def settle_apps(
    tools: Tools, server: str, apps: Iterable[AppOrder], status: JobStatus
) -> None:
    """After a deployment that came to nothing: no app stays `deploying` for ever."""
    if status is JobStatus.COMPLETED:
        return
    for app in apps:
        record = tools.inventory.app(server, app.app_name)
        if record is not None and record.status is AppStatus.DEPLOYING:
            failed = record.model_copy(update={"status": AppStatus.FAILED})
            await tools.inventory.put_app(server, failed)


def told(apps: Iterable[AppOrder], learnt: AppsLearnt) -> list[dict[str, Any]]:
    """The apps as the job's result tells them."""
    return [
        {"app_name": app.app_name, "url": found.url, "domain": found.domain}
        for app in apps
        if (found := learnt.apps.get(app.app_name))
    ]


@dataclass(frozen=True)
class _After:
    secrets: tuple[str, ...]
    needs: tuple[str, ...]


def _of(
    tools: Tools, place: Place, app: AppOrder, ground: Ground, after: _After
) -> list[Step[AppsLearnt]]:
    """One app: secrets, names, images, databases, stack, and the wait until it answers."""
    name, inside = app.app_name, ground.machine
    hosts = tuple(dict.fromkeys(app.hosts.values()))
    made = (f"{name}.secrets",)
    steps: list[Step[AppsLearnt]] = [
        MakeSecrets(
            key=f"{name}.secrets",
            after=after.secrets,
            inside=ground.name,
            tools=tools,
            place=place,
            order=app,
        )
    ]
    if hosts:
        steps.append(
            PointNames(
                key=f"{name}.names",
                after=(*ground.address, *made),
                inside=ground.names_go_with,
                tools=tools,
                server=place.server,
                provider=place.provider,
                zone_name=place.zone_name,
                app=name,
                app_title=app.title,
                hosts=hosts,
            )
        )
        steps.append(
            AwaitNames(
                key=f"{name}.dns",
                after=(f"{name}.names", *ground.settled),
                inside=f"{name}.names",
                tools=tools,
                server=place.server,
                provider=place.provider,
                zone_name=place.zone_name,
                app_title=app.title,
                hosts=hosts,
                wildcard=place.domain if place.challenge is Challenge.DNS else None,
            )
        )
    steps.append(
        PullImages(
            key=f"{name}.images",
            after=(*ground.docker, *made),
            inside=inside,
            tools=tools,
            server=place.server,
            words=f"the images of {app.title}",
            images=Recipe(tools, place, app).images,
        )
    )
    if app.needs:
        steps.append(
            PrepareDatabases(
                key=f"{name}.databases",
                after=(*ground.portainer, *made, *after.needs),
                inside=inside,
                tools=tools,
                place=place,
                order=app,
            )
        )
    ready = tuple(step.key for step in steps)
    steps.append(
        DeployApp(
            key=f"{name}.stack",
            after=(*ground.portainer, *ready),
            inside=inside,
            tools=tools,
            place=place,
            order=app,
        )
    )
    last = f"{name}.stack"
    if hosts:
        last = f"{name}.answers"
        steps.append(
            AwaitApp(
                key=last,
                after=(f"{name}.stack", *ground.traefik),
                inside=inside,
                tools=tools,
                place=place,
                order=app,
            )
        )
    steps.append(
        RecordApp(
            key=f"{name}.app", after=(last,), inside=made[0], tools=tools, place=place, order=app
        )
    )
    return steps


def _place(order: DeployAppOrder) -> Place:
    return Place(
        server=order.server,
        provider=order.provider,
        zone_name=order.zone_name,
        subdomain=order.subdomain,
        ssl_email=order.ssl_email,
        timezone=order.timezone,
        challenge=order.challenge,
    )
