"""The protocol that every provider keeps, and what it speaks of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from livchat.wire.providers import Image, Location, ServerType

ThingKind = Literal["machine", "address", "key"]


@dataclass(frozen=True)
class Address:
    """A public IPv4 address that can be kept while machines come and go."""

    id: str
    ip: str
    name: str
    labels: Mapping[str, str]
    machine_id: str | None
    region: str


@dataclass(frozen=True)
class Machine:
    """What stands behind a server. `status` is the provider's own word: running, off and so on."""

    id: str
    name: str
    status: str
    ip_address: str | None
    ipv6_address: str | None
    server_type: str
    region: str
    image: str | None
    labels: Mapping[str, str]
    created_at: str


@dataclass(frozen=True)
class MachineOrder:
    """What is ordered. `user_data` is cloud-init's, at most 32 KiB, without lasting secrets."""

    name: str
    server_type: str
    region: str
    image: str
    address_id: str
    ssh_key_id: str
    user_data: str
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Ordered:
    """An order that was taken: the machine's id, and the actions to wait for."""

    machine_id: str
    actions: tuple[str, ...]


@dataclass(frozen=True)
class ActionState:
    """How far actions are: 0 to 100 for all of them; `error` if one failed after all."""

    progress: float
    done: bool
    error: str | None = None


@dataclass(frozen=True)
class Reach:
    """Where a machine is spoken to from here. Only the sandbox differs from the public address."""

    ssh_host: str
    ssh_port: int = 22
    web_host: str = ""
    web_port: int = 443
    web_scheme: str = "https"

    def url(self, domain: str) -> str:
        """The address of a domain's site as a person opens it."""
        default = 443 if self.web_scheme == "https" else 80
        port = "" if self.web_port == default else f":{self.web_port}"
        return f"{self.web_scheme}://{domain}{port}/"


@dataclass(frozen=True)
class DnsAccess:
    """How Cloudflare is reached for servers of this provider; None: the user's own account.

    `name_servers` answer for its zones, as address:port.
    """

    base_url: str
    api_token: str = field(repr=False)
    name_servers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Thing:
    """A machine, an address or an SSH key that carries labels of ours, and what it costs.

    `where` is its address, if it has one; `machine_id` the machine that an address is assigned to.
    """

    kind: ThingKind
    id: str
    name: str
    labels: Mapping[str, str]
    created_at: str
    where: str | None = None
    machine_id: str | None = None
    price_monthly: str | None = None
    currency: str | None = None


class Provider(Protocol):
    """Makes machines. Every call has a time-out; errors are `livchat.errors`.

    Finding is by label, so that what was ordered before a crash is adopted, never ordered twice.
    """

    @property
    def name(self) -> str:
        """hetzner, own or sandbox."""

    @property
    def ahead(self) -> float | None:
        """Seconds by which its clock is ahead of ours, by its last answer; None without one."""

    async def check(self) -> None:
        """Try the credential: `Unauthorized` if refused, `ProviderUnavailable` if not tried."""

    async def server_types(self) -> list[ServerType]:
        """All types with their places, availability and gross prices (with IPv4), live."""

    async def locations(self) -> list[Location]:
        """All locations, live."""

    async def images(self) -> list[Image]:
        """All system images, live."""

    async def find_address(self, labels: Mapping[str, str]) -> Address | None:
        """The address that carries all these labels, or None."""

    async def reserve_address(self, name: str, region: str, labels: Mapping[str, str]) -> Address:
        """Reserve an IPv4 address. `Conflict` if the name is taken."""

    async def release_address(self, address_id: str, labels: Mapping[str, str]) -> None:
        """Give it back; one that is gone already is fine. Unassigns it first.

        `Conflict` if it does not carry all these labels: then it is not ours to give back.
        """

    async def ensure_key(self, name: str, public_key: str, labels: Mapping[str, str]) -> str:
        """The id of the SSH key, made if it is not there yet."""

    async def delete_key(self, labels: Mapping[str, str]) -> None:
        """Delete the SSH keys that carry all these labels."""

    async def find_machine(self, labels: Mapping[str, str]) -> Machine | None:
        """The machine that carries all these labels, or None."""

    async def machine(self, machine_id: str) -> Machine | None:
        """One machine, or None if it is gone."""

    async def order(self, order: MachineOrder) -> Ordered:
        """Order a machine. `Conflict` if the name is taken, `SoldOut`, `Invalid`."""

    async def actions(self, actions: tuple[str, ...]) -> ActionState:
        """How far these actions are."""

    async def delete_machine(self, machine_id: str, labels: Mapping[str, str]) -> None:
        """Delete it and wait until it is gone; one that is gone already is fine.

        `Conflict` if it does not carry all these labels: then it is not ours to delete.
        """

    async def there(self) -> bool:
        """Whether it can be asked as it is; False for a sandbox that would have to be started."""

    async def things(self) -> list[Thing]:
        """Everything that LivChat made there, whichever installation it was, with prices."""

    async def thing(self, kind: ThingKind, thing_id: str) -> Thing | None:
        """One thing as it is now, without its price; None if it is gone."""

    async def discard(self, kind: ThingKind, thing_id: str, labels: Mapping[str, str]) -> None:
        """Delete a thing of any kind; one that is gone already is fine.

        `Conflict` if it does not carry all these labels.
        """

    async def reach(self, ip_address: str) -> Reach:
        """Where this machine is spoken to from here."""

    async def dns(self) -> DnsAccess | None:
        """The DNS account that belongs to this provider, if it brings one (the sandbox)."""
