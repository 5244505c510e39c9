"""A new server in the inventory: its name reserved, SSH waited for, what was bought recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from livchat.errors import LivChatError, ProviderError, ProviderUnavailable, TimedOut
from livchat.messages import RECORD_SERVER, RESERVE_NAME, WAIT_FOR_SSH
from livchat.wire.servers import ServerStatus
from livchatd.installation import Installation
from livchatd.integrations.ssh.interfaces import Shells
from livchatd.jobs.step import Step, StepContext
from livchatd.providers.base import Owner, Provider
from livchatd.providers.offer import Offer
from livchatd.steps.deps import Providers
from livchatd.steps.facts import MachineFacts
from livchatd.steps.params import CreateServerParams
from livchatd.storage.database import now
from livchatd.storage.inventory import Inventory, ServerChanges, ServerRecord
from livchatd.storage.vault import Vault
from livchatd.storage.vault_keys import app_prefix, portainer_password

OWN = "own"
"""The provider of machines that were there before us: nothing is bought and nothing deleted."""
_TOLD = {"server_type", "region", "image", "price_monthly", "currency"}
"""What a job's result says of the offer that was bought."""


@dataclass(frozen=True)
class MachineStep(Step[MachineFacts]):
    """A step on the way to the machine behind a new server, which a provider sells."""

    params: CreateServerParams
    providers: Providers
    installation: Installation

    @property
    def provider(self) -> Provider:
        """The provider; `NotConfigured` if its token is not known."""
        return self.providers.configured(self.params.provider)

    def owner(self, context: StepContext[MachineFacts]) -> Owner:
        """Return the owner of what this job, or the one that it retries, buys for the server."""
        return Owner(self.installation.id, self.params.name, context.root_job_id)

    async def machine_exists(
        self, inventory: Inventory, context: StepContext[MachineFacts]
    ) -> bool:
        """Whether inventory and provider both know the machine; its addresses become facts."""
        name, facts = self.params.name, context.facts
        record = inventory.find(name)
        if record is None or (self.params.provider != OWN and record.machine_id is None):
            return False
        facts.ip_address, facts.ipv6_address = record.ip_address, record.ipv6_address
        if self.params.provider == OWN:
            return True
        machine = await self.provider.find_machine(Owner(self.installation.id, name))
        if machine is None or machine.id != record.machine_id:
            return False
        facts.machine_id, facts.address_id = record.machine_id, record.address_id
        return True


@dataclass(frozen=True)
class ReserveName(MachineStep):
    """Puts the server into the inventory, where its name is taken from then on.

    The undo frees the name. It raises `ProviderError`, and the server becomes `lost`, where
    something that this job bought is still at the provider: it costs money and is not forgotten.
    """

    inventory: Inventory
    vault: Vault
    title = RESERVE_NAME()
    expected_seconds = 0.05

    async def check(self, context: StepContext[MachineFacts]) -> bool:
        # A server that is still being created is this job's own: one job at a time works on it.
        record = self.inventory.find(self.params.name)
        return record is not None and record.status is not ServerStatus.CREATING

    async def apply(self, context: StepContext[MachineFacts]) -> None:
        params = self.params
        record = ServerRecord(
            name=params.name,
            provider=params.provider,
            status=ServerStatus.CREATING,
            created_at=now(),
            server_type=params.server_type,
            region=params.region,
            image=params.image,
            price_monthly=params.price_monthly,
            currency=params.currency,
        )
        await self.inventory.add_server(record)

    async def undo(self, context: StepContext[MachineFacts]) -> None:
        name, owner, addresses = self.params.name, self.owner(context), self.provider.addresses
        machine = await self.provider.find_machine(owner)
        address = await addresses.find_address(owner) if addresses is not None else None
        if machine is not None or address is not None:
            await self.inventory.change_server(name, status=ServerStatus.LOST)
            raise ProviderError(
                f"{'the machine' if machine else 'an address'} of '{name}' is still there",
                hint=f"livchat server delete {name}",
            )
        await self.vault.delete_prefix(app_prefix(name))
        await self.vault.delete(portainer_password(name))
        await self.inventory.remove_server(name)


@dataclass(frozen=True)
class WaitForSsh(Step[MachineFacts]):
    """Waits until a command runs on the server over SSH; `ProviderError` if none does in time."""

    server: str
    shells: Shells
    title = WAIT_FOR_SSH()
    expected_seconds = 15.0
    deadline = 600.0
    within = 300.0
    login_grace = 60.0
    """Seconds for which a refused login is taken for a machine that has not read its keys yet."""

    async def apply(self, context: StepContext[MachineFacts]) -> None:
        last: LivChatError | None = None
        async for elapsed in context.poll(self.within):
            try:
                shell = await self.shells.on(self.server)
                await shell.run("true", timeout=20)
            except (ProviderUnavailable, TimedOut) as error:
                last = _log_reason(context, error, last)
            except ProviderError as error:
                if type(error) is not ProviderError or elapsed > self.login_grace:
                    raise
                last = _log_reason(context, error, last)
            else:
                return
        reason = f": {last.message}" if last else ""
        raise ProviderError(
            f"'{self.server}' does not let us in by SSH after {self.within:g} s{reason}",
            hint=last.hint if last else None,
        )


@dataclass(frozen=True)
class RecordServer(MachineStep):
    """Records in the inventory that the server runs, and which machine and address it has."""

    inventory: Inventory
    title = RECORD_SERVER()
    expected_seconds = 0.05

    async def check(self, context: StepContext[MachineFacts]) -> bool:
        record = self.inventory.server(self.params.name)
        if record.status in {ServerStatus.CREATING, ServerStatus.LOST}:
            return False
        return self.params.provider == OWN or await self.machine_exists(self.inventory, context)

    async def apply(self, context: StepContext[MachineFacts]) -> None:
        facts = context.facts
        changes = ServerChanges(
            status=ServerStatus.RUNNING,
            ip_address=facts.ip_address,
            ipv6_address=facts.ipv6_address,
        )
        if self.params.provider != OWN:
            bought = chosen_offer(self.params, facts)
            changes |= ServerChanges(
                machine_id=facts.machine_id,
                address_id=facts.address_id,
                server_type=bought.server_type,
                region=bought.region,
                image=bought.image,
                price_monthly=bought.price_monthly,
                currency=bought.currency,
            )
        await self.inventory.change_server(self.params.name, **changes)


def chosen_offer(params: CreateServerParams, facts: MachineFacts) -> Offer:
    """Return the offer that is bought: the first one, or the fallback that was come to."""
    return params if facts.taken == 0 else params.fallback[facts.taken - 1]


async def end_failed_creation(
    inventory: Inventory, params: CreateServerParams, facts: MachineFacts
) -> None:
    """Put the inventory right after a creation that did not complete.

    The name becomes free, or the server `lost` if something was bought or created for it.
    """
    record = inventory.find(params.name)
    if record is None or record.status is not ServerStatus.CREATING:
        return
    if not (facts.made or facts.address_id or facts.key_id or facts.machine_id):
        await inventory.remove_server(params.name)
    else:
        await inventory.change_server(params.name, status=ServerStatus.LOST)


def creation_result(params: CreateServerParams, facts: MachineFacts) -> dict[str, Any]:
    """Return the server as a job's result has it; `instead_of` are offers that were refused."""
    bought = chosen_offer(params, facts).model_dump(include=_TOLD)
    refused = [params, *params.fallback][: facts.taken]
    return {
        **{key: value or None for key, value in bought.items()},
        "instead_of": [str(offer) for offer in [*params.sold_out, *refused]],
        "name": params.name,
        "provider": params.provider,
        "ip_address": facts.ip_address,
        "ipv6_address": facts.ipv6_address,
    }


def _log_reason(
    context: StepContext[MachineFacts], error: LivChatError, last: LivChatError | None
) -> LivChatError:
    """Log why there is no SSH yet, once for each reason; return the error."""
    if last is None or last.message != error.message:
        context.log(f"not yet: {error.message}", "debug")
    return error
