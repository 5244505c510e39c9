"""All that the sandbox remembers, as plain records that become JSON and come back."""

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


@dataclass
class Server:
    """A server. `created` and `boots_at` are seconds since 1970; `keys` are public key lines."""

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
    """A public address, or a /64 of them; `server` is the id of the server that has it."""

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
    """A public key; `fingerprint` in MD5's colon form."""

    id: int
    name: str
    public_key: str
    fingerprint: str
    labels: dict[str, str]
    created: float


@dataclass
class Action:
    """Something under way: from `started` to `ends`, both in seconds since 1970."""

    id: int
    command: str
    started: float
    ends: float
    resources: list[tuple[int, str]]
    status: str = "running"
    error: str | None = None


@dataclass
class Zone:
    """A DNS zone."""

    id: str
    name: str
    status: str
    created: float


@dataclass
class Record:
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
class State:
    """The world at rest. The token, the ports and the next addresses outlive a reset."""

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
    zones: dict[str, Zone] = field(default_factory=dict)
    records: dict[str, Record] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    zone_tokens: dict[str, str] = field(default_factory=dict)
    """Cloudflare tokens that open one zone, with its name."""
    stock: dict[str, bool] = field(default_factory=dict)
    """What was sold out or came back since, by `type@location`, against the catalogue."""

    @classmethod
    def new(cls, now: float) -> State:
        """An empty account, with its zones and tokens of its own."""
        state = cls(
            token=f"sandbox-{uuid.uuid4().hex}{uuid.uuid4().hex[:24]}",
            cloudflare_token=f"sandbox-{uuid.uuid4().hex}",
        )
        state.add_zones(now)
        return state

    def emptied(self, now: float) -> State:
        """A new world under the same tokens and ports, with other addresses than this one's."""
        state = State(
            token=self.token,
            cloudflare_token=self.cloudflare_token,
            last_id=self.last_id,
            next_ipv4=self.next_ipv4,
            next_ipv6=self.next_ipv6,
            ports=dict(self.ports),
        )
        state.add_zones(now)
        return state

    def add_zones(self, now: float) -> None:
        """Give it the zones that exist from the start."""
        for name, status in ZONES.items():
            zone = Zone(uuid.uuid4().hex, name, status, now)
            self.zones[zone.id] = zone

    def dump(self) -> dict[str, Any]:
        """The state as JSON data, sharing its lists and dicts: encode it before it changes."""
        data = dict(vars(self))
        for name in _TABLES:
            data[name] = [vars(row) for row in getattr(self, name).values()]
        return data

    @classmethod
    def load(cls, data: dict[str, Any]) -> State:
        """The state that `dump` gave; `KeyError` or `TypeError` if it is another program's."""
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
    "zones": Zone,
    "records": Record,
}
