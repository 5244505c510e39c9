"""The deletion of a server and of all that was made for it, so that nothing is left behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from livchat.errors import NotConfigured, NotFound, ProviderError
from livchat.wire.servers import ServerStatus
from livchatd.installation import Installation
from livchatd.integrations.ssh.interfaces import Shells
from livchatd.jobs.step import Step, StepContext
from livchatd.providers.base import Owner, Provider
from livchatd.steps.deps import Providers
from livchatd.steps.facts import DeletionFacts
from livchatd.steps.params import DeleteServerParams
from livchatd.steps.server.inventory_entry import OWN
from livchatd.steps.server_dns import ServerDns
from livchatd.storage.inventory import Inventory
from livchatd.storage.vault import Vault
from livchatd.storage.vault_keys import app_prefix, portainer_password, ssh_prefix


@dataclass(frozen=True)
class DeleteServerStep(Step[DeletionFacts]):
    """A step of the deletion of a server. What is gone already is fine.

    `destroys` is what it cannot give back once it has begun, for people.
    """

    destroys: ClassVar[str] = ""
    params: DeleteServerParams
    inventory: Inventory

    def leftovers(self, context: StepContext[DeletionFacts]) -> list[str]:
        if not self.destroys or self.inventory.find(self.params.name) is None:
            # A server leaves the inventory last: then nothing is left of it.
            return []
        return [f"{self.params.name}, maybe without its {self.destroys}"]


@dataclass(frozen=True)
class SetServerDeleting(DeleteServerStep):
    """Records that the server is being deleted; the undo records what it is then."""

    providers: Providers
    title = "Mark the server as going"
    expected_seconds = 0.05

    async def apply(self, context: StepContext[DeletionFacts]) -> None:
        record = self.inventory.find(self.params.name)
        if record is not None and record.status is not ServerStatus.DELETING:
            context.facts.status = record.status.value
            await context.save()
            await self.inventory.change_server(self.params.name, status=ServerStatus.DELETING)

    async def undo(self, context: StepContext[DeletionFacts]) -> None:
        await end_cancelled_deletion(self.inventory, self.providers, self.params, context.facts)


@dataclass(frozen=True)
class RemoveServerNames(DeleteServerStep):
    """Deletes the DNS records of the server's apps; they stay where the account is unknown."""

    dns: ServerDns
    destroys = "names"
    title = "Remove the names of the server"
    expected_seconds = 1.0

    async def apply(self, context: StepContext[DeletionFacts]) -> None:
        name, record = self.params.name, self.inventory.find(self.params.name)
        if record is None or record.zone_name is None:
            return
        try:
            removed = await self.dns.remove_of_server(self.params.provider, record.zone_name, name)
        except (NotConfigured, NotFound) as error:
            # A machine that costs money must go even where its names can no longer be changed.
            context.log(f"the names are left: {error.message}", "warning")
            context.facts.left = [f"records of {name} in {record.zone_name}"]
            return
        for host in removed:
            context.log(f"{host} is gone")

    def leftovers(self, context: StepContext[DeletionFacts]) -> list[str]:
        record = self.inventory.find(self.params.name)
        return super().leftovers(context) if record and record.zone_name else []


@dataclass(frozen=True)
class DeleteAtProviderStep(DeleteServerStep):
    """A step that deletes something at the provider: only what this server owns there."""

    providers: Providers
    installation: Installation

    @property
    def provider(self) -> Provider:
        """The provider; `NotConfigured` if its token is not known."""
        return self.providers.configured(self.params.provider)

    @property
    def owner(self) -> Owner:
        """The owner of what this installation bought for the server, whichever job did."""
        return Owner(self.installation.id, self.params.name)


@dataclass(frozen=True)
class DeleteMachine(DeleteAtProviderStep):
    """Deletes the machine; `ProviderError` if it is still there afterwards."""

    shells: Shells
    destroys = "machine"
    title = "Delete the machine"
    expected_seconds = 5.0

    async def apply(self, context: StepContext[DeletionFacts]) -> None:
        machine_id = await self._machine_id()
        if machine_id is None:
            context.log("the machine is gone already")
        else:
            await self.provider.delete_machine(machine_id, self.owner)
        await self.shells.drop(self.params.name)

    async def verify(self, context: StepContext[DeletionFacts]) -> None:
        if await self._machine_id() is not None:
            raise ProviderError("the machine was deleted, but it is still there")

    async def stop(self, context: StepContext[DeletionFacts]) -> None:
        machine_id = await self._machine_id()
        machine = await self.provider.machine(machine_id) if machine_id else None
        if machine is not None and machine.status == "deleting":
            # The provider goes on with what it was asked for: its end is waited for.
            await self.provider.delete_machine(machine.id, self.owner)

    async def _machine_id(self) -> str | None:
        """Return the machine of the inventory; where it has none, the one that is ours."""
        record = self.inventory.find(self.params.name)
        if record is not None and record.machine_id is not None:
            found = await self.provider.machine(record.machine_id)
        else:
            found = await self.provider.find_machine(self.owner)
        return found.id if found else None


class ReleaseAddress(DeleteAtProviderStep):
    """Releases the server's address, where the provider has addresses that are reserved."""

    destroys = "address"
    title = "Release the address"
    expected_seconds = 1.0

    async def apply(self, context: StepContext[DeletionFacts]) -> None:
        record, addresses = self.inventory.find(self.params.name), self.provider.addresses
        if addresses is None:
            return
        if record is not None and record.address_id is not None:
            await addresses.release_address(record.address_id, self.owner)
            return
        found = await addresses.find_address(self.owner)
        if found is not None:
            await addresses.release_address(found.id, self.owner)


class DeleteKey(DeleteAtProviderStep):
    """Deletes our public key at the provider."""

    title = "Delete the SSH key"
    expected_seconds = 0.5

    async def apply(self, context: StepContext[DeletionFacts]) -> None:
        await self.provider.delete_key(self.owner)


@dataclass(frozen=True)
class RemoveServerFromInventory(DeleteServerStep):
    """Deletes the server's secrets and its record: after this nothing is known of it."""

    vault: Vault
    shells: Shells
    title = "Forget the server"
    point_of_no_return = True
    expected_seconds = 0.1

    async def apply(self, context: StepContext[DeletionFacts]) -> None:
        name = self.params.name
        await self.shells.drop(name)
        await self.vault.delete_prefix(ssh_prefix(name))
        await self.vault.delete_prefix(app_prefix(name))
        await self.vault.delete(portainer_password(name))
        await self.inventory.remove_server(name)


async def end_cancelled_deletion(
    inventory: Inventory, providers: Providers, params: DeleteServerParams, facts: DeletionFacts
) -> None:
    """Put the status of a server right whose deletion was cancelled.

    It is what it was before, or `lost` if the machine is gone.
    """
    record = inventory.find(params.name)
    if record is None or record.status is not ServerStatus.DELETING:
        return
    status = ServerStatus(facts.status) if facts.status else ServerStatus.LOST
    if params.provider != OWN and record.machine_id is not None:
        provider = providers.configured(params.provider)
        if await provider.machine(record.machine_id) is None:
            status = ServerStatus.LOST
    await inventory.change_server(params.name, status=status)


def server_deletion_result(params: DeleteServerParams, facts: DeletionFacts) -> dict[str, Any]:
    """Return what became of the server, and what is still there."""
    stays = [f"the machine {params.name} and all that is on it"] if params.provider == OWN else []
    return {"server": {"name": params.name}, "left": [*stays, *facts.left]}
