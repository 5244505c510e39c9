"""A server bought at a price: the offer that is chosen, and the question about its price."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

from livchat.client.client import Client
from livchat.errors import Conflict, InvalidRequest, NotFound, SoldOut
from livchat.mcp.confirmation.question import PreparedCall, Question
from livchat.mcp.inputs import CreateServerInput

Json = dict[str, Any]

FREE = frozenset({"sandbox", "own"})
"""Providers that sell nothing."""
CORES, MEMORY_GB = 2, 4
"""What a server has at least where nobody said; the daemon chooses the same way."""
_SHOWN = 5
"""Offers that are named where the wanted one cannot be had."""


class Offer(NamedTuple):
    """A server type at a location, and its price a month as a number and as text."""

    price: Decimal
    name: str
    region: str
    price_text: str


def purchase(client: Client, request: CreateServerInput) -> PreparedCall:
    """A server at its price: what is agreed to is what is ordered. The sandbox sells nothing."""
    _check_name_free(client, request.name)
    if request.provider in FREE:
        return PreparedCall(request)
    sold = client.server_types(provider=request.provider)
    request = request.model_copy(update={"provider": sold["provider"]})
    if sold["provider"] in FREE:
        return PreparedCall(request)
    offer = _cheapest(sold["server_types"], request)
    request = request.model_copy(update={"server_type": offer.name, "region": offer.region})
    message = (
        f"Comprar o servidor {request.name} na {sold['provider']}: "
        f"{offer.name} em {offer.region}, {offer.price_text} por mês?"
    )
    phrase = f"{request.name}: {offer.name} em {offer.region}, {offer.price_text}"
    return PreparedCall(request, Question(message, phrase))


def _check_name_free(client: Client, name: str) -> None:
    try:
        server = client.server(name)
    except NotFound:
        return
    job_id = server["job_id"]
    raise Conflict(
        f"there is already a server '{name}'",
        hint=f"livchat job watch {job_id}" if job_id else f"livchat server show {name}",
        details={"server": name, "job_id": job_id},
    )


def _cheapest(types: list[Json], request: CreateServerInput) -> Offer:
    """The offer that will be bought; raises SoldOut or InvalidRequest, with what there is."""
    offers = sorted(_offers(types))
    fitting = [offer for offer in offers if _fits(offer, types, request)]
    if fitting:
        return fitting[0]
    wanted = " ".join(
        filter(None, (request.server_type, request.region and f"em {request.region}"))
    )
    of_any_type = request.model_copy(update={"server_type": None})
    instead = [offer for offer in offers if _fits(offer, types, of_any_type)] or offers
    had = "; ".join(f"{o.name} em {o.region} ({o.price_text} por mês)" for o in instead[:_SHOWN])
    message = f"{wanted or 'such a server'} cannot be had now; to be had: {had or 'nothing'}"
    hint = "criar-servidor com server_type e region de uma destas ofertas"
    known = any(kind["name"] == request.server_type for kind in types if not kind["deprecated"])
    if known or request.server_type is None:
        raise SoldOut(message, hint=hint)
    raise InvalidRequest.field("server_type", message, hint=hint)


def _offers(types: list[Json]) -> list[Offer]:
    return [
        Offer(
            Decimal(location["price_monthly"] or "Infinity"),
            kind["name"],
            location["name"],
            _price_text(location),
        )
        for kind in types
        if not kind["deprecated"]
        for location in kind["locations"]
        if location["available"]
    ]


def _price_text(location: Json) -> str:
    if location["price_monthly"] is None:
        return "preço desconhecido"
    return f"{Decimal(location['price_monthly']):.2f} {location['currency'] or ''}".strip()


def _fits(offer: Offer, types: list[Json], request: CreateServerInput) -> bool:
    """Whether the daemon would take this one; without a named type the usual size, on x86."""
    kind = next(kind for kind in types if kind["name"] == offer.name)
    type_given = request.server_type is not None
    cores, memory = (0, 0) if type_given else (CORES, MEMORY_GB)
    return (
        request.server_type in (None, offer.name)
        and request.region in (None, offer.region)
        and kind["cores"] >= (request.cpu or cores)
        and kind["memory_gb"] >= (request.ram or memory)
        and (type_given or kind["architecture"] == "x86")
    )
