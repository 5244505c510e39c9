"""Which of an order's offers is bought, and the move to where it stands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal

from livchat.errors import Conflict, LivChatError, SoldOut
from livchatd.jobs.step import Run
from livchatd.providers.base import Address
from livchatd.providers.choose import refused
from livchatd.steps.apps.dns_records import repoint
from livchatd.steps.deps import Tools
from livchatd.steps.facts import MachineLearnt
from livchatd.steps.ownership_conflicts import named
from livchatd.steps.params import CreateServerOrder, Offer

Place = Callable[[Run[MachineLearnt], Offer], Awaitable[None]]
"""Places the order for one offer; `SoldOut` if it is refused for want of machines."""


def taken(order: CreateServerOrder, learnt: MachineLearnt) -> Offer:
    """The offer that is bought: the first one, or the fallback that was come to."""
    return order.offers[learnt.taken]


def compared(offer: Offer, first: Offer) -> str:
    """What an offer costs against another, as a person reads it."""
    if offer.price_monthly is None or first.price_monthly is None:
        return "at a price that is not known"
    more = Decimal(offer.price_monthly) - Decimal(first.price_monthly)
    if not more:
        return "at the same price"
    word = "more" if more > 0 else "less"
    return f"{abs(more):.2f} {offer.currency or ''} a month {word}".replace("  ", " ")


async def reserved(
    tools: Tools, order: CreateServerOrder, run: Run[MachineLearnt], region: str
) -> Address:
    """A new address for the server; `Conflict` names who has one of that name."""
    provider, mine = tools.provider(order.provider), tools.home.labels(order.name, run.origin)
    try:
        return await provider.reserve_address(f"livchat-{order.name}", region, mine)
    except Conflict as error:
        # The answer to our own order may have been lost.
        ours = await provider.find_address(mine)
        if ours is None:
            raise await named(tools, order.provider, order.name, error) from error
        return ours


@dataclass(frozen=True)
class Offers:
    """The offers of an order, tried one after the other. What was come to is durable.

    `zone_name` is where records may point at the server already.
    """

    tools: Tools
    order: CreateServerOrder
    zone_name: str | None

    async def buy(self, run: Run[MachineLearnt], place: Place) -> None:
        """Place the order for the first offer that is not refused; `SoldOut` if all are."""
        while True:
            offer = taken(self.order, run.learnt)
            if run.learnt.taken or run.learnt.former:
                await self._move(run, offer)
            try:
                await place(run, offer)
            except SoldOut as error:
                await self._next(run, offer, error)
            else:
                return

    async def _next(self, run: Run[MachineLearnt], offer: Offer, error: SoldOut) -> None:
        """Come to the next offer, durably; `SoldOut` names what else there is if none is left."""
        offers = self.order.offers
        if run.learnt.taken + 1 >= len(offers):
            raise await self._none_left(error) from error
        following = offers[run.learnt.taken + 1]
        run.log(
            f"{offer} cannot be had: {error.message}; {following} is taken instead,"
            f" {compared(following, offers[0])}",
            "warning",
        )
        run.learnt.taken += 1
        await run.save()

    async def _none_left(self, error: SoldOut) -> LivChatError:
        offers = self.order.offers
        try:
            types = await self.tools.provider(self.order.provider).server_types()
        except LivChatError:
            return error
        tried = [(offer.server_type, offer.region) for offer in offers]
        names = ", ".join(f"{server_type} at {region}" for server_type, region in tried)
        return refused(types, tried, f"{names} cannot be had now")

    async def _move(self, run: Run[MachineLearnt], offer: Offer) -> None:
        """See that the address stands where the offer does, and that no name points elsewhere.

        An address is bound to its place: the old one is given back, a new one is reserved.
        """
        name, learnt = self.order.name, run.learnt
        provider = self.tools.provider(self.order.provider)
        mine = self.tools.home.labels(name, run.origin)
        address = await provider.find_address(mine)
        if address is not None and address.region != offer.region:
            # Noted first: whoever goes on after a crash must know which records to put right.
            learnt.former = [*learnt.former, address.ip]
            await run.save()
            await provider.release_address(address.id, mine)
            run.log(f"{address.ip} is given back: it cannot leave {address.region}")
            address = None
        if address is None:
            address = await reserved(self.tools, self.order, run, offer.region)
            run.log(f"{address.ip} is reserved in {offer.region}")
        learnt.address_id, learnt.ip_address = address.id, address.ip
        await run.save()
        await self.tools.inventory.change_server(name, ip_address=address.ip, address_id=address.id)
        if self.zone_name is not None and learnt.former:
            for host in await repoint(
                self.tools, self.order.provider, self.zone_name, name, learnt.former, address.ip
            ):
                run.log(f"{host} points at {address.ip} now")
