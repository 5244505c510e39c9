"""Taking an app off a server: its stack, its names, its secrets and, if asked for, its data."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import ClassVar

from livchat.errors import Invalid, NotFound
from livchat.wire.apps import AppStatus
from livchatd.jobs.step import Run, Step
from livchatd.steps.apps.dns_records import remove_records
from livchatd.steps.apps.postgres import Postgres
from livchatd.steps.apps.stack_inputs import Place, Recipe
from livchatd.steps.apps.stack_resources import await_gone, remove_secrets, remove_volumes
from livchatd.steps.deps import Tools
from livchatd.steps.facts import RemovalLearnt
from livchatd.steps.params import AppOrder, DeleteAppOrder


@dataclass(frozen=True, kw_only=True)
class RemovalStep(Step[RemovalLearnt]):
    """A step of the removal of an app; `takes` is what it cannot give back, once it has begun."""

    takes: ClassVar[str] = ""
    tools: Tools
    order: DeleteAppOrder

    def leaves(self, run: Run[RemovalLearnt]) -> list[str]:
        known = self.tools.inventory.app(self.order.server, self.order.app_name)
        if not self.takes or known is None:
            # Forgotten is only what is gone: a cancel that came too late leaves nothing.
            return []
        return [f"{self.order.title} on {self.order.server}, maybe without its {self.takes}"]


class MarkApp(RemovalStep):
    usually: ClassVar[float] = 0.05

    @property
    def title(self) -> str:
        return f"Mark {self.order.title} as going"

    async def apply(self, run: Run[RemovalLearnt]) -> None:
        record = self.tools.inventory.app(self.order.server, self.order.app_name)
        if record is not None and record.status is not AppStatus.DELETING:
            run.learnt.status = record.status.value
            await run.save()
            going = record.model_copy(update={"status": AppStatus.DELETING})
            await self.tools.inventory.put_app(self.order.server, going)

    async def undo(self, run: Run[RemovalLearnt]) -> None:
        record = self.tools.inventory.app(self.order.server, self.order.app_name)
        if record is None or run.learnt.status is None:
            return
        stack = await self.tools.portainer(self.order.server).stack(self.order.app_name)
        status = AppStatus(run.learnt.status) if stack is not None else AppStatus.FAILED
        back = record.model_copy(update={"status": status})
        await self.tools.inventory.put_app(self.order.server, back)


class RemoveStack(RemovalStep):
    takes: ClassVar[str] = "stack"
    usually: ClassVar[float] = 3.0

    @property
    def title(self) -> str:
        return f"Remove the stack of {self.order.title}"

    async def apply(self, run: Run[RemovalLearnt]) -> None:
        import yaml  # noqa: PLC0415 - not at the daemon's start

        portainer = self.tools.portainer(self.order.server)
        stack = await portainer.stack(self.order.app_name)
        if stack is None:
            run.log("there is no such stack")
            return
        # What it mounts is told by its file only, which goes with it.
        compose = yaml.safe_load(await portainer.stack_file(stack.id)) or {}
        run.learnt.docker_secrets = [
            secret["name"]
            for secret in (compose.get("secrets") or {}).values()
            if secret.get("external") and secret.get("name")
        ]
        await run.save()
        await portainer.delete(self.order.app_name)

    async def verify(self, run: Run[RemovalLearnt]) -> None:
        shell = await self.tools.shell(self.order.server)
        await await_gone(self.tools, shell, self.order.app_name)


class RemoveNames(RemovalStep):
    takes: ClassVar[str] = "names"

    @property
    def title(self) -> str:
        return f"Remove the names of {self.order.title}"

    async def apply(self, run: Run[RemovalLearnt]) -> None:
        zone = self.tools.inventory.server(self.order.server).zone_name
        if zone is None:
            return
        whose = self.tools.home.owner(self.order.server, self.order.app_name)
        for name in await remove_records(self.tools, self.order.provider, zone, whose, exact=True):
            run.log(f"{name} is gone")


class RemoveSecrets(RemovalStep):
    takes: ClassVar[str] = "secrets"

    @property
    def title(self) -> str:
        return f"Remove the secrets of {self.order.title}"

    async def apply(self, run: Run[RemovalLearnt]) -> None:
        shell = await self.tools.shell(self.order.server)
        await remove_secrets(shell, run.learnt.docker_secrets)


class PurgeData(RemovalStep):
    """Volumes, databases and kept secrets: after this the app's data is nowhere."""

    takes: ClassVar[str] = "data"
    usually: ClassVar[float] = 8.0

    @property
    def title(self) -> str:
        return f"Delete the data of {self.order.title}"

    async def apply(self, run: Run[RemovalLearnt]) -> None:
        server, name = self.order.server, self.order.app_name
        shell = await self.tools.shell(server)
        for volume in await remove_volumes(self.tools, shell, name):
            run.log(f"volume {volume} is gone")
        await self._drop_databases(run)
        await self.tools.vault.delete_prefix(f"app/{server}/{name}/")

    async def _drop_databases(self, run: Run[RemovalLearnt]) -> None:
        server, name = self.order.server, self.order.app_name
        record = self.tools.inventory.server(server)
        place = Place(
            server=server,
            provider=self.order.provider,
            zone_name=record.zone_name or "",
            subdomain=record.subdomain,
            ssl_email=record.ssl_email or "",
            timezone=record.timezone or "UTC",
        )
        await asyncio.to_thread(self.tools.catalog.apps)
        try:
            recipe = Recipe(self.tools, place, AppOrder(app_name=name, title=self.order.title))
            databases = await recipe.databases()
        except (NotFound, Invalid):
            run.log("the catalog has no such app any more: its databases are left", "warning")
            return
        shell = await self.tools.shell(server)
        for database in databases:
            await (await Postgres.of(shell, database)).drop(database.name)
            run.log(f"database {database.name} is gone")


class ForgetApp(RemovalStep):
    final: ClassVar[bool] = True
    usually: ClassVar[float] = 0.05

    @property
    def title(self) -> str:
        return f"Forget {self.order.title}"

    async def apply(self, run: Run[RemovalLearnt]) -> None:
        await self.tools.inventory.remove_app(self.order.server, self.order.app_name)
