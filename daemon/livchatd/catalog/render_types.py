"""What the renderer takes and what it returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from livchatd.catalog.schema import Scalar


@dataclass(frozen=True)
class Binding:
    """How an app connects to a capability: `name` is the database, `index` the one in Redis."""

    host: str
    port: int
    name: str | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    index: int | None = None
    url: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class RenderInput:
    """All that a stack depends on beside its definition.

    `instance` is the stack's name; `domain` is `subdomain.zone` or the zone; `hosts` are by route
    (`hosts_for`), `bindings` by alias, `given_values` by parameter as the person gave them,
    `secrets` by name, all of them generated (`generate`). `cert_resolver` names Traefik's resolver
    for hosts that the wildcard certificate does not cover.
    """

    instance: str
    domain: str
    hosts: Mapping[str, str] = field(default_factory=dict)
    bindings: Mapping[str, Binding] = field(default_factory=dict)
    given_values: Mapping[str, Scalar] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    timezone: str = "UTC"
    email: str | None = None
    cert_resolver: str | None = None


@dataclass(frozen=True)
class Wave:
    """One deployment of the stack, which grows wave by wave.

    `services` must be healthy and `jobs` complete within `timeout` seconds before the next wave;
    both are short names (on the server: `<instance>_<name>`). `compose` holds all services so far
    and the jobs of this wave only: it is deployed with pruning, which removes ended jobs.
    """

    services: list[str]
    jobs: list[str]
    compose: str = field(repr=False)
    timeout: int


@dataclass(frozen=True)
class ReadyCheck:
    """A request to https://`host``path` whose response must have `status`."""

    host: str
    path: str
    status: int

    @property
    def url(self) -> str:
        """The URL that is requested."""
        return f"https://{self.host}{self.path}"


@dataclass(frozen=True)
class RenderedStack:
    """A stack for Docker Swarm. `docker_secrets`, by name, must exist before the first wave."""

    waves: list[Wave]
    docker_secrets: dict[str, str] = field(repr=False)
    hosts: list[str]
    ready: list[ReadyCheck]
    images: list[str]

    @property
    def compose(self) -> str:
        """The Compose file of the last wave: all services, no jobs."""
        return self.waves[-1].compose
