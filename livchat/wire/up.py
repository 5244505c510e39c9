"""One request from nothing to running apps, and the plan of it with its price."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from livchat.wire.base import (
    AppName,
    Email,
    ProviderName,
    ResourceName,
    ServerName,
    Timezone,
    VariableName,
    VariableValue,
    Wire,
)
from livchat.wire.servers import Challenged, Domain, Fallback, OpenPorts, PlanHash


class Up(Domain):
    """A server, set up, with these apps and what they need. What is so already stays."""

    apps: list[AppName] = Field(min_length=1, max_length=50)
    server: ServerName
    provider: ProviderName | None = None
    server_type: ResourceName | None = None
    region: ResourceName | None = None
    fallback: Fallback = Field(default_factory=list)
    plan_hash: PlanHash = None
    image: ResourceName | None = None
    cpu: int | None = Field(None, ge=1, le=512)
    ram: float | None = Field(None, gt=0, le=4096)
    ssl_email: Email | None = None
    timezone: Timezone = "UTC"
    open_ports: OpenPorts | None = None
    challenge: Challenged = None
    config: dict[AppName, dict[VariableName, VariableValue]] = Field(
        default_factory=dict, max_length=50
    )


class PricedType(Wire):
    """A server type at a place, gross and with an IPv4 address, as decimal text."""

    server_type: str
    region: str
    price_monthly: str | None
    price_hourly: str | None
    currency: str | None


class Plan(Wire):
    """What would be done, and its price; nothing has been done.

    `sold_out` is what was asked for first and cannot be had now; `fallback` what would be taken, in
    order, if the order itself is refused. `hash` sent as `plan_hash` holds the daemon to all of it.
    """

    hash: str
    server: dict[str, Any]
    apps: list[str]
    steps: list[str]
    records: list[str]
    urls: dict[str, str]
    price_monthly: str | None
    price_hourly: str | None
    currency: str | None
    sold_out: list[PricedType] = Field(default_factory=list)
    fallback: list[PricedType] = Field(default_factory=list)
    estimated_seconds: float
