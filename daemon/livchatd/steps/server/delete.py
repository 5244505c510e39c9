"""Deleting a server with all that was made for it, in the order in which nothing is left behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from livchat.errors import NotConfigured, NotFound, ProviderError
from livchat.wire.servers import ServerStatus
from livchatd.jobs.step import Run, Step
from livchatd.steps.apps.dns_records import remove_records
from livchatd.steps.deps import Tools
from livchatd.steps.facts import RemovalLearnt
from livchatd.steps.params import DeleteServerOrder


@dataclass(frozen=True, kw_only=True)
class FarewellStep(Step[RemovalLearnt]):
    """A step of the deletion of a server. Each is happy with what is gone already.

    `takes` is what it cannot give back, once it has begun.
    """

    takes: ClassVar[str] = ""
    tools: Tools
    order: DeleteServerOrder

    @property
    def labels(self) -> dict[str, str]:
        """What is deleted carries these: it was made by this installation, for this server."""
        return self.tools.home.labels(self.order.name)

    def leaves(self, run: Run[RemovalLearnt]) -> list[str]:
        if not self.takes or self.tools.inventory.find(self.order.name) is None:
            # Forgotten is only what is gone: a cancel that came too late leaves nothing.
            return []
        return [f"{self.order.name}, maybe without its {self.takes}"]


class MarkServer(FarewellStep):
    usually: ClassVar[float] = 0.05

    @property
    def title(self) -> str:
        return "Mark the server as going"

    async def apply(self, run: Run[RemovalLearnt]) -> None:
        record = self.tools.inventory.find(self.order.name)
        if record is not None and record.status is not ServerStatus.DELETING:
            run.learnt.status = record.status.value
            await run.save()
            await self.tools.inventory.change_server(
                self.order.name, status=ServerStatus.DELETING.value
            )

    async def undo(self, run: Run[RemovalLearnt]) -> None:
        await settle_deletion(self.tools, self.order, run.learnt)


class RemoveServerNames(FarewellStep):
    takes: ClassVar[str] = "names"
    usually: ClassVar[float] = 1.0

    @property
    def title(self) -> str:
        return "Remove the names of the server"

    async def apply(self, run: Run[RemovalLearnt]) -> None:
        record = self.tools.inventory.find(self.order.name)
        if record is None or record.zone_name is None:
            return
        try:
            gone = await remove_records(
                self.tools,
                self.order.provider,
                record.zone_name,
                self.tools.home.owner_of_all(self.order.name),
            )
        except (NotConfigured, NotFound) as error:
            # A machine that costs money must go even where its names can no longer be changed.
            run.log(f"the names are left: {error.message}", "warning")
            run.learnt.left = [f"records of {self.order.name} in {record.zone_name}"]
            return
        for name in gone:
            run.log(f"{name} is gone")

    def leaves(self, run: Run[RemovalLearnt]) -> list[str]:
        record = self.tools.inventory.find(self.order.name)
        return super().leaves(run) if record and record.zone_name else []


class DeleteMachine(FarewellStep):
    takes: ClassVar[str] = "machine"
    usually: ClassVar[float] = 5.0

    @property
    def title(self) -> str:
        return "Delete the machine"

    async def apply(self, run: Run[RemovalLearnt]) -> None:
        machine_id = await self._machine_id()
        if machine_id is None:
            run.log("the machine is gone already")
        else:
            await self.tools.provider(self.order.provider).delete_machine(machine_id, self.labels)
        await self.tools.shells.drop(self.order.name)

    async def verify(self, run: Run[RemovalLearnt]) -> None:
        if await self._machine_id() is not None:
            raise ProviderError("the machine was deleted, but it is still there")

    async def halt(self, run: Run[RemovalLearnt]) -> None:
        provider, machine_id = self.tools.provider(self.order.provider), await self._machine_id()
        machine = await provider.machine(machine_id) if machine_id else None
        if machine is not None and machine.status == "deleting":
            # The provider goes on with what it was asked for: see it through.
            await provider.delete_machine(machine.id, self.labels)

    async def _machine_id(self) -> str | None:
        """The machine that the inventory knows; before it knew one, the one with our labels."""
        provider = self.tools.provider(self.order.provider)
        record = self.tools.inventory.find(self.order.name)
        if record is not None and record.machine_id is not None:
            found = await provider.machine(record.machine_id)
        else:
            found = await provider.find_machine(self.labels)
        return found.id if found else None


class ReleaseAddress(FarewellStep):
    takes: ClassVar[str] = "address"
    usually: ClassVar[float] = 1.0

    @property
    def title(self) -> str:
        return "Release the address"

    async def apply(self, run: Run[RemovalLearnt]) -> None:
        provider = self.tools.provider(self.order.provider)
        record = self.tools.inventory.find(self.order.name)
        if record is not None and record.address_id is not None:
            await provider.release_address(record.address_id, self.labels)
            return
        found = await provider.find_address(self.labels)
        if found is not None:
            await provider.release_address(found.id, self.labels)


class DeleteKey(FarewellStep):
    usually: ClassVar[float] = 0.5

    @property
    def title(self) -> str:
        return "Delete the SSH key"

    async def apply(self, run: Run[RemovalLearnt]) -> None:
        await self.tools.provider(self.order.provider).delete_key(self.labels)


class ForgetServer(FarewellStep):
    final: ClassVar[bool] = True
    usually: ClassVar[float] = 0.1

    @property
    def title(self) -> str:
        return "Forget the server"

    async def apply(self, run: Run[RemovalLearnt]) -> None:
        name, vault = self.order.name, self.tools.vault
        await self.tools.shells.drop(name)
        await vault.delete_prefix(f"ssh/{name}/")
        await vault.delete_prefix(f"app/{name}/")
        await vault.delete(f"portainer/{name}")
        await self.tools.inventory.remove_server(name)


async def settle_deletion(tools: Tools, order: DeleteServerOrder, learnt: RemovalLearnt) -> None:
    """After a deletion that was stopped: what it was before, or `lost` if the machine is gone."""
    record = tools.inventory.find(order.name)
    if record is None or record.status is not ServerStatus.DELETING:
        return
    status = learnt.status or ServerStatus.LOST.value
    if order.provider != "own" and record.machine_id is not None:
        there = await tools.provider(order.provider).machine(record.machine_id)
        status = status if there else ServerStatus.LOST.value
    await tools.inventory.change_server(order.name, status=status)
