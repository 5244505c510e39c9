"""What of a project LivChat made, with what it costs. Import it late: it brings hcloud."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hcloud import APIException, Client
from hcloud.primary_ips import BoundPrimaryIP
from hcloud.servers import BoundServer
from hcloud.ssh_keys import BoundSSHKey

from livchatd.providers.base import Thing, ThingKind
from livchatd.providers.hetzner import parsing as read

SELECTOR = "livchat.managed==true"


def everything(client: Client) -> list[Thing]:
    """Machines, IPv4 addresses and SSH keys with our label, of every installation."""
    pricing = client.request(method="GET", url="/pricing")["pricing"]
    currency = str(pricing["currency"])
    ipv4 = read.address_prices(pricing)
    return [
        *(_machine(found, currency) for found in client.servers.get_all(label_selector=SELECTOR)),
        *(
            _address(found, ipv4, currency)
            for found in client.primary_ips.get_all(label_selector=SELECTOR)
        ),
        *(_key(found) for found in client.ssh_keys.get_all(label_selector=SELECTOR)),
    ]


def one(client: Client, kind: ThingKind, thing_id: int) -> Thing | None:
    """One thing, whatever its labels are."""
    try:
        if kind == "machine":
            return _machine(client.servers.get_by_id(thing_id))
        if kind == "address":
            return _address(client.primary_ips.get_by_id(thing_id))
        return _key(client.ssh_keys.get_by_id(thing_id))
    except APIException as error:
        if error.code == "not_found":
            return None
        raise


def _machine(found: BoundServer, currency: str | None = None) -> Thing:
    told = read.machine(found)
    kinds = found.server_type.prices if found.server_type is not None else None
    prices = {price["location"]: price for price in kinds or []}
    return Thing(
        kind="machine",
        id=told.id,
        name=told.name,
        labels=told.labels,
        created_at=told.created_at,
        where=told.ip_address,
        **_price(prices, told.region, currency),
    )


def _address(
    found: BoundPrimaryIP, ipv4: read.Prices | None = None, currency: str | None = None
) -> Thing:
    told = read.address(found)
    place = (found.location.name or "") if found.location is not None else ""
    return Thing(
        kind="address",
        id=told.id,
        name=told.name,
        labels=told.labels,
        created_at=read.time(found.created),
        where=told.ip,
        machine_id=told.machine_id,
        **_price((ipv4 or {}) if found.type == "ipv4" else {}, place, currency),
    )


def _key(found: BoundSSHKey) -> Thing:
    return Thing(
        kind="key",
        id=str(found.id),
        name=found.name or "",
        labels=dict(found.labels or {}),
        created_at=read.time(found.created),
    )


def _price(prices: read.Prices, place: str, currency: str | None) -> Mapping[str, Any]:
    amount = read.gross("price_monthly", place, prices, {}) if currency else None
    return {"price_monthly": amount, "currency": currency if amount is not None else None}
