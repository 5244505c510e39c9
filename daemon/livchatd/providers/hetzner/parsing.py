"""What Hetzner answers, read into our own types. Import it late: it brings hcloud."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from time import time as here
from typing import Any

from hcloud.images import BoundImage
from hcloud.locations import BoundLocation
from hcloud.primary_ips import BoundPrimaryIP
from hcloud.server_types import BoundServerType
from hcloud.servers import BoundServer

from livchat.wire.providers import Image, Location, ServerType, TypeLocation
from livchatd.providers.base import Address, Machine
from livchatd.providers.rate_limiter import Told

Prices = Mapping[str, Mapping[str, Any]]
"""By location: price_monthly and price_hourly, each with net and gross as text."""


def address(found: BoundPrimaryIP) -> Address:
    """An address."""
    return Address(
        id=str(found.id),
        ip=found.ip or "",
        name=found.name or "",
        labels=dict(found.labels or {}),
        machine_id=None if found.assignee_id is None else str(found.assignee_id),
        region=(found.location.name or "") if found.location is not None else "",
    )


def machine(found: BoundServer) -> Machine:
    """A machine; its IPv6 address is the first of its network, which its system takes."""
    net = found.public_net
    ipv6 = net.ipv6.ip if net is not None and net.ipv6 is not None else None
    return Machine(
        id=str(found.id),
        name=found.name or "",
        status=found.status or "unknown",
        ip_address=net.ipv4.ip if net is not None and net.ipv4 is not None else None,
        ipv6_address=_first(ipv6),
        server_type=(found.server_type.name or "") if found.server_type is not None else "",
        region=(found.location.name or "") if found.location is not None else "",
        image=found.image.name if found.image is not None else None,
        labels=dict(found.labels or {}),
        created_at=time(found.created),
    )


def server_type(found: BoundServerType, ipv4: Prices, currency: str) -> ServerType:
    """A server type with what it costs and whether it can be had, place by place."""
    prices = {price["location"]: price for price in found.prices or []}
    places = found.locations or []
    return ServerType(
        name=found.name or "",
        cores=int(found.cores or 0),
        memory_gb=float(found.memory or 0),
        disk_gb=int(found.disk or 0),
        architecture=found.architecture or "",
        locations=[
            TypeLocation(
                name=place.location.name or "",
                available=bool(place.available),
                price_monthly=gross("price_monthly", place.location.name, prices, ipv4),
                price_hourly=gross("price_hourly", place.location.name, prices, ipv4),
                currency=currency if place.location.name in prices else None,
            )
            for place in places
        ],
        deprecated=all(place.deprecation is not None for place in places),
    )


def location(found: BoundLocation) -> Location:
    """A location."""
    return Location(
        name=found.name or "",
        city=found.city or "",
        country=found.country or "",
        network_zone=found.network_zone or "",
    )


def image(found: BoundImage) -> Image:
    """A system image."""
    return Image(
        name=found.name or "",
        description=found.description or "",
        os_flavor=found.os_flavor or "",
        os_version=found.os_version,
        architecture=found.architecture or "",
        deprecated=found.deprecation is not None,
    )


def address_prices(pricing: Mapping[str, Any]) -> Prices:
    """What a primary IPv4 address costs, by location."""
    listed = [kind for kind in pricing.get("primary_ips") or [] if kind.get("type") == "ipv4"]
    return {price["location"]: price for kind in listed for price in kind.get("prices") or []}


def limit(headers: Mapping[str, str], *, refused: bool) -> Told | None:
    """What an answer tells of the limit of requests; None where it tells nothing."""
    try:
        most, left = int(headers["RateLimit-Limit"]), int(headers["RateLimit-Remaining"])
        full_in = int(headers["RateLimit-Reset"]) - _sent(headers)
    except (KeyError, ValueError, TypeError):
        if not refused:
            return None
        most, left, full_in = 0, 0, 0.0
    after = headers.get("Retry-After", "")
    return Told(
        limit=most,
        left=left,
        full_in=full_in,
        refused=refused,
        after=float(after) if after.isdecimal() else None,
    )


def _sent(headers: Mapping[str, str]) -> float:
    """When an answer was sent by the clock over there, with which its other times agree."""
    date = headers.get("Date")
    return parsedate_to_datetime(date).timestamp() if date else here()


def gross(what: str, place: str | None, prices: Prices, ipv4: Prices) -> str | None:
    """A price with its address's, as decimal text; None where it is not told."""
    own = _decimal(prices.get(place or "", {}).get(what))
    if own is None:
        return None
    extra = _decimal(ipv4.get(place or "", {}).get(what)) or Decimal(0)
    return f"{(own + extra).normalize():f}"


def _decimal(price: Any) -> Decimal | None:
    try:
        return Decimal(str(price["gross"]))
    except (TypeError, KeyError, InvalidOperation):
        return None


def _first(network: str | None) -> str | None:
    if not network:
        return None
    base = network.split("/")[0]
    return f"{base}1" if base.endswith("::") else base


def time(created: Any) -> str:
    """A time of theirs as RFC 3339, or nothing."""
    return created.isoformat().replace("+00:00", "Z") if created is not None else ""
