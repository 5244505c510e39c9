"""Servers: the requests that make, set up and use them, and how they are shown."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, SecretStr, StringConstraints, field_validator, model_validator

from livchat.wire.base import (
    SUBDOMAIN,
    Email,
    OpenPort,
    ProviderName,
    Request,
    ResourceName,
    ServerName,
    SubdomainName,
    Timezone,
    Wire,
    ZoneName,
    dns_zone,
)

OpenPorts = Annotated[
    list[OpenPort],
    Field(
        max_length=64,
        description="Kept open to the world beside SSH, 80 and 443. Without it: as they were.",
    ),
]
Zone = Annotated[ZoneName, StringConstraints(max_length=253)]
HostName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$")
]
"""An IPv4 address or a name that DNS knows."""
UserName = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_-]{0,31}$")]
HostKey = Annotated[
    str,
    StringConstraints(
        pattern=r"^(?:SHA256:[A-Za-z0-9+/]{43}|(?:ssh|ecdsa)-[a-z0-9-]+ [A-Za-z0-9+/]+={0,2})$",
        max_length=2_048,
    ),
]
"""A public key line without its comment, or a fingerprint as `ssh-keygen -l` prints it."""


class Challenge(StrEnum):
    """How the certificates' authority is shown that a domain is ours."""

    AUTO = "auto"
    DNS = "dns-01"
    HTTP = "http-01"


Challenged = Annotated[
    Literal["auto", "dns-01", "http-01"] | None,
    Field(
        description="dns-01 needs a certificate token of the zone; auto takes it if there is one,"
        " else http-01. Without it: as before."
    ),
]
"""A `Challenge` as it is asked for."""


class ServerStatus(StrEnum):
    """Where a server stands."""

    CREATING = "creating"
    RUNNING = "running"
    SETTING_UP = "setting_up"
    READY = "ready"
    DELETING = "deleting"
    LOST = "lost"


class Instead(Request):
    """What to take where something cannot be had: another type, another place, or both.

    What is not given stays as it was asked for.
    """

    server_type: ResourceName | None = None
    region: ResourceName | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Instead:
        if self.server_type is None and self.region is None:
            raise ValueError("server_type or region is needed")
        return self


Fallback = Annotated[
    list[Instead],
    Field(
        max_length=10,
        description="In order: what to take where the first choice is sold out. Never without it.",
    ),
]
PlanHash = Annotated[
    str | None,
    Field(
        pattern=r"^[0-9a-f]{64}$",
        description="Of the plan that was agreed to: refused (409) if it would be another now.",
    ),
]


class CreateServer(Request):
    """A server to be made. What is not given is chosen from what the provider has now."""

    name: ServerName
    server_type: ResourceName | None = None
    region: ResourceName | None = None
    fallback: Fallback = Field(default_factory=list)
    plan_hash: PlanHash = None
    image: ResourceName | None = None
    provider: ProviderName | None = None
    cpu: int | None = Field(None, ge=1, le=512, description="At least so many cores.")
    ram: float | None = Field(None, gt=0, le=4096, description="At least so many GB of memory.")
    host: HostName | None = Field(None, description="Where a machine of your own answers.")
    port: int | None = Field(None, ge=1, le=65_535, description="Of its SSH; 22.")
    user: UserName | None = Field(None, description="Root, or one with passwordless sudo.")
    private_key: SecretStr | None = Field(
        None, min_length=1, max_length=32_768, description="OpenSSH's; without it one is made."
    )
    host_key: HostKey | None = Field(None, description="Its public host key or fingerprint.")

    @model_validator(mode="after")
    def _own_or_bought(self) -> CreateServer:
        given = [name for name in _OF_OWN if getattr(self, name) is not None]
        if given and self.provider != "own":
            raise ValueError(f"{given[0]} is for machines of your own: provider must be own")
        if given and self.host is None:
            raise ValueError("host is needed for a machine of your own")
        bought = [name for name in _BOUGHT if getattr(self, name) not in (None, [])]
        if given and bought:
            raise ValueError(f"{bought[0]} cannot be chosen for a machine of your own")
        return self


_OF_OWN = ("host", "port", "user", "private_key", "host_key")
_BOUGHT = ("server_type", "region", "fallback", "plan_hash", "image", "cpu", "ram")


def domain_of(subdomain: str | None, zone_name: str) -> str:
    """Return the end of every name of a server's apps: `subdomain.zone`, or the zone alone."""
    return f"{subdomain}.{zone_name}" if subdomain else zone_name


class Domain(Request):
    """Where the names of a server's apps live: `{prefix}.{subdomain}.{zone_name}`."""

    zone_name: ZoneName
    subdomain: SubdomainName | None = None

    _zone = field_validator("zone_name")(dns_zone)

    @field_validator("subdomain")
    @classmethod
    def _subdomain(cls, value: str | None) -> str | None:
        import re  # noqa: PLC0415

        if value is not None and not re.match(SUBDOMAIN, value):
            raise ValueError("is not a DNS name in lower case, such as lab")
        return value

    @property
    def domain(self) -> str:
        """The end of every name of the server's apps."""
        return domain_of(self.subdomain, self.zone_name)


class SetupServer(Domain):
    """How a server is to be set up."""

    ssl_email: Email
    timezone: Timezone = "UTC"
    open_ports: OpenPorts | None = None
    challenge: Challenged = None


class ExecCommand(Request):
    """A command to run on a server; `timeout` in seconds covers connecting too."""

    command: str = Field(min_length=1, max_length=32_768, pattern=r"^[^\x00]*$")
    timeout: int = Field(30, ge=1, le=300)


class ExecResult(Wire):
    """What a command printed, cut to size, and how it ended."""

    success: bool
    server_name: str
    command: str
    stdout: str
    stderr: str
    exit_code: int | None
    truncated: bool
    duration_seconds: float


class Server(Wire):
    """A server; `job_id` is of the job at work on it, or null."""

    name: str
    provider: str
    status: ServerStatus
    server_type: str | None = None
    region: str | None = None
    image: str | None = None
    ip_address: str | None = None
    ipv6_address: str | None = None
    created_at: str
    zone_name: str | None = None
    subdomain: str | None = None
    setup_at: str | None = None
    open_ports: list[str] = Field(default_factory=list)
    challenge: str | None = None
    apps: list[str] = Field(default_factory=list)
    price_monthly: str | None = None
    currency: str | None = None
    host_key_fingerprint: str | None = None
    public_key: str | None = None
    job_id: str | None = None


class SshAccess(Wire):
    """Where a server's SSH answers; `host_key` is the pinned one, None before the first login."""

    server: str
    host: str
    port: int
    user: str
    host_key: str | None = None
    host_key_fingerprint: str | None = None


class ServerList(Wire):
    """All servers, by name."""

    servers: dict[str, Server]
    total: int
