"""The state of a Docker engine: swarm, networks, secrets, images, services, volumes.

The field names are keys on disk.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from typing import Any

from livchat_sandbox.docker.compose import Spec
from livchat_sandbox.docker.postgres import Cluster

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"


def swarm_id(*parts: object) -> str:
    """Return a swarm identifier (25 characters of base 36), the same for the same parts."""
    number = int.from_bytes(hashlib.sha256("\n".join(map(str, parts)).encode()).digest())
    digits = ""
    while len(digits) < 25:
        number, digit = divmod(number, 36)
        digits += _ALPHABET[digit]
    return digits


def hex_id(*parts: object) -> str:
    """Return a container's or network's identifier (64 hex digits), the same for the same parts."""
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()


class EngineError(Exception):
    """The engine refuses a call, in these words and with this HTTP status."""

    def __init__(self, message: str, status: int = 500) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Network:
    """A network; `stack` names the stack that it was made for."""

    id: str
    driver: str
    scope: str
    subnet: str
    created: float
    attachable: bool = False
    internal: bool = False
    stack: str = ""
    options: dict[str, str] = field(default_factory=dict)


@dataclass
class Secret:
    """A secret of the swarm."""

    id: str
    value: str
    created: float
    labels: dict[str, str] = field(default_factory=dict)


@dataclass
class Volume:
    """A named volume; `cluster` is the data of a PostgreSQL server in it."""

    stack: str
    created: float
    cluster: Cluster | None = None


@dataclass
class Service:
    """A service; `spec` is in force since `updated`, as the specification number `generation`.

    `previous` is the specification before. `verdict` is empty while an update may still fail, then
    Docker's UpdateStatus state. `address` is the number of its first task on docker_gwbridge.
    """

    id: str
    name: str
    stack: str
    spec: Spec
    created: float
    updated: float
    generation: int = 1
    address: int = 0
    version: int = 10
    previous: Spec | None = None
    verdict: str = ""

    @property
    def short_name(self) -> str:
        """The service's name in its Compose file."""
        return self.name.removeprefix(f"{self.stack}_")


@dataclass
class EngineState:
    """All that survives a restart of the engine."""

    name: str
    version: str = ""
    active: bool = False
    swarm: dict[str, Any] | None = None
    labels: dict[str, str] = field(default_factory=dict)
    networks: dict[str, Network] = field(default_factory=dict)
    secrets: dict[str, Secret] = field(default_factory=dict)
    images: dict[str, float] = field(default_factory=dict)
    """When the pull of an image ends, in seconds since 1970."""
    services: dict[str, Service] = field(default_factory=dict)
    volumes: dict[str, Volume] = field(default_factory=dict)
    counter: int = 0

    def next_number(self) -> int:
        """Return the next number of a counter that never goes back."""
        self.counter += 1
        return self.counter

    def dump(self) -> dict[str, Any]:
        """Return the state as JSON data."""
        return asdict(self)

    @classmethod
    def load(cls, dumped: dict[str, Any]) -> EngineState:
        """Return the state of a dump."""
        parts = dict(dumped)
        parts["networks"] = {key: Network(**one) for key, one in dumped["networks"].items()}
        parts["secrets"] = {key: Secret(**one) for key, one in dumped["secrets"].items()}
        parts["services"] = {key: _service(one) for key, one in dumped["services"].items()}
        parts["volumes"] = {key: _volume(one) for key, one in dumped["volumes"].items()}
        return cls(**parts)


def _service(dumped: dict[str, Any]) -> Service:
    previous = dumped["previous"]
    return Service(
        **{
            **dumped,
            "spec": Spec(**dumped["spec"]),
            "previous": Spec(**previous) if previous else None,
        }
    )


def _volume(dumped: dict[str, Any]) -> Volume:
    cluster = dumped["cluster"]
    return Volume(**{**dumped, "cluster": Cluster.load(cluster) if cluster else None})
