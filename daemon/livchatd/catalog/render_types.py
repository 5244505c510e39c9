"""What the renderer is asked for, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from livchatd.catalog.schema import Scalar


@dataclass(frozen=True)
class Binding:
    """Where a capability is, and as whom: `name` is the database, `index` the one in Redis."""

    host: str
    port: int
    name: str | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    index: int | None = None
    url: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class RenderOrder:
    """All that a stack depends on beside its definition.

    `instance` is the stack's name; `domain` is `subdomain.zone` or the zone; `hosts` by route
    (`hosts_for`); `bindings` by alias; `params` as the person gave them; `secrets` by name, all
    made (`generate`). `cert_resolver` is set only where a host is not under the wildcard.
    """

    instance: str
    domain: str
    hosts: Mapping[str, str] = field(default_factory=dict)
    bindings: Mapping[str, Binding] = field(default_factory=dict)
    params: Mapping[str, Scalar] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    timezone: str = "UTC"
    email: str | None = None
    cert_resolver: str | None = None


@dataclass(frozen=True)
class Wave:
    """One deployment of the growing stack.

    `services` must be healthy and `jobs` complete, within `timeout` seconds, before the next
    wave; both are short names (on the server: `<instance>_<name>`). `compose` holds all services
    so far and the jobs of this wave only: deploy it with pruning, which removes ended jobs.
    """

    services: list[str]
    jobs: list[str]
    compose: str = field(repr=False)
    timeout: int


@dataclass(frozen=True)
class ReadyCheck:
    """A request to https://`host``path` that must be answered with `status`."""

    host: str
    path: str
    status: int

    @property
    def url(self) -> str:
        """The address."""
        return f"https://{self.host}{self.path}"


@dataclass(frozen=True)
class Rendered:
    """What an order comes to. `docker_secrets` must exist before the first wave."""

    waves: list[Wave]
    docker_secrets: dict[str, str] = field(repr=False)
    hosts: list[str]
    ready: list[ReadyCheck]
    images: list[str]

    @property
    def compose(self) -> str:
        """The stack as it is in the end: all services, no jobs."""
        return self.waves[-1].compose
