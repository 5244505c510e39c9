"""An app on a server: its secrets, its databases, its stack, and the wait until people reach it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from livchat.errors import ProviderError
from livchat.wire.apps import AppStatus
from livchatd.catalog.render_types import Rendered, Wave
from livchatd.integrations.portainer import Portainer, Stack, StackState
from livchatd.integrations.ssh.interfaces import Shell
from livchatd.jobs.step import Run, Step
from livchatd.providers.base import Reach
from livchatd.steps.apps.http_probe import NO_CERTIFICATE
from livchatd.steps.apps.postgres import Postgres
from livchatd.steps.apps.stack_inputs import Place, Recipe
from livchatd.steps.apps.stack_resources import (
    await_gone,
    create_secrets,
    has_secret,
    remove_secrets,
    remove_volumes,
)
from livchatd.steps.apps.stack_watch import Watch
from livchatd.steps.deps import Tools
from livchatd.steps.facts import AppLearnt, AppsLearnt, make_note
from livchatd.steps.params import AppOrder
from livchatd.storage.database import now
from livchatd.storage.inventory import AppRecord


@dataclass(frozen=True, kw_only=True)
class AppStep(Step[AppsLearnt]):
    """A step of one app's deployment."""

    tools: Tools
    place: Place
    order: AppOrder

    @property
    def recipe(self) -> Recipe:
        """What the app is made of."""
        return Recipe(self.tools, self.place, self.order)

    async def shell(self) -> Shell:
        """The server's shell."""
        return await self.tools.shell(self.place.server)


class MakeSecrets(AppStep):
    """Also writes the app down, with the databases in Redis that are its own from now on."""

    usually: ClassVar[float] = 0.5

    @property
    def title(self) -> str:
        return f"Make the secrets of {self.order.title}"

    async def apply(self, run: Run[AppsLearnt]) -> None:
        recipe, server = self.recipe, self.place.server
        app = await recipe.app()
        await recipe.secrets()
        for database in await recipe.databases():
            if await self.tools.vault.get(recipe.key(database.alias)) is None:
                await make_note(run, f"password {database.name}")
            await recipe.password(database.alias)
        before = self.tools.inventory.app(server, app.id)
        indexes = await recipe.indexes()
        if before is None:
            await make_note(run, f"app {app.id}")
        running = before is not None and before.status is AppStatus.RUNNING
        _learn(run, app.id, phase="update" if running else "install")
        if before is None or not running or before.redis_indexes != indexes:
            record = AppRecord(
                app_name=app.id,
                instance=recipe.instance,
                version=app.version,
                status=before.status if running and before else AppStatus.DEPLOYING,
                deployed_at=before.deployed_at if before else now(),
                depends_on=self.order.needs,
                hosts=self.order.hosts,
                config=self.order.config,
                redis_indexes=indexes,
            )
            await self.tools.inventory.put_app(server, record)
        # An answer that does not fit is told now, not after minutes of work.
        await recipe.rendered()

    async def undo(self, run: Run[AppsLearnt]) -> None:
        if f"app {self.order.app_name}" in run.learnt.made:
            await self.tools.inventory.remove_app(self.place.server, self.order.app_name)


class PrepareDatabases(AppStep):
    usually: ClassVar[float] = 1.0
    attempts: ClassVar[int] = 8

    @property
    def title(self) -> str:
        return f"Prepare the databases of {self.order.title}"

    async def check(self, run: Run[AppsLearnt]) -> bool:
        shell, recipe = await self.shell(), self.recipe
        for database in await recipe.databases():
            fresh = {f"database {database.name}", f"password {database.name}"}
            if database.extensions or fresh & set(run.learnt.made):
                return False
            if not await (await Postgres.of(shell, database)).has(database.name):
                return False
        return True

    async def apply(self, run: Run[AppsLearnt]) -> None:
        shell, recipe = await self.shell(), self.recipe
        for database in await recipe.databases():
            postgres = await Postgres.of(shell, database)
            if not await postgres.has_database(database.name):
                await make_note(run, f"database {database.name}")
            kept = await recipe.password(database.alias)
            await postgres.put(database, kept.get_secret_value())
            run.log(f"database {database.name} is ready")

    async def undo(self, run: Run[AppsLearnt]) -> None:
        shell = await self.shell()
        for database in await self.recipe.databases():
            if f"database {database.name}" in run.learnt.made:
                await (await Postgres.of(shell, database)).drop(database.name)

    def leaves(self, run: Run[AppsLearnt]) -> list[str]:
        stem = f"database {self.order.app_name.replace('-', '_')}"
        made = [thing for thing in run.learnt.made if f"{thing}_".startswith(f"{stem}_")]
        return [f"{thing} on {self.place.server}" for thing in made]


class DeployApp(AppStep):
    usually: ClassVar[float] = 20.0
    deadline: ClassVar[float] = 3_600.0

    @property
    def title(self) -> str:
        return f"Deploy {self.order.title}"

    async def check(self, run: Run[AppsLearnt]) -> bool:
        rendered = await self._rendered(run)
        portainer = self.tools.portainer(self.place.server)
        stack = await portainer.stack(self.recipe.instance)
        if stack is None or stack.state is not StackState.ACTIVE:
            return False
        if await portainer.stack_file(stack.id) != rendered.compose:
            return False
        shell = await self.shell()
        if not all([await has_secret(shell, name) for name in rendered.docker_secrets]):
            return False
        services = [name for wave in rendered.waves for name in wave.services]
        return await Watch(self.tools, self.place.server, self.recipe.instance).is_up(services)

    async def apply(self, run: Run[AppsLearnt]) -> None:
        rendered, shell = await self._rendered(run), await self.shell()
        portainer, name = self.tools.portainer(self.place.server), self.recipe.instance
        stack = await portainer.stack(name)
        if stack is None:
            await make_note(run, f"stack {name}")
        await create_secrets(shell, rendered.docker_secrets)
        first = await _first_wave(portainer, stack, rendered)
        for place, wave in enumerate(rendered.waves[first:], first):
            await self._deploy(run, portainer, shell, wave, self._so_far(rendered, place))

    async def undo(self, run: Run[AppsLearnt]) -> None:
        name = self.recipe.instance
        if f"stack {name}" not in run.learnt.made:
            return
        rendered, shell = await self._rendered(run), await self.shell()
        await self.tools.portainer(self.place.server).delete(name)
        await await_gone(self.tools, shell, name)
        await remove_volumes(self.tools, shell, name)
        await remove_secrets(shell, rendered.docker_secrets)

    def leaves(self, run: Run[AppsLearnt]) -> list[str]:
        made = f"stack {self.recipe.instance}"
        return [f"{made} on {self.place.server}"] if made in run.learnt.made else []

    async def _rendered(self, run: Run[AppsLearnt]) -> Rendered:
        learnt = run.learnt.apps.get(self.order.app_name, AppLearnt())
        return await self.recipe.rendered(learnt.phase)

    @staticmethod
    def _so_far(rendered: Rendered, place: int) -> list[str]:
        return [name for wave in rendered.waves[: place + 1] for name in wave.services]

    async def _deploy(
        self,
        run: Run[AppsLearnt],
        portainer: Portainer,
        shell: Shell,
        wave: Wave,
        services: list[str],
    ) -> None:
        """Bring up one wave, and wait until Portainer and the swarm both say that it runs."""
        name = self.recipe.instance
        watch = await Watch.begin(self.tools, self.place.server, name)
        await self._free(portainer)
        stack = await portainer.deploy(name, wave.compose)
        async for _ in self.tools.looks(wave.timeout, first=0.2):
            if stack.state is StackState.ERROR:
                raise ProviderError(
                    f"Portainer could not deploy {name}: {stack.message or 'it does not say why'}"
                )
            if stack.state is StackState.ACTIVE:
                break
            # A wrong image shows in the tasks long before Portainer gives up.
            await watch.fail_early(run)
            stack = await portainer.stack(name) or stack
        await watch.until_up(run, services, wave.jobs, wave.timeout)

    async def _free(self, portainer: Portainer) -> None:
        """Wait until Portainer is done with an earlier deployment of this stack."""
        async for _ in self.tools.looks(120):
            stack = await portainer.stack(self.recipe.instance)
            if stack is None or stack.state is not StackState.DEPLOYING:
                return


class AwaitApp(AppStep):
    usually: ClassVar[float] = 12.0
    deadline: ClassVar[float] = 2_400.0

    @property
    def title(self) -> str:
        return f"Wait for {self.order.title}"

    async def apply(self, run: Run[AppsLearnt]) -> None:
        recipe = self.recipe
        rendered, within = await recipe.rendered(), (await recipe.app()).spec.ready.timeout
        reach = await _reach(self.tools, self.place)
        waiting, last = list(rendered.ready), 0
        async for _ in self.tools.looks(max(within, 120)):
            while waiting:
                last = await self.tools.probe(reach, waiting[0].host, waiting[0].path)
                if last != waiting[0].status:
                    break
                waiting.pop(0)
                done = len(rendered.ready) - len(waiting)
                run.progress(done, len(rendered.ready), "checks")
            if not waiting:
                return
        where = f"{self.order.title} runs, but https://{waiting[0].host}"
        if last == NO_CERTIFICATE:
            raise ProviderError(
                f"{where} has no certificate: Traefik's log says why Let's Encrypt gave none",
                hint=f"livchat server exec {self.place.server} -- "
                "docker service logs --tail 50 traefik_traefik",
            )
        answer = f"answers {last}" if last else "does not answer"
        raise ProviderError(
            f"{where}{waiting[0].path} {answer}", hint=f"livchat job retry {run.job_id}"
        )


class RecordApp(AppStep):
    usually: ClassVar[float] = 0.05

    @property
    def title(self) -> str:
        return f"Record {self.order.title}"

    async def apply(self, run: Run[AppsLearnt]) -> None:
        app, order, server = await self.recipe.app(), self.order, self.place.server
        domain = next(iter(order.hosts.values()), None)
        url = (await _reach(self.tools, self.place)).url(domain) if domain else None
        _learn(run, app.id, domain=domain, url=url)
        before = self.tools.inventory.app(server, app.id)
        record = AppRecord(
            app_name=app.id,
            instance=self.recipe.instance,
            version=app.version,
            status=AppStatus.RUNNING,
            deployed_at=before.deployed_at if before else now(),
            domain=domain,
            url=url,
            depends_on=order.needs,
            hosts=order.hosts,
            config=order.config,
            redis_indexes=before.redis_indexes if before else {},
        )
        if record != before:
            record = record.model_copy(update={"deployed_at": now()})
            await self.tools.inventory.put_app(server, record)


def _learn(run: Run[AppsLearnt], app: str, **changes: str | None) -> None:
    before = run.learnt.apps.get(app, AppLearnt())
    run.learnt.apps = {**run.learnt.apps, app: before.model_copy(update=changes)}


async def _reach(tools: Tools, place: Place) -> Reach:
    return await tools.provider(place.provider).reach(tools.address(place.server))


async def _first_wave(portainer: Portainer, stack: Stack | None, rendered: Rendered) -> int:
    """Where to begin: at the wave that was reached, or at the end if the services run already.

    An early wave holds few services, so deploying it over a running stack would stop the others;
    only an update with jobs, which need the data to themselves, begins at the beginning.
    """
    if stack is None or any(wave.jobs for wave in rendered.waves):
        return 0
    deployed = await portainer.stack_file(stack.id)
    reached = [place for place, wave in enumerate(rendered.waves) if wave.compose == deployed]
    return reached[0] if reached else len(rendered.waves) - 1
