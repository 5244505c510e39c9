"""Deploy apps in order of need; those that do not need each other are deployed side by side."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from livchat.job_state import JobStatus
from livchatd.jobs.step import Step, Workflow
from livchatd.steps.apps.deploy import DeployApp, MakeSecrets, PrepareDatabases
from livchatd.steps.apps.dns_propagation import WaitForDns
from livchatd.steps.apps.dns_records import CreateDnsRecords
from livchatd.steps.apps.finish import (
    RecordApp,
    WaitForApp,
    deployment_result,
    end_failed_deployment,
)
from livchatd.steps.apps.stack_inputs import StackInputs
from livchatd.steps.deps import AppDeps
from livchatd.steps.facts import AppsFacts
from livchatd.steps.params import AppParams, DeployAppParams
from livchatd.steps.setup.docker import PullImages
from livchatd.steps.site import Site


@dataclass(frozen=True)
class AppPrerequisites:
    """The keys of steps of the same job that must be done before those of apps, if it has any.

    Names need an `address`, which is final after `address_final`; `docker` pulls images,
    `portainer` deploys stacks, `traefik` serves their sites. `machine` and `name` are the steps
    whose undo takes all that is on the server, and all that is known of it; the undo of
    `names_part_of` removes the names.
    """

    address: tuple[str, ...] = field(default=())
    address_final: tuple[str, ...] = field(default=())
    docker: tuple[str, ...] = field(default=())
    portainer: tuple[str, ...] = field(default=())
    traefik: tuple[str, ...] = field(default=())
    machine: str | None = None
    name: str | None = None
    names_part_of: str | None = None


def deploy_app(deps: AppDeps) -> Workflow[DeployAppParams, AppsFacts]:
    """Return the workflow; its result are the apps with their URLs."""

    async def on_end(params: DeployAppParams, facts: AppsFacts, status: JobStatus) -> None:
        del facts
        await end_failed_deployment(deps.inventory, params.server, params.apps, status)

    return Workflow(
        name="deploy_app",
        params=DeployAppParams,
        facts=AppsFacts,
        steps=lambda params: app_steps(deps, params, params.apps, AppPrerequisites()),
        result=lambda params, facts: {"apps": deployment_result(params.apps, facts)},
        on_end=on_end,
    )


def app_steps(
    deps: AppDeps, site: Site, apps: Iterable[AppParams], prerequisites: AppPrerequisites
) -> list[Step[AppsFacts]]:
    """Return the steps of all apps. A key is `<app>.<step>`; an app is done after `<app>.app`."""
    steps: list[Step[AppsFacts]] = []
    in_job: list[str] = []
    before_secrets: tuple[str, ...] = prerequisites.address
    for app in apps:
        needs = tuple(f"{need}.app" for need in app.needs if need in in_job)
        steps += _steps_of(deps, site, app, prerequisites, _After(before_secrets, needs))
        # One after the other: each takes the next free database in Redis.
        before_secrets = (f"{app.app_name}.secrets",)
        in_job.append(app.app_name)
    return steps


@dataclass(frozen=True)
class _After:
    """The keys of steps before the secrets of an app, and of those that end the apps it needs."""

    secrets: tuple[str, ...]
    needs: tuple[str, ...]


def _steps_of(
    deps: AppDeps, site: Site, app: AppParams, prerequisites: AppPrerequisites, after: _After
) -> list[Step[AppsFacts]]:
    """Return the steps of one app: secrets, names, images, databases, stack, the wait for it."""
    name, machine, before = app.app_name, prerequisites.machine, prerequisites
    inputs = StackInputs(app, site, deps.catalog, deps.vault, deps.inventory)
    web = (inputs, deps.providers, deps.inventory)
    secrets, names, dns = f"{name}.secrets", f"{name}.names", f"{name}.dns"
    steps: list[Step[AppsFacts]] = [
        MakeSecrets(inputs, deps.inventory, key=secrets, after=after.secrets, part_of=before.name)
    ]
    if app.hosts:
        steps += [
            CreateDnsRecords(
                app, site, deps.inventory, deps.dns,
                key=names, after=(*before.address, secrets), part_of=before.names_part_of,
            ),
            WaitForDns(
                app, site, deps.inventory, deps.providers, deps.dns, deps.resolver,
                key=dns, after=(names, *before.address_final), part_of=names,
            ),
        ]  # fmt: skip
    steps.append(
        PullImages(
            site.server, f"the images of {app.title}", inputs.images, deps.shells,
            key=f"{name}.images", after=(*before.docker, secrets), part_of=machine,
        )
    )  # fmt: skip
    if app.needs:
        steps.append(
            PrepareDatabases(
                inputs, deps.shells,
                key=f"{name}.databases", after=(*before.portainer, secrets, *after.needs),
                part_of=machine,
            )
        )  # fmt: skip
    ready = tuple(step.key for step in steps)
    stack = last = f"{name}.stack"
    steps.append(
        DeployApp(
            inputs, deps.shells, deps.portainers,
            key=stack, after=(*before.portainer, *ready), part_of=machine,
        )
    )  # fmt: skip
    if app.hosts:
        last = f"{name}.answers"
        steps.append(WaitForApp(*web, key=last, after=(stack, *before.traefik), part_of=machine))
    return [*steps, RecordApp(*web, key=f"{name}.app", after=(last,), part_of=secrets)]
