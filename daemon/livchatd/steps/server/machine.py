"""The machine of a new server: its keys, its address, its purchase and the wait for its boot."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from functools import partial

from livchat.errors import Conflict, LivChatError, ProviderError, SoldOut
from livchat.messages import (
    CREATE_MACHINE,
    MAKE_KEYS,
    NO_ADDRESSES,
    REGISTER_KEY,
    RESERVE_ADDRESS,
    WAIT_FOR_MACHINE,
)
from livchatd.access import new_key, public_line
from livchatd.integrations.ssh.interfaces import Shells
from livchatd.jobs.step import StepContext
from livchatd.providers.base import Address, Addresses, Machine, MachineOrder, Owner
from livchatd.providers.offer import Offer
from livchatd.steps.facts import MachineFacts
from livchatd.steps.server.inventory_entry import OWN, MachineStep, chosen_offer
from livchatd.steps.server.offers import FallbackOffers
from livchatd.steps.server.ownership_conflicts import name_conflict
from livchatd.steps.server_dns import ServerDns
from livchatd.storage.inventory import Inventory
from livchatd.storage.vault import Vault
from livchatd.storage.vault_keys import ssh_client_key, ssh_host_key, ssh_prefix


@dataclass(frozen=True)
class MakeKeys(MachineStep):
    """Makes both key pairs, keeps the private keys in the vault and pins the host key.

    The undo deletes keys that this job made, unless the machine that has them is still there.
    """

    inventory: Inventory
    vault: Vault
    title = MAKE_KEYS()
    expected_seconds = 0.2

    async def check(self, context: StepContext[MachineFacts]) -> bool:
        record = self.inventory.find(self.params.name)
        if record is None or self.params.provider == OWN:
            return record is not None
        if record.host_key is None:
            return False
        return await self.vault.get(ssh_client_key(self.params.name)) is not None

    async def apply(self, context: StepContext[MachineFacts]) -> None:
        name = self.params.name
        if await self.vault.get(ssh_client_key(name)) is None:
            await context.note_created(f"keys {name}")
        for key in (ssh_client_key(name), ssh_host_key(name)):
            if await self.vault.get(key) is None:
                made = await asyncio.to_thread(new_key)
                await self.vault.get_or_make(key, partial(str, made))
        private = await self.vault.require(ssh_host_key(name))
        public = await asyncio.to_thread(public_line, private.get_secret_value())
        # Pinned before the first connection: not even that one can be answered by another machine.
        await self.inventory.pin_host_key(name, public)

    async def undo(self, context: StepContext[MachineFacts]) -> None:
        name = self.params.name
        if f"keys {name}" not in context.facts.made:
            return
        if await self.provider.find_machine(self.owner(context)) is None:
            await self.vault.delete_prefix(ssh_prefix(name))


@dataclass(frozen=True)
class RegisterKey(MachineStep):
    """Registers our public key at the provider, which puts it on the machine that it makes.

    Raises `Conflict` if the provider has another key of this name.
    """

    inventory: Inventory
    vault: Vault
    title = REGISTER_KEY()
    expected_seconds = 0.5

    async def check(self, context: StepContext[MachineFacts]) -> bool:
        # A machine needs the key only when it is ordered.
        return await self.machine_exists(self.inventory, context)

    async def apply(self, context: StepContext[MachineFacts]) -> None:
        name = self.params.name
        private = await self.vault.require(ssh_client_key(name))
        public = await asyncio.to_thread(public_line, private.get_secret_value())
        try:
            context.facts.key_id = await self.provider.ensure_key(
                f"livchat-{name}", public, self.owner(context)
            )
        except Conflict as error:
            raise await name_conflict(self.provider, self.installation, name, error) from error

    async def undo(self, context: StepContext[MachineFacts]) -> None:
        await self.provider.delete_key(self.owner(context))

    def leftovers(self, context: StepContext[MachineFacts]) -> list[str]:
        return [f"SSH key livchat-{self.params.name} at {self.params.provider}"]


@dataclass(frozen=True)
class AddressStep(MachineStep):
    """A step that may reserve an address.

    `zone_name` is where DNS records may point at the address, if that is known already.
    """

    zone_name: str | None
    inventory: Inventory
    dns: ServerDns

    @property
    def addresses(self) -> Addresses:
        """The provider's addresses; `LivChatError` if it has none to be reserved."""
        addresses = self.provider.addresses
        if addresses is None:
            raise LivChatError(NO_ADDRESSES(provider=self.params.provider))
        return addresses

    async def reserve_address(self, context: StepContext[MachineFacts], region: str) -> Address:
        """Reserve a new address; `Conflict` names the installation that has one of its name."""
        name, owner = self.params.name, self.owner(context)
        try:
            return await self.addresses.reserve_address(f"livchat-{name}", region, owner)
        except Conflict as error:
            # The answer to our own order may have been lost.
            ours = await self.addresses.find_address(owner)
            if ours is None:
                raise await name_conflict(self.provider, self.installation, name, error) from error
            return ours


class ReserveAddress(AddressStep):
    """Reserves the public IPv4 address before the machine is bought, and records it.

    It is skipped where the provider has none to be reserved: the machine comes with one then.
    The undo removes the DNS records that point at it, then releases it.
    """

    title = RESERVE_ADDRESS()
    expected_seconds = 1.0

    async def check(self, context: StepContext[MachineFacts]) -> bool:
        if self.provider.addresses is None:
            return True
        return await self.machine_exists(self.inventory, context)

    async def apply(self, context: StepContext[MachineFacts]) -> None:
        address = await self.addresses.find_address(self.owner(context))
        if address is None:
            region = chosen_offer(self.params, context.facts).region
            address = await self.reserve_address(context, region)
        context.facts.address_id, context.facts.ip_address = address.id, address.ip
        await context.save()
        await self.inventory.change_server(
            self.params.name, ip_address=address.ip, address_id=address.id
        )
        context.log(f"{address.ip} is reserved")

    async def undo(self, context: StepContext[MachineFacts]) -> None:
        name, address = self.params.name, context.facts.ip_address
        if self.zone_name and address:
            # A name that points at an address which somebody else gets next is theirs to use.
            for ip in (*context.facts.former, address):
                await self.dns.remove_of_server(
                    self.params.provider, self.zone_name, name, content=ip
                )
        owner = self.owner(context)
        ours = await self.addresses.find_address(owner)
        if ours is not None:
            await self.addresses.release_address(ours.id, owner)

    def leftovers(self, context: StepContext[MachineFacts]) -> list[str]:
        address = context.facts.ip_address
        return [f"address {address} at {self.params.provider}"] if address else []


@dataclass(frozen=True)
class CreateMachine(AddressStep):
    """Orders the machine: the chosen offer, or the first fallback that is not refused.

    A machine that this job ordered before, whose answer was lost, is adopted. Raises `Conflict`
    for a machine of this name that it did not order, `SoldOut` if every offer is refused.
    """

    vault: Vault
    shells: Shells
    title = CREATE_MACHINE()
    expected_seconds = 2.0

    async def check(self, context: StepContext[MachineFacts]) -> bool:
        return await self.machine_exists(self.inventory, context)

    async def apply(self, context: StepContext[MachineFacts]) -> None:
        found = await self._find(context)
        if found is not None:
            context.log("the machine was ordered before: it is taken over")
            await self._adopt(context, found)
            return
        refusal: SoldOut | None = None
        if not (context.facts.taken or context.facts.former):
            try:
                await self._order(context, self.params)
            except SoldOut as error:
                refusal = error
            else:
                return
        fallback = FallbackOffers(
            self.params, self.zone_name, self.provider, self.owner(context), self.inventory,
            self.dns,
        )  # fmt: skip
        await fallback.buy(context, refusal, self._order, self.reserve_address)

    async def undo(self, context: StepContext[MachineFacts]) -> None:
        facts, owner = context.facts, self.owner(context)
        ours = await self.provider.find_machine(owner)
        if ours is not None:
            await self.provider.delete_machine(ours.id, owner)
        elif facts.machine_id and f"machine {facts.machine_id}" in facts.made:
            await self.provider.delete_machine(facts.machine_id, owner)
        await self.shells.drop(self.params.name)
        facts.taken = 0  # a retry begins with the first choice again

    def leftovers(self, context: StepContext[MachineFacts]) -> list[str]:
        return [f"machine {self.params.name} at {self.params.provider}"]

    async def _find(self, context: StepContext[MachineFacts]) -> Machine | None:
        """Return the machine that this job ordered; `Conflict` for one that it did not."""
        name = self.params.name
        found = await self.provider.find_machine(Owner(self.installation.id, name))
        if found is not None and found.owner != self.owner(context):
            raise Conflict(
                f"{self.params.provider} has a machine for a server '{name}' that is not known"
                " here",
                hint="choose another name, or delete the machine at the provider",
                details={"machine_id": found.id},
            )
        return found

    async def _order(self, context: StepContext[MachineFacts], offer: Offer) -> None:
        name, facts = self.params.name, context.facts
        reserved = facts.address_id is not None or self.provider.addresses is None
        if not reserved or facts.key_id is None:
            raise LivChatError("a machine was to be ordered before its address and key were there")
        order = MachineOrder(
            name=name,
            server_type=offer.server_type,
            region=offer.region,
            image=offer.image,
            address_id=facts.address_id,
            ssh_key_id=facts.key_id,
            user_data=await self._user_data(),
            owner=self.owner(context),
        )
        try:
            ordered = await self.provider.order_machine(order)
        except (Conflict, ProviderError) as error:
            # The answer to our own order may have been lost: then its name is taken, or its
            # address assigned, whichever the provider looks at first.
            found = await self._find(context)
            if found is None and isinstance(error, Conflict):
                raise await name_conflict(self.provider, self.installation, name, error) from error
            if found is None:
                raise
            await self._adopt(context, found)
            return
        facts.machine_id, facts.actions = ordered.machine_id, list(ordered.actions)
        await context.note_created(f"machine {ordered.machine_id}")

    async def _user_data(self) -> str:
        name, vault = self.params.name, self.vault
        host = (await vault.require(ssh_host_key(name))).get_secret_value()
        client = (await vault.require(ssh_client_key(name))).get_secret_value()
        host_public = await asyncio.to_thread(public_line, host)
        return user_data(name, host, host_public, await asyncio.to_thread(public_line, client))

    async def _adopt(self, context: StepContext[MachineFacts], machine: Machine) -> None:
        if context.facts.machine_id != machine.id:
            context.facts.machine_id, context.facts.actions = machine.id, []
            await context.note_created(f"machine {machine.id}")


@dataclass(frozen=True)
class WaitForMachine(MachineStep):
    """Waits until the provider has done what was ordered and the machine runs.

    The address of a machine that comes with its own is recorded.
    Raises `ProviderError` if it says that it could not, if the machine is gone, and if it does not
    run in time.
    """

    inventory: Inventory
    title = WAIT_FOR_MACHINE()
    expected_seconds = 20.0
    deadline = 1_000.0
    within = 600.0

    async def apply(self, context: StepContext[MachineFacts]) -> None:
        if self.params.provider == OWN:
            return  # there is no provider to be asked: SSH will tell whether it runs
        status = "not there yet"
        async for _ in context.poll(self.within):
            if not await self._order_done(context):
                continue
            machine = await self._machine(context)
            status = machine.status
            if status == "running":
                context.facts.ip_address = machine.ip_address or context.facts.ip_address
                context.facts.ipv6_address = machine.ipv6_address
                if self.provider.addresses is None:
                    await self.inventory.change_server(
                        self.params.name, ip_address=machine.ip_address
                    )
                return
        raise ProviderError(
            f"the machine does not run after {self.within:g} s: it is {status}",
            hint=f"look at it in the console of {self.params.provider}",
        )

    async def _order_done(self, context: StepContext[MachineFacts]) -> bool:
        """Whether the provider has done what was ordered; it may yet say that it could not."""
        if not context.facts.actions:
            return True
        state = await self.provider.action_state(tuple(context.facts.actions))
        if state.error:
            raise ProviderError(
                f"{self.params.provider} took the order and then did not make the machine:"
                f" {state.error}",
                hint="try again, or choose another region or type: livchat provider types",
            )
        context.progress(state.progress, 100, "percent")
        return state.done

    async def _machine(self, context: StepContext[MachineFacts]) -> Machine:
        machine_id = context.facts.machine_id
        # By label first: jobs that look at the same time share that call.
        machine = await self.provider.find_machine(self.owner(context))
        if machine is None or machine.id != machine_id:
            machine = await self.provider.machine(machine_id) if machine_id else None
        if machine is None:
            raise ProviderError(
                f"the machine of '{self.params.name}' is gone",
                hint=f"livchat server delete {self.params.name}",
            )
        return machine


def user_data(name: str, host_private: str, host_public: str, client_public: str) -> str:
    """Return the cloud-config of a machine, as JSON, which is YAML too.

    The host key comes with it, so that the machine is known from the first connection on.
    """
    config = {
        "hostname": name,
        "preserve_hostname": False,
        "timezone": "UTC",
        "disable_root": False,
        "ssh_pwauth": False,
        "ssh_deletekeys": True,
        "ssh_genkeytypes": ["ed25519"],
        "ssh_keys": {"ed25519_private": host_private, "ed25519_public": host_public},
        "ssh_authorized_keys": [client_public],
        "package_update": False,
        "package_upgrade": False,
    }
    return "#cloud-config\n" + json.dumps(config, indent=1) + "\n"
