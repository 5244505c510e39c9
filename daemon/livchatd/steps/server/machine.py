"""The machine behind a server: its address, the order, and the wait until it runs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import ClassVar

from livchat.errors import Conflict, LivChatError, ProviderError
from livchatd.jobs.step import Run, Step
from livchatd.providers.base import Address, Machine, MachineOrder
from livchatd.steps.apps.dns_records import remove_records
from livchatd.steps.deps import Tools
from livchatd.steps.facts import MachineLearnt
from livchatd.steps.ownership_conflicts import named
from livchatd.steps.params import CreateServerOrder, Offer
from livchatd.steps.server.cloud_init import user_data
from livchatd.steps.server.existing import OWN, standing
from livchatd.steps.server.offers import Offers, reserved, taken
from livchatd.storage.key_pairs import public_line
from livchatd.storage.vault_keys import client_key, host_key


@dataclass(frozen=True, kw_only=True)
class ReserveAddress(Step[MachineLearnt]):
    """`zone_name` is where records may point at the address: they go before it is given back."""

    tools: Tools
    order: CreateServerOrder
    zone_name: str | None = None
    usually: ClassVar[float] = 1.0

    @property
    def title(self) -> str:
        return "Reserve an address"

    async def check(self, run: Run[MachineLearnt]) -> bool:
        return await standing(self.tools, self.order, run)

    async def apply(self, run: Run[MachineLearnt]) -> None:
        name = self.order.name
        address = await self._ours(run)
        if address is None:
            place = taken(self.order, run.learnt).region
            address = await reserved(self.tools, self.order, run, place)
        run.learnt.address_id, run.learnt.ip_address = address.id, address.ip
        await run.save()
        await self.tools.inventory.change_server(name, ip_address=address.ip, address_id=address.id)
        run.log(f"{address.ip} is reserved")

    async def undo(self, run: Run[MachineLearnt]) -> None:
        name, address = self.order.name, run.learnt.ip_address
        if self.zone_name and address:
            # A name that points at an address which somebody else gets next is theirs to use.
            whose, zone = self.tools.home.owner_of_all(name), self.zone_name
            for ip in (*run.learnt.former, address):
                await remove_records(self.tools, self.order.provider, zone, whose, content=ip)
        ours = await self._ours(run)
        if ours is not None:
            bought = self.tools.home.labels(name, run.origin)
            await self.tools.provider(self.order.provider).release_address(ours.id, bought)

    def leaves(self, run: Run[MachineLearnt]) -> list[str]:
        address = run.learnt.ip_address
        return [f"address {address} at {self.order.provider}"] if address else []

    async def _ours(self, run: Run[MachineLearnt]) -> Address | None:
        provider = self.tools.provider(self.order.provider)
        return await provider.find_address(self.tools.home.labels(self.order.name, run.origin))


@dataclass(frozen=True, kw_only=True)
class CreateMachine(Step[MachineLearnt]):
    """The first of the order's offers whose order is not refused; `zone_name` as above."""

    tools: Tools
    order: CreateServerOrder
    zone_name: str | None = None
    usually: ClassVar[float] = 2.0

    @property
    def title(self) -> str:
        return "Create the machine"

    async def check(self, run: Run[MachineLearnt]) -> bool:
        return await standing(self.tools, self.order, run)

    async def apply(self, run: Run[MachineLearnt]) -> None:
        found = await self._find(run)
        if found is not None:
            run.log("the machine was ordered before: it is taken over")
            await self._adopt(run, found)
            return
        await Offers(self.tools, self.order, self.zone_name).buy(run, self._order)

    async def undo(self, run: Run[MachineLearnt]) -> None:
        provider = self.tools.provider(self.order.provider)
        bought = self.tools.home.labels(self.order.name, run.origin)
        ours = await provider.find_machine(bought)
        if ours is not None:
            await provider.delete_machine(ours.id, bought)
        elif f"machine {run.learnt.machine_id}" in run.learnt.made and run.learnt.machine_id:
            await provider.delete_machine(run.learnt.machine_id, bought)
        await self.tools.shells.drop(self.order.name)
        run.learnt.taken = 0  # a retry begins with the first choice again

    def leaves(self, run: Run[MachineLearnt]) -> list[str]:
        return [f"machine {self.order.name} at {self.order.provider}"]

    async def _find(self, run: Run[MachineLearnt]) -> Machine | None:
        """The machine that this job ordered; `Conflict` if one stands there that it did not."""
        name = self.order.name
        found = await self.tools.provider(self.order.provider).find_machine(
            self.tools.home.labels(name)
        )
        if found is not None and found.labels.get("livchat.job") != run.origin:
            raise Conflict(
                f"{self.order.provider} has a machine for a server '{name}' that is not known here",
                hint="choose another name, or delete the machine at the provider",
                details={"machine_id": found.id},
            )
        return found

    async def _order(self, run: Run[MachineLearnt], offer: Offer) -> None:
        name, learnt = self.order.name, run.learnt
        if learnt.address_id is None or learnt.key_id is None:
            raise LivChatError("a machine was to be ordered before its address and key were there")
        order = MachineOrder(
            name=name,
            server_type=offer.server_type,
            region=offer.region,
            image=offer.image,
            address_id=learnt.address_id,
            ssh_key_id=learnt.key_id,
            user_data=await self._user_data(),
            labels=self.tools.home.labels(name, run.origin),
        )
        try:
            ordered = await self.tools.provider(self.order.provider).order(order)
        except (Conflict, ProviderError) as refused:
            # The answer to our own order may have been lost: then its name is taken, or its
            # address assigned, whichever is looked at first there.
            found = await self._find(run)
            if found is None and isinstance(refused, Conflict):
                raise await named(self.tools, self.order.provider, name, refused) from refused
            if found is None:
                raise
            await self._adopt(run, found)
            return
        learnt.machine_id, learnt.actions = ordered.machine_id, list(ordered.actions)
        learnt.made = [*learnt.made, f"machine {ordered.machine_id}"]
        await run.save()

    async def _user_data(self) -> str:
        name, vault = self.order.name, self.tools.vault
        host = (await vault.require(host_key(name))).get_secret_value()
        client = (await vault.require(client_key(name))).get_secret_value()
        host_public = await asyncio.to_thread(public_line, host)
        return user_data(name, host, host_public, await asyncio.to_thread(public_line, client))

    async def _adopt(self, run: Run[MachineLearnt], machine: Machine) -> None:
        if run.learnt.machine_id != machine.id:
            run.learnt.machine_id, run.learnt.actions = machine.id, []
            run.learnt.made = [*run.learnt.made, f"machine {machine.id}"]
            await run.save()


@dataclass(frozen=True, kw_only=True)
class AwaitMachine(Step[MachineLearnt]):
    tools: Tools
    order: CreateServerOrder
    usually: ClassVar[float] = 20.0
    deadline: ClassVar[float] = 1_000.0
    within: ClassVar[float] = 600.0

    @property
    def title(self) -> str:
        return "Wait for the machine"

    async def apply(self, run: Run[MachineLearnt]) -> None:
        if self.order.provider == OWN:
            return  # nobody to ask: whether it runs, SSH will say
        status = "not there yet"
        async for _ in self.tools.looks(self.within):
            if not await self._acted(run):
                continue
            machine = await self._machine(run)
            status = machine.status
            if status == "running":
                run.learnt.ip_address = machine.ip_address or run.learnt.ip_address
                run.learnt.ipv6_address = machine.ipv6_address
                return
        raise ProviderError(
            f"the machine does not run after {self.within:g} s: it is {status}",
            hint=f"look at it in the console of {self.order.provider}",
        )

    async def _acted(self, run: Run[MachineLearnt]) -> bool:
        """Whether the provider has done what was ordered; it may yet say that it could not."""
        if not run.learnt.actions:
            return True
        provider = self.tools.provider(self.order.provider)
        state = await provider.actions(tuple(run.learnt.actions))
        if state.error:
            raise ProviderError(
                f"{self.order.provider} took the order and then did not make the machine:"
                f" {state.error}",
                hint="try again, or choose another region or type: livchat provider types",
            )
        run.progress(state.progress, 100, "percent")
        return state.done

    async def _machine(self, run: Run[MachineLearnt]) -> Machine:
        provider = self.tools.provider(self.order.provider)
        machine_id = run.learnt.machine_id
        # By label first: jobs that look at the same time share that call.
        machine = await provider.find_machine(self.tools.home.labels(self.order.name, run.origin))
        if machine is None or machine.id != machine_id:
            machine = await provider.machine(machine_id) if machine_id else None
        if machine is None:
            raise ProviderError(
                f"the machine of '{self.order.name}' is gone",
                hint=f"livchat server delete {self.order.name}",
            )
        return machine
