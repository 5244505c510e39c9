"""What of a project LivChat made, with what it costs. It brings hcloud: import late."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hcloud import Client
from hcloud.primary_ips import BoundPrimaryIP
from hcloud.servers import BoundServer
from hcloud.ssh_keys import BoundSSHKey

from livchatd.providers.base import MANAGED, Resource, ResourceKind
from livchatd.providers.hetzner.client import get_row, read_machine, read_owner, read_time
from livchatd.providers.hetzner.products import Prices, address_prices, gross_price

SELECTOR = f"{MANAGED}==true"


def list_resources(api: Client) -> list[Resource]:
    """Return machines, IPv4 addresses and SSH keys that LivChat made, of every installation."""
    pricing = api.request(method="GET", url="/pricing")["pricing"]
    currency = str(pricing["currency"])
    ipv4 = address_prices(pricing)
    return [
        *(_machine(row, currency) for row in api.servers.get_all(label_selector=SELECTOR)),
        *(
            _address(row, ipv4, currency)
            for row in api.primary_ips.get_all(label_selector=SELECTOR)
        ),
        *(_key(row) for row in api.ssh_keys.get_all(label_selector=SELECTOR)),
    ]


def get_resource(api: Client, kind: ResourceKind, resource_id: int) -> Resource | None:
    """Return one resource, whatever its labels are; None if it is gone."""
    row = get_row(api, kind, resource_id)
    if isinstance(row, BoundServer):
        return _machine(row)
    if isinstance(row, BoundPrimaryIP):
        return _address(row)
    return None if row is None else _key(row)


def _machine(row: BoundServer, currency: str | None = None) -> Resource:
    machine = read_machine(row)
    type_prices = row.server_type.prices if row.server_type is not None else None
    prices = {price["location"]: price for price in type_prices or []}
    return Resource(
        kind="machine",
        id=machine.id,
        name=machine.name,
        owner=machine.owner,
        created_at=machine.created_at,
        where=machine.ip_address,
        **_price(prices, machine.region, currency),
    )


def _address(
    row: BoundPrimaryIP, ipv4: Prices | None = None, currency: str | None = None
) -> Resource:
    location = (row.location.name or "") if row.location is not None else ""
    return Resource(
        kind="address",
        id=str(row.id),
        name=row.name or "",
        owner=read_owner(row.labels),
        created_at=read_time(row.created),
        where=row.ip or "",
        machine_id=None if row.assignee_id is None else str(row.assignee_id),
        **_price((ipv4 or {}) if row.type == "ipv4" else {}, location, currency),
    )


def _key(row: BoundSSHKey) -> Resource:
    return Resource(
        kind="key",
        id=str(row.id),
        name=row.name or "",
        owner=read_owner(row.labels),
        created_at=read_time(row.created),
    )


def _price(prices: Prices, location: str, currency: str | None) -> Mapping[str, Any]:
    price = gross_price("price_monthly", location, prices, {}) if currency else None
    return {"price_monthly": price, "currency": currency if price is not None else None}
