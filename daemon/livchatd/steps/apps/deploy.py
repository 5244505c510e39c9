"""The deployment of an app: its secrets, its databases and its stack, brought up wave by wave."""

from __future__ import annotations

from dataclasses import dataclass

from livchat.errors import ProviderError
from livchat.wire.apps import AppStatus
from livchatd.catalog.render_types import RenderedStack, Wave
from livchatd.integrations.portainer import Portainer, Stack, StackState
from livchatd.integrations.ssh.interfaces import Shells
from livchatd.jobs.step import Step, StepContext
from livchatd.steps.apps.postgres import Postgres
from livchatd.steps.apps.stack_inputs import StackInputs
from livchatd.steps.apps.stack_resources import (
    create_secrets,
    has_secret,
    remove_secrets,
    remove_volumes,
    wait_until_removed,
)
from livchatd.steps.apps.stack_watch import StackWatch
from livchatd.steps.deps import Portainers
from livchatd.steps.facts import AppFacts, AppsFacts
from livchatd.steps.params import AppParams
from livchatd.storage.database import now
from livchatd.storage.inventory import AppRecord, Inventory


@dataclass(frozen=True)
class AppStep(Step[AppsFacts]):
    """A step of one app's deployment."""

    inputs: StackInputs

    @property
    def params(self) -> AppParams:
        """The app's parameters."""
        return self.inputs.params

    @property
    def server(self) -> str:
        """The name of the server that the app is deployed on."""
        return self.inputs.site.server


def change_facts(context: StepContext[AppsFacts], app: str, **changes: str | None) -> None:
    """Change the facts of one app."""
    before = context.facts.apps.get(app, AppFacts())
    context.facts.apps = {**context.facts.apps, app: before.model_copy(update=changes)}


@dataclass(frozen=True)
class MakeSecrets(AppStep):
    """Makes the app's secrets and passwords, and puts the app into the inventory.

    The databases in Redis that its record names are its own from then on. Raises `InvalidRequest`
    for a value that does not fit. The undo removes an app that this job put there.
    """

    inventory: Inventory
    expected_seconds = 0.5

    @property
    def title(self) -> str:
        return f"Make the secrets of {self.params.title}"

    async def apply(self, context: StepContext[AppsFacts]) -> None:
        inputs, server = self.inputs, self.server
        app = await inputs.app()
        await inputs.secrets()
        for database in await inputs.databases():
            if not await inputs.has_password(database.alias):
                await context.note_created(f"password {database.name}")
            await inputs.password(database.alias)
        before = self.inventory.app(server, app.id)
        indexes = await inputs.redis_indexes()
        if before is None:
            await context.note_created(f"app {app.id}")
        running = before is not None and before.status is AppStatus.RUNNING
        change_facts(context, app.id, phase="update" if running else "install")
        if before is None or not running or before.redis_indexes != indexes:
            record = AppRecord(
                app_name=app.id,
                instance=inputs.instance,
                version=app.version,
                status=before.status if running and before else AppStatus.DEPLOYING,
                deployed_at=before.deployed_at if before else now(),
                depends_on=self.params.needs,
                hosts=self.params.hosts,
                config=self.params.config,
                redis_indexes=indexes,
            )
            await self.inventory.put_app(server, record)
        # A value that does not fit is refused now, not after minutes of work.
        await inputs.rendered()

    async def undo(self, context: StepContext[AppsFacts]) -> None:
        if f"app {self.params.app_name}" in context.facts.made:
            await self.inventory.remove_app(self.server, self.params.app_name)


@dataclass(frozen=True)
class PrepareDatabases(AppStep):
    """Creates the app's PostgreSQL databases, each with its role and extensions.

    The undo drops the databases that this job created.
    """

    shells: Shells
    expected_seconds = 1.0
    min_attempts = 8

    @property
    def title(self) -> str:
        return f"Prepare the databases of {self.params.title}"

    async def check(self, context: StepContext[AppsFacts]) -> bool:
        shell = await self.shells.on(self.server)
        for database in await self.inputs.databases():
            new = {f"database {database.name}", f"password {database.name}"}
            if database.extensions or new & set(context.facts.made):
                return False
            if not await (await Postgres.of(shell, database)).has(database.name):
                return False
        return True

    async def apply(self, context: StepContext[AppsFacts]) -> None:
        shell = await self.shells.on(self.server)
        for database in await self.inputs.databases():
            postgres = await Postgres.of(shell, database)
            if not await postgres.has_database(database.name):
                await context.note_created(f"database {database.name}")
            secret = await self.inputs.password(database.alias)
            await postgres.put(database, secret.get_secret_value())
            context.log(f"database {database.name} is ready")

    async def undo(self, context: StepContext[AppsFacts]) -> None:
        shell = await self.shells.on(self.server)
        for database in await self.inputs.databases():
            if f"database {database.name}" in context.facts.made:
                await (await Postgres.of(shell, database)).drop(database.name)

    def leftovers(self, context: StepContext[AppsFacts]) -> list[str]:
        stem = f"database {self.params.app_name.replace('-', '_')}"
        made = [thing for thing in context.facts.made if f"{thing}_".startswith(f"{stem}_")]
        return [f"{thing} on {self.server}" for thing in made]


@dataclass(frozen=True)
class DeployApp(AppStep):
    """Deploys the app's stack by Portainer, wave by wave, and waits until all of it runs.

    Raises `ProviderError` if Portainer cannot deploy it or a service does not come up. The undo
    removes a stack that this job created, with its volumes and secrets.
    """

    shells: Shells
    portainers: Portainers
    expected_seconds = 20.0
    deadline = 3_600.0

    @property
    def title(self) -> str:
        return f"Deploy {self.params.title}"

    async def check(self, context: StepContext[AppsFacts]) -> bool:
        rendered, portainer = await self._rendered(context), self.portainers(self.server)
        stack = await portainer.stack(self.inputs.instance)
        if stack is None or stack.state is not StackState.ACTIVE:
            return False
        if await portainer.stack_file(stack.id) != rendered.compose:
            return False
        shell = await self.shells.on(self.server)
        if not all([await has_secret(shell, name) for name in rendered.docker_secrets]):
            return False
        services = [name for wave in rendered.waves for name in wave.services]
        return await StackWatch(self.shells, self.server, self.inputs.instance).is_up(services)

    async def apply(self, context: StepContext[AppsFacts]) -> None:
        rendered, shell = await self._rendered(context), await self.shells.on(self.server)
        portainer, name = self.portainers(self.server), self.inputs.instance
        stack = await portainer.stack(name)
        if stack is None:
            await context.note_created(f"stack {name}")
        await create_secrets(shell, rendered.docker_secrets)
        first = await _first_wave(portainer, stack, rendered)
        for number, wave in enumerate(rendered.waves[first:], first):
            services = [name for wave in rendered.waves[: number + 1] for name in wave.services]
            await self._deploy(context, portainer, wave, services)

    async def undo(self, context: StepContext[AppsFacts]) -> None:
        name = self.inputs.instance
        if f"stack {name}" not in context.facts.made:
            return
        rendered, shell = await self._rendered(context), await self.shells.on(self.server)
        await self.portainers(self.server).delete_stack(name)
        await wait_until_removed(context, shell, name)
        await remove_volumes(context, shell, name)
        await remove_secrets(shell, rendered.docker_secrets)

    def leftovers(self, context: StepContext[AppsFacts]) -> list[str]:
        made = f"stack {self.inputs.instance}"
        return [f"{made} on {self.server}"] if made in context.facts.made else []

    async def _rendered(self, context: StepContext[AppsFacts]) -> RenderedStack:
        facts = context.facts.apps.get(self.params.app_name, AppFacts())
        return await self.inputs.rendered(facts.phase)

    async def _deploy(
        self,
        context: StepContext[AppsFacts],
        portainer: Portainer,
        wave: Wave,
        services: list[str],
    ) -> None:
        """Deploy one wave; wait until Portainer has done it and these services are up."""
        name = self.inputs.instance
        watch = await StackWatch.begin(self.shells, self.server, name)
        await self._wait_for_earlier(context, portainer)
        stack = await portainer.deploy_stack(name, wave.compose)
        async for _ in context.poll(wave.timeout, first=0.2):
            if stack.state is StackState.ERROR:
                raise ProviderError(
                    f"Portainer could not deploy {name}: {stack.message or 'it does not say why'}"
                )
            if stack.state is StackState.ACTIVE:
                break
            # A wrong image shows in the tasks long before Portainer gives up.
            await watch.fail_early(context)
            stack = await portainer.stack(name) or stack
        await watch.until_up(context, services, wave.jobs, wave.timeout)

    async def _wait_for_earlier(
        self, context: StepContext[AppsFacts], portainer: Portainer
    ) -> None:
        """Wait until Portainer has ended an earlier deployment of this stack."""
        async for _ in context.poll(120):
            stack = await portainer.stack(self.inputs.instance)
            if stack is None or stack.state is not StackState.DEPLOYING:
                return


async def _first_wave(portainer: Portainer, stack: Stack | None, rendered: RenderedStack) -> int:
    """Return where to begin: at the wave that was reached, or at the last if all services run.

    An early wave holds few services, so deploying it over a running stack would stop the others;
    only an update with jobs, which need the data to themselves, begins at the first.
    """
    if stack is None or any(wave.jobs for wave in rendered.waves):
        return 0
    deployed = await portainer.stack_file(stack.id)
    reached = [number for number, wave in enumerate(rendered.waves) if wave.compose == deployed]
    return reached[0] if reached else len(rendered.waves) - 1
