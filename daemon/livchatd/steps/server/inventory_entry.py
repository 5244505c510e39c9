"""A server in the inventory: its name taken, the server reached, and what is known written down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from livchat.errors import LivChatError, ProviderError, ProviderUnavailable, TimedOut
from livchat.wire.servers import ServerStatus
from livchatd.jobs.step import Run, Step
from livchatd.steps.deps import Tools
from livchatd.steps.facts import MachineLearnt
from livchatd.steps.params import CreateServerOrder
from livchatd.steps.server.existing import OWN, standing
from livchatd.steps.server.offers import taken
from livchatd.storage.database import now
from livchatd.storage.inventory import ServerRecord


@dataclass(frozen=True, kw_only=True)
class ReserveName(Step[MachineLearnt]):
    tools: Tools
    order: CreateServerOrder
    usually: ClassVar[float] = 0.05

    @property
    def title(self) -> str:
        return "Reserve the name"

    async def check(self, run: Run[MachineLearnt]) -> bool:
        # A server that is still being made is this job's own: one job at a time works on it.
        record = self.tools.inventory.find(self.order.name)
        return record is not None and record.status is not ServerStatus.CREATING

    async def apply(self, run: Run[MachineLearnt]) -> None:
        order = self.order
        await self.tools.inventory.add_server(
            ServerRecord(
                name=order.name,
                provider=order.provider,
                status=ServerStatus.CREATING,
                created_at=now(),
                server_type=order.server_type,
                region=order.region,
                image=order.image,
                price_monthly=order.price_monthly,
                currency=order.currency,
            )
        )

    async def undo(self, run: Run[MachineLearnt]) -> None:
        name, provider = self.order.name, self.tools.provider(self.order.provider)
        bought = self.tools.home.labels(name, run.origin)
        machine = await provider.find_machine(bought)
        if machine is not None or await provider.find_address(bought) is not None:
            # It could not be given back and costs money: it must not be forgotten.
            await self.tools.inventory.change_server(name, status=ServerStatus.LOST.value)
            raise ProviderError(
                f"{'the machine' if machine else 'an address'} of '{name}' is still there",
                hint=f"livchat server delete {name}",
            )
        await self.tools.vault.delete_prefix(f"app/{name}/")
        await self.tools.vault.delete(f"portainer/{name}")
        await self.tools.inventory.remove_server(name)


@dataclass(frozen=True, kw_only=True)
class AwaitSsh(Step[MachineLearnt]):
    tools: Tools
    order: CreateServerOrder
    usually: ClassVar[float] = 15.0
    deadline: ClassVar[float] = 600.0
    within: ClassVar[float] = 300.0
    patience: ClassVar[float] = 60.0
    """Seconds for which a refused login is taken for a machine that has not read its keys yet."""

    @property
    def title(self) -> str:
        return "Wait for SSH"

    async def apply(self, run: Run[MachineLearnt]) -> None:
        last: LivChatError | None = None
        async for since in self.tools.looks(self.within):
            try:
                shell = await self.tools.shell(self.order.name)
                await shell.run("true", timeout=20)
            except (ProviderUnavailable, TimedOut) as error:
                last = _told(run, error, last)
            except ProviderError as error:
                if type(error) is not ProviderError or since > self.patience:
                    raise
                last = _told(run, error, last)
            else:
                return
        reason = f": {last.message}" if last else ""
        raise ProviderError(
            f"'{self.order.name}' does not let us in by SSH after {self.within:g} s{reason}",
            hint=last.hint if last else None,
        )


@dataclass(frozen=True, kw_only=True)
class RecordServer(Step[MachineLearnt]):
    tools: Tools
    order: CreateServerOrder
    usually: ClassVar[float] = 0.05

    @property
    def title(self) -> str:
        return "Record the server"

    async def check(self, run: Run[MachineLearnt]) -> bool:
        record = self.tools.inventory.server(self.order.name)
        if record.status in {ServerStatus.CREATING, ServerStatus.LOST}:
            return False
        return self.order.provider == OWN or await standing(self.tools, self.order, run)

    async def apply(self, run: Run[MachineLearnt]) -> None:
        order, learnt = self.order, run.learnt
        changes = {
            "status": ServerStatus.RUNNING.value,
            "ip_address": learnt.ip_address,
            "ipv6_address": learnt.ipv6_address,
        }
        if order.provider != OWN:
            bought = taken(order, learnt)
            changes |= {
                "machine_id": learnt.machine_id,
                "address_id": learnt.address_id,
                "server_type": bought.server_type,
                "region": bought.region,
                "image": bought.image,
                "price_monthly": bought.price_monthly,
                "currency": bought.currency,
            }
        await self.tools.inventory.change_server(order.name, **changes)


async def settle_creation(tools: Tools, order: CreateServerOrder, learnt: MachineLearnt) -> None:
    """After a creation that came to nothing: the name is free, or `lost` if anything is left."""
    record = tools.inventory.find(order.name)
    if record is None or record.status is not ServerStatus.CREATING:
        return
    if not (learnt.made or learnt.address_id or learnt.key_id or learnt.machine_id):
        await tools.inventory.remove_server(order.name)
    else:
        await tools.inventory.change_server(order.name, status=ServerStatus.LOST.value)


def _told(
    run: Run[MachineLearnt], error: LivChatError, before: LivChatError | None
) -> LivChatError:
    """Say why there is no SSH yet, once for each reason."""
    if before is None or before.message != error.message:
        run.log(f"not yet: {error.message}", "debug")
    return error
