"""What a provider is: the protocol that each one keeps, and what it takes and returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from pydantic import SecretStr

from livchat.wire.providers import Image, Location, ServerType

ResourceKind = Literal["machine", "address", "key"]

MANAGED, INSTALLATION, SERVER, JOB = (
    "livchat.managed", "livchat.home", "livchat.server", "livchat.job",
)  # fmt: skip
"""The names under which an owner is written down: as labels, where a provider has labels."""


@dataclass(frozen=True)
class Owner:
    """Whose a resource is: an installation's, for one of its servers, bought by a chain of jobs.

    `root_job_id` is the first job of the chain: a retry goes on with what the job before bought.
    In a search, a field that is None stands for any. In a resource it means that it is not known:
    the first versions did not mark the installation.
    """

    installation_id: str | None
    server: str | None
    root_job_id: str | None = None

    def covers(self, other: Owner | None) -> bool:
        """Return whether what belongs to `other` is among what this owner stands for."""
        return other is not None and all(
            mine is None or mine == theirs
            for mine, theirs in (
                (self.installation_id, other.installation_id),
                (self.server, other.server),
                (self.root_job_id, other.root_job_id),
            )
        )


@dataclass(frozen=True)
class Address:
    """A public IPv4 address that is kept while machines come and go.

    `owner` is None where it carries no mark of LivChat. `machine_id` is the machine that it is
    assigned to.
    """

    id: str
    ip: str
    name: str
    owner: Owner | None
    machine_id: str | None
    region: str


@dataclass(frozen=True)
class Machine:
    """What stands behind a server.

    `status` is the provider's own word: `running`, `off` and so on. `owner` is None where it
    carries no mark of LivChat. `created_at` is an RFC 3339 time.
    """

    id: str
    name: str
    status: str
    ip_address: str | None
    ipv6_address: str | None
    server_type: str
    region: str
    image: str | None
    owner: Owner | None
    created_at: str


@dataclass(frozen=True)
class MachineOrder:
    """A machine to be bought.

    `address_id` is an address that was reserved for it; None at a provider that has none to
    reserve. `user_data` is cloud-init's, at most 32 KiB, without lasting secrets.
    """

    name: str
    server_type: str
    region: str
    image: str
    address_id: str | None
    ssh_key_id: str
    user_data: str
    owner: Owner


@dataclass(frozen=True)
class OrderedMachine:
    """An order that was accepted: the machine's id, and the actions to wait for."""

    machine_id: str
    actions: tuple[str, ...]


@dataclass(frozen=True)
class ActionState:
    """How far actions are, all together: 0 to 100 percent; `error` if one failed after all."""

    progress: float
    done: bool
    error: str | None = None


@dataclass(frozen=True)
class Endpoints:
    """Where a machine's SSH and web sites answer; only the sandbox's are not its public address."""

    ssh_host: str
    ssh_port: int = 22
    web_host: str = ""
    web_port: int = 443
    web_scheme: str = "https"

    def url(self, domain: str) -> str:
        """Return the URL of a domain's site as a person opens it."""
        default = 443 if self.web_scheme == "https" else 80
        port = "" if self.web_port == default else f":{self.web_port}"
        return f"{self.web_scheme}://{domain}{port}/"


@dataclass(frozen=True)
class DnsAccess:
    """How the DNS account that a provider brings is reached.

    `name_servers` answer for its zones, each as address:port.
    """

    base_url: str
    api_token: str = field(repr=False)
    name_servers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Resource:
    """A machine, an address or an SSH key at a provider, and what it costs.

    `owner` is None where it carries no mark of LivChat. `where` is its IP address, if it has one;
    `machine_id` the machine that an address is assigned to. `created_at` is an RFC 3339 time.
    `price_monthly` is gross, as decimal text; None where it costs nothing or is not known.
    """

    kind: ResourceKind
    id: str
    name: str
    owner: Owner | None
    created_at: str
    where: str | None = None
    machine_id: str | None = None
    price_monthly: str | None = None
    currency: str | None = None


class Addresses(Protocol):
    """The addresses of a provider that can be reserved before their machine, and outlive it."""

    async def find_address(self, owner: Owner) -> Address | None:
        """Return the address of this owner, or None."""

    async def reserve_address(self, name: str, region: str, owner: Owner) -> Address:
        """Reserve a public IPv4 address and return it. Raises `Conflict` if the name is taken."""

    async def release_address(self, address_id: str, owner: Owner) -> None:
        """Unassign an address and give it back; one that is gone already is fine.

        Raises `Conflict` if it is not this owner's.
        """


class Provider(Protocol):
    """Makes machines. Every call has a time-out; errors are those of `livchat.errors`.

    What is made is marked with its owner, in whatever form the provider has for it: so what was
    bought before a crash is found again and adopted, never bought twice, and what is not this
    owner's is never deleted.
    """

    @property
    def name(self) -> str:
        """The provider's name, such as `hetzner`."""

    @property
    def sells_machines(self) -> bool:
        """Whether machines are bought here; if not, they are added as they are.

        Without it, `ensure_key` and `order_machine` raise `InvalidRequest`, and nothing is found.
        """

    @property
    def addresses(self) -> Addresses | None:
        """Its addresses to be reserved; None where a machine comes with an address of its own."""

    @property
    def clock_offset(self) -> float | None:
        """Seconds by which its clock is ahead of ours, by its last response; None if not known."""

    async def check(self) -> None:
        """Try the credential.

        Raises `Unauthorized` if it is refused, `ProviderUnavailable` if it could not be tried.
        """

    async def server_types(self) -> list[ServerType]:
        """Return all types with their locations, availability and gross prices (with IPv4).

        They are at most a minute old.
        """

    async def locations(self) -> list[Location]:
        """Return all locations, at most a minute old."""

    async def images(self) -> list[Image]:
        """Return all system images, the deprecated ones too, at most a minute old."""

    async def ensure_key(self, name: str, public_key: str, owner: Owner) -> str:
        """Return the id of an SSH key, which is added if it is not there under any name.

        `public_key` is an OpenSSH public key line. Raises `Conflict` if the name is taken by
        another key, `InvalidRequest` for a key that cannot be read.
        """

    async def delete_key(self, owner: Owner) -> None:
        """Delete the SSH keys of this owner; it is fine if there is none."""

    async def find_machine(self, owner: Owner) -> Machine | None:
        """Return the machine of this owner, or None."""

    async def machine(self, machine_id: str) -> Machine | None:
        """Return a machine by its id, or None if it is gone."""

    async def order_machine(self, order: MachineOrder) -> OrderedMachine:
        """Buy a machine.

        Raises `Conflict` if the name is taken, `SoldOut` if there is none of its type there now,
        `InvalidRequest` if it never can be had, `ProviderError` if it is refused for another
        reason, such as an address that is in use. An order whose response is lost may have been
        carried out: `find_machine` tells.
        """

    async def action_state(self, actions: tuple[str, ...]) -> ActionState:
        """Return how far actions are. Raises `NotFound` for one that is forgotten."""

    async def delete_machine(self, machine_id: str, owner: Owner) -> None:
        """Delete a machine and wait until it is gone; one that is gone already is fine.

        Raises `Conflict` if it is not this owner's, `TimedOut` if it stays.
        """

    async def is_running(self) -> bool:
        """Return whether it can be asked as it is; False for one that would first be started."""

    async def list_resources(self) -> list[Resource]:
        """Return everything that LivChat made there, whichever installation, with prices."""

    async def resource(self, kind: ResourceKind, resource_id: str) -> Resource | None:
        """Return one resource, whoever made it, without its price; None if it is gone."""

    async def delete_resource(self, kind: ResourceKind, resource_id: str, owner: Owner) -> None:
        """Delete a resource of any kind; one that is gone already is fine.

        Raises `Conflict` if it is not this owner's.
        """

    async def endpoints(self, ip_address: str) -> Endpoints:
        """Return where the machine with this address answers."""

    async def dns(self) -> DnsAccess | None:
        """Return the DNS account that the provider brings; None: the user's own is used."""

    async def close(self) -> None:
        """Close what is open; calls under way fail with `ProviderUnavailable`."""


@dataclass(frozen=True)
class ProviderSettings:
    """What a provider is built with.

    `token` is None for one that takes none. `timeout` is for one call, in seconds. `folder` is
    where the daemon keeps its state: a provider may make a folder of its own name there.
    """

    token: SecretStr | None
    timeout: float
    folder: Path
