"""The account at rest: plain records, which become JSON and are read back from it.

The field names are the keys of `world.json`.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

ZONES = {
    "livchat.localhost": "active",
    "example.com": "active",
    "example.com.br": "active",
    "pending.example.net": "pending",
}
"""The zones that each account has from the start, with the status of each."""
NAME_SERVERS = ["ada.ns.sandbox.invalid", "bob.ns.sandbox.invalid"]
"""The name servers of every zone."""


@dataclass
class Server:
    """A server.

    `created` and `boots_at` are seconds since 1970, `keys` public key lines, `image`, `ipv4` and
    `ipv6` ids.
    """

    id: int
    name: str
    status: str
    created: float
    type: str
    location: str
    image: int
    labels: dict[str, str]
    user_data: str
    keys: list[str]
    ipv4: int | None
    ipv6: int | None
    boots_at: float | None = None
    protected: bool = False


@dataclass
class PrimaryIp:
    """An IPv4 address, or an IPv6 network (/64); `server` is the id of the server that has it."""

    id: int
    name: str
    kind: str
    ip: str
    location: str
    labels: dict[str, str]
    created: float
    auto_delete: bool
    server: int | None = None
    protected: bool = False
    pointers: dict[str, str] = field(default_factory=dict)


@dataclass
class SshKey:
    """A public key; `fingerprint` is MD5 in the colon form."""

    id: int
    name: str
    public_key: str
    fingerprint: str
    labels: dict[str, str]
    created: float


@dataclass
class Action:
    """An action of Hetzner's, from `started` to `ends`, both in seconds since 1970.

    `resources` are what it acts on: id and kind (`server`, `primary_ip`).
    """

    id: int
    command: str
    started: float
    ends: float
    resources: list[tuple[int, str]]
    status: str = "running"
    error: str | None = None


@dataclass
class DnsZone:
    """A DNS zone."""

    id: str
    name: str
    status: str
    created: float


@dataclass
class DnsRecord:
    """A DNS record; `name` is fully qualified, `zone` the zone's id."""

    id: str
    zone: str
    name: str
    type: str
    content: str
    ttl: int
    proxied: bool
    comment: str | None
    tags: list[str]
    priority: int | None
    data: dict[str, Any] | None
    created: float
    modified: float


@dataclass
class AccountState:
    """One account: tokens, servers, addresses, keys, zones, records and their surroundings."""

    token: str
    cloudflare_token: str
    world: str = field(default_factory=lambda: str(uuid.uuid4()))
    last_id: int = 100_000_000
    next_ipv4: int = 0
    next_ipv6: int = 0
    ports: dict[str, int] = field(default_factory=dict)
    servers: dict[int, Server] = field(default_factory=dict)
    primary_ips: dict[int, PrimaryIp] = field(default_factory=dict)
    ssh_keys: dict[int, SshKey] = field(default_factory=dict)
    actions: dict[int, Action] = field(default_factory=dict)
    zones: dict[str, DnsZone] = field(default_factory=dict)
    records: dict[str, DnsRecord] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    """How many calls were made, by `service route`."""
    zone_tokens: dict[str, str] = field(default_factory=dict)
    """Cloudflare tokens that open one zone only, with its name."""
    stock: dict[str, bool] = field(default_factory=dict)
    """Whether a type can be bought, by `type@location`, where that is not as in the products."""

    @classmethod
    def new(cls, now: float) -> AccountState:
        """Return an account with its own tokens and the zones of the start, and nothing else."""
        state = cls(
            token=f"sandbox-{uuid.uuid4().hex}{uuid.uuid4().hex[:24]}",
            cloudflare_token=f"sandbox-{uuid.uuid4().hex}",
        )
        state._add_zones(now)
        return state

    def clear(self, now: float) -> None:
        """Make it a new, empty world, with another world id.

        Tokens and ports stay. Ids and addresses go on counting, so that none comes back.
        """
        self.world = str(uuid.uuid4())
        for name in (*_TABLES, "calls", "zone_tokens", "stock"):
            getattr(self, name).clear()
        self._add_zones(now)

    def new_id(self) -> int:
        """Return a number that nothing in the account had before."""
        self.last_id += 1
        return self.last_id

    def _add_zones(self, now: float) -> None:
        for name, status in ZONES.items():
            zone = DnsZone(uuid.uuid4().hex, name, status, now)
            self.zones[zone.id] = zone

    def dump(self) -> dict[str, Any]:
        """Return the state as JSON data, which shares its lists and dicts: encode it at once."""
        data = dict(vars(self))
        for name in _TABLES:
            data[name] = [vars(row) for row in getattr(self, name).values()]
        return data

    @classmethod
    def load(cls, data: dict[str, Any]) -> AccountState:
        """Return the state of a dump.

        Raises `KeyError`, `TypeError` or `AttributeError` if the dump is of another version.
        """
        fields = dict(data)
        for name, kind in _TABLES.items():
            fields[name] = {row["id"]: kind(**row) for row in data[name]}
        for action in fields["actions"].values():
            action.resources = [(number, kind) for number, kind in action.resources]
        return cls(**fields)


_TABLES: dict[str, type[Any]] = {
    "servers": Server,
    "primary_ips": PrimaryIp,
    "ssh_keys": SshKey,
    "actions": Action,
    "zones": DnsZone,
    "records": DnsRecord,
}
