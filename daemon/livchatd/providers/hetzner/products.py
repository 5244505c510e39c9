"""What Hetzner sells, with gross prices: types, locations, images. It brings hcloud."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from hcloud import Client
from hcloud.server_types import BoundServerType

from livchat.wire.providers import Image, Location, ServerType, TypeLocation

Prices = Mapping[str, Mapping[str, Any]]
"""By location: `price_monthly` and `price_hourly`, each with `net` and `gross` as decimal text."""


def server_types(api: Client) -> list[ServerType]:
    """Return all types, with their prices and availability by location."""
    pricing = api.request(method="GET", url="/pricing")["pricing"]
    ipv4 = address_prices(pricing)
    return [_server_type(row, ipv4, pricing["currency"]) for row in api.server_types.get_all()]


def locations(api: Client) -> list[Location]:
    """Return all locations."""
    return [
        Location(
            name=row.name or "",
            city=row.city or "",
            country=row.country or "",
            network_zone=row.network_zone or "",
        )
        for row in api.locations.get_all()
    ]


def images(api: Client) -> list[Image]:
    """Return all system images that are available, the deprecated ones among them."""
    # `status=` is left out: hcloud 2.27 sends the page size in its place (images/client.py).
    rows = api.images.get_all(type=["system"], include_deprecated=True)
    return [
        Image(
            name=row.name or "",
            description=row.description or "",
            os_flavor=row.os_flavor or "",
            os_version=row.os_version,
            architecture=row.architecture or "",
            deprecated=row.deprecation is not None,
        )
        for row in rows
        if row.status == "available"
    ]


def address_prices(pricing: Mapping[str, Any]) -> Prices:
    """Return what a primary IPv4 address costs, from the response of `/pricing`."""
    ipv4 = [kind for kind in pricing.get("primary_ips") or [] if kind.get("type") == "ipv4"]
    return {price["location"]: price for kind in ipv4 for price in kind.get("prices") or []}


def gross_price(period: str, location: str | None, prices: Prices, ipv4: Prices) -> str | None:
    """Return a price with that of an address, as decimal text; None where it is not known.

    `period` is `price_monthly` or `price_hourly`.
    """
    own = _gross(prices.get(location or "", {}).get(period))
    if own is None:
        return None
    extra = _gross(ipv4.get(location or "", {}).get(period)) or Decimal(0)
    return f"{(own + extra).normalize():f}"


def _server_type(row: BoundServerType, ipv4: Prices, currency: str) -> ServerType:
    prices = {price["location"]: price for price in row.prices or []}
    places = row.locations or []
    return ServerType(
        name=row.name or "",
        cores=int(row.cores or 0),
        memory_gb=float(row.memory or 0),
        disk_gb=int(row.disk or 0),
        architecture=row.architecture or "",
        locations=[
            TypeLocation(
                name=place.location.name or "",
                available=bool(place.available),
                price_monthly=gross_price("price_monthly", place.location.name, prices, ipv4),
                price_hourly=gross_price("price_hourly", place.location.name, prices, ipv4),
                currency=currency if place.location.name in prices else None,
            )
            for place in places
        ],
        deprecated=all(place.deprecation is not None for place in places),
    )


def _gross(price: Any) -> Decimal | None:
    try:
        return Decimal(str(price["gross"]))
    except (TypeError, KeyError, InvalidOperation):
        return None
