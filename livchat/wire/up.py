"""From nothing to running apps, in one request."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from livchat.wire.base import (
    Answer,
    AppName,
    Email,
    ProviderName,
    Question,
    ServerName,
    SmallName,
    Timezone,
    Wire,
)
from livchat.wire.servers import Domain, OpenPorts


class Up(Domain):
    """A server, set up, with these apps and what they need. What is so already stays."""

    apps: list[AppName] = Field(min_length=1, max_length=50)
    server: ServerName
    provider: ProviderName | None = None
    server_type: SmallName | None = None
    region: SmallName | None = None
    image: SmallName | None = None
    cpu: int | None = Field(None, ge=1, le=512)
    ram: float | None = Field(None, gt=0, le=4096)
    ssl_email: Email | None = None
    timezone: Timezone = "UTC"
    open_ports: OpenPorts | None = None
    config: dict[AppName, dict[Question, Answer]] = Field(default_factory=dict, max_length=50)


class Plan(Wire):
    """What `up` would do, and its price; nothing has been done."""

    hash: str
    server: dict[str, Any]
    apps: list[str]
    steps: list[str]
    records: list[str]
    urls: dict[str, str]
    price_monthly: str | None
    price_hourly: str | None
    currency: str | None
    estimated_seconds: float
