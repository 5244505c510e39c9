"""The deletion of an app: its stack, DNS records and secrets, and its data if that is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from livchat.errors import InvalidRequest, NotFound
from livchat.wire.apps import AppStatus
from livchatd.catalog.catalog import Catalog
from livchatd.integrations.ssh.interfaces import Shells
from livchatd.jobs.step import Step, StepContext
from livchatd.steps.apps.postgres import Postgres
from livchatd.steps.apps.stack_inputs import Database, StackInputs
from livchatd.steps.apps.stack_resources import remove_secrets, remove_volumes, wait_until_removed
from livchatd.steps.deps import Portainers
from livchatd.steps.facts import DeletionFacts
from livchatd.steps.params import AppParams, DeleteAppParams
from livchatd.steps.server_dns import ServerDns
from livchatd.steps.site import Site
from livchatd.storage.inventory import Inventory
from livchatd.storage.vault import Vault
from livchatd.storage.vault_keys import app_prefix


@dataclass(frozen=True)
class DeleteAppStep(Step[DeletionFacts]):
    """A step of the deletion of an app. What is gone already is fine.

    `destroys` is what it cannot give back once it has begun, for people.
    """

    destroys: ClassVar[str] = ""
    params: DeleteAppParams
    inventory: Inventory

    def leftovers(self, context: StepContext[DeletionFacts]) -> list[str]:
        known = self.inventory.app(self.params.server, self.params.app_name)
        if not self.destroys or known is None:
            # An app leaves the inventory last: then nothing is left of it.
            return []
        return [f"{self.params.title} on {self.params.server}, maybe without its {self.destroys}"]


@dataclass(frozen=True)
class SetAppDeleting(DeleteAppStep):
    """Records that the app is being deleted.

    The undo gives it its earlier status, or `failed` where its stack is gone.
    """

    portainers: Portainers
    expected_seconds = 0.05

    @property
    def title(self) -> str:
        return f"Mark {self.params.title} as going"

    async def apply(self, context: StepContext[DeletionFacts]) -> None:
        record = self.inventory.app(self.params.server, self.params.app_name)
        if record is not None and record.status is not AppStatus.DELETING:
            context.facts.status = record.status.value
            await context.save()
            deleting = record.model_copy(update={"status": AppStatus.DELETING})
            await self.inventory.put_app(self.params.server, deleting)

    async def undo(self, context: StepContext[DeletionFacts]) -> None:
        record = self.inventory.app(self.params.server, self.params.app_name)
        if record is None or context.facts.status is None:
            return
        stack = await self.portainers(self.params.server).stack(self.params.app_name)
        status = AppStatus(context.facts.status) if stack is not None else AppStatus.FAILED
        restored = record.model_copy(update={"status": status})
        await self.inventory.put_app(self.params.server, restored)


@dataclass(frozen=True)
class RemoveStack(DeleteAppStep):
    """Removes the stack by Portainer, and waits until nothing of it runs."""

    shells: Shells
    portainers: Portainers
    destroys = "stack"
    expected_seconds = 3.0

    @property
    def title(self) -> str:
        return f"Remove the stack of {self.params.title}"

    async def apply(self, context: StepContext[DeletionFacts]) -> None:
        import yaml  # noqa: PLC0415 - not at the daemon's start

        portainer = self.portainers(self.params.server)
        stack = await portainer.stack(self.params.app_name)
        if stack is None:
            context.log("there is no such stack")
            return
        # Only its file, which goes with it, names the secrets that it mounts.
        compose = yaml.safe_load(await portainer.stack_file(stack.id)) or {}
        context.facts.docker_secrets = [
            secret["name"]
            for secret in (compose.get("secrets") or {}).values()
            if secret.get("external") and secret.get("name")
        ]
        await context.save()
        await portainer.delete_stack(self.params.app_name)

    async def verify(self, context: StepContext[DeletionFacts]) -> None:
        shell = await self.shells.on(self.params.server)
        await wait_until_removed(context, shell, self.params.app_name)


@dataclass(frozen=True)
class RemoveNames(DeleteAppStep):
    """Deletes the DNS records of the app."""

    dns: ServerDns
    destroys = "names"

    @property
    def title(self) -> str:
        return f"Remove the names of {self.params.title}"

    async def apply(self, context: StepContext[DeletionFacts]) -> None:
        params, zone = self.params, self.inventory.server(self.params.server).zone_name
        if zone is None:
            return
        for host in await self.dns.remove_of_app(
            params.provider, zone, params.server, params.app_name
        ):
            context.log(f"{host} is gone")


@dataclass(frozen=True)
class RemoveSecrets(DeleteAppStep):
    """Removes the Docker secrets that the stack mounted."""

    shells: Shells
    destroys = "secrets"

    @property
    def title(self) -> str:
        return f"Remove the secrets of {self.params.title}"

    async def apply(self, context: StepContext[DeletionFacts]) -> None:
        shell = await self.shells.on(self.params.server)
        await remove_secrets(shell, context.facts.docker_secrets)


@dataclass(frozen=True)
class PurgeData(DeleteAppStep):
    """Removes the app's volumes, its databases and its secrets in the vault.

    Databases of an app that the catalog does not have any more are left.
    """

    catalog: Catalog
    vault: Vault
    shells: Shells
    destroys = "data"
    expected_seconds = 8.0

    @property
    def title(self) -> str:
        return f"Delete the data of {self.params.title}"

    async def apply(self, context: StepContext[DeletionFacts]) -> None:
        server, name = self.params.server, self.params.app_name
        shell = await self.shells.on(server)
        for volume in await remove_volumes(context, shell, name):
            context.log(f"volume {volume} is gone")
        try:
            databases = await self._databases()
        except (NotFound, InvalidRequest):
            context.log("the catalog has no such app any more: its databases are left", "warning")
            databases = []
        for database in databases:
            await (await Postgres.of(shell, database)).drop(database.name)
            context.log(f"database {database.name} is gone")
        await self.vault.delete_prefix(app_prefix(server, name))

    async def _databases(self) -> list[Database]:
        record = self.inventory.server(self.params.server)
        site = Site(
            server=record.name,
            provider=self.params.provider,
            zone_name=record.zone_name or "",
            subdomain=record.subdomain,
            ssl_email=record.ssl_email or "",
            timezone=record.timezone or "UTC",
        )
        app = AppParams(app_name=self.params.app_name, title=self.params.title)
        inputs = StackInputs(app, site, self.catalog, self.vault, self.inventory)
        return await inputs.databases()


class RemoveAppFromInventory(DeleteAppStep):
    """Deletes the app's record: after this nothing is known of it."""

    point_of_no_return = True
    expected_seconds = 0.05

    @property
    def title(self) -> str:
        return f"Forget {self.params.title}"

    async def apply(self, context: StepContext[DeletionFacts]) -> None:
        await self.inventory.remove_app(self.params.server, self.params.app_name)


def app_deletion_result(params: DeleteAppParams) -> dict[str, Any]:
    """Return what was deleted, as a job's result has it."""
    return {"app_name": params.app_name, "server": {"name": params.server}}
