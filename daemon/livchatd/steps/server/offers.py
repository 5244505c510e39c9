"""The fallback offers of a purchase: tried after a refusal, the address moved to their region."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal

from livchat.errors import LivChatError, SoldOut
from livchatd.jobs.step import StepContext
from livchatd.providers.base import Address, Owner, Provider
from livchatd.providers.choose import all_refused
from livchatd.providers.offer import Offer
from livchatd.steps.facts import MachineFacts
from livchatd.steps.params import CreateServerParams
from livchatd.steps.server.inventory_entry import chosen_offer
from livchatd.steps.server_dns import ServerDns
from livchatd.storage.inventory import Inventory

OrderOffer = Callable[[StepContext[MachineFacts], Offer], Awaitable[None]]
"""Orders the machine of one offer; `SoldOut` if it is refused for want of machines."""
ReserveInRegion = Callable[[StepContext[MachineFacts], str], Awaitable[Address]]
"""Reserves a new address in a region."""


@dataclass(frozen=True)
class FallbackOffers:
    """The offers of a purchase after a refusal. Which one was come to is durable.

    `owner` is that of what this job buys; `zone_name` is where DNS records may point at the
    server already, if that is known.
    """

    params: CreateServerParams
    zone_name: str | None
    provider: Provider
    owner: Owner
    inventory: Inventory
    dns: ServerDns

    async def buy(
        self,
        context: StepContext[MachineFacts],
        refusal: SoldOut | None,
        order_machine: OrderOffer,
        reserve_address: ReserveInRegion,
    ) -> None:
        """Order the first offer that is not refused; `SoldOut` if all are.

        `refusal` is that of the offer before; None goes on with the one that was come to.
        """
        while True:
            if refusal is not None:
                await self._go_to_next(context, refusal)
            offer = chosen_offer(self.params, context.facts)
            await self._move(context, offer, reserve_address)
            try:
                await order_machine(context, offer)
            except SoldOut as error:
                refusal = error
            else:
                return

    async def _go_to_next(self, context: StepContext[MachineFacts], refusal: SoldOut) -> None:
        """Come to the next offer, durably; `SoldOut` names what else there is if none is left."""
        facts = context.facts
        if facts.taken >= len(self.params.fallback):
            raise await self._none_left(refusal) from refusal
        refused, following = chosen_offer(self.params, facts), self.params.fallback[facts.taken]
        context.log(
            f"{refused} cannot be had: {refusal.message}; {following} is taken instead,"
            f" {price_difference(following, self.params)}",
            "warning",
        )
        facts.taken += 1
        await context.save()

    async def _none_left(self, refusal: SoldOut) -> LivChatError:
        try:
            types = await self.provider.server_types()
        except LivChatError:
            return refusal
        offers: list[Offer] = [self.params, *self.params.fallback]
        names = ", ".join(f"{offer.server_type} at {offer.region}" for offer in offers)
        return all_refused(types, offers, f"{names} cannot be had now")

    async def _move(
        self, context: StepContext[MachineFacts], offer: Offer, reserve_address: ReserveInRegion
    ) -> None:
        """See that the address is in the offer's region, and that every record points at it.

        An address is bound to its region: the old one is released, a new one is reserved. A
        provider that reserves none gives the machine an address of its own.
        """
        name, facts, addresses = self.params.name, context.facts, self.provider.addresses
        if addresses is None:
            return
        address = await addresses.find_address(self.owner)
        if address is not None and address.region != offer.region:
            # Noted first: after a crash it must be known which records to point elsewhere.
            facts.former = [*facts.former, address.ip]
            await context.save()
            await addresses.release_address(address.id, self.owner)
            context.log(f"{address.ip} is given back: it cannot leave {address.region}")
            address = None
        if address is None:
            address = await reserve_address(context, offer.region)
            context.log(f"{address.ip} is reserved in {offer.region}")
        facts.address_id, facts.ip_address = address.id, address.ip
        await context.save()
        await self.inventory.change_server(name, ip_address=address.ip, address_id=address.id)
        if self.zone_name is not None and facts.former:
            for host in await self.dns.repoint(
                self.params.provider, self.zone_name, name, facts.former, address.ip
            ):
                context.log(f"{host} points at {address.ip} now")


def price_difference(offer: Offer, first: Offer) -> str:
    """Return what an offer costs against another, as a person reads it."""
    if offer.price_monthly is None or first.price_monthly is None:
        return "at a price that is not known"
    more = Decimal(offer.price_monthly) - Decimal(first.price_monthly)
    if not more:
        return "at the same price"
    word = "more" if more > 0 else "less"
    return f"{abs(more):.2f} {offer.currency or ''} a month {word}".replace("  ", " ")
