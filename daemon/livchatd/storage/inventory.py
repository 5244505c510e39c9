"""The inventory: the servers that the daemon looks after, and the apps on them."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from typing import TypedDict, Unpack

from pydantic import BaseModel, ConfigDict

from livchat.errors import Conflict, NotConfigured, NotFound
from livchat.messages import SERVER_MISSING, SERVER_THERE
from livchat.wire.apps import AppStatus, InstalledApp
from livchat.wire.servers import Challenge, Server, ServerStatus, domain_of
from livchatd.storage.database import Database, Transaction


class ServerRecord(BaseModel):
    """A server as it is kept; times are RFC 3339 texts.

    `ip_address` is its public IPv4 address. SSH is reached at `ssh_host` and `ssh_port` where they
    are given. `host_key` is a public key line in OpenSSH's format, `price_monthly` a decimal number
    of `currency`.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    name: str
    provider: str
    status: ServerStatus
    created_at: str
    server_type: str | None = None
    region: str | None = None
    image: str | None = None
    ip_address: str | None = None
    ipv6_address: str | None = None
    zone_name: str | None = None
    subdomain: str | None = None
    ssl_email: str | None = None
    timezone: str | None = None
    setup_at: str | None = None
    open_ports: list[str] = []
    challenge: Challenge | None = None
    challenge_asked: Challenge = Challenge.AUTO
    price_monthly: str | None = None
    currency: str | None = None
    machine_id: str | None = None
    address_id: str | None = None
    ssh_user: str = "root"
    ssh_host: str | None = None
    ssh_port: int | None = None
    public_key: str | None = None
    host_key: str | None = None
    host_key_fingerprint: str | None = None

    @property
    def domain(self) -> str:
        """What the host names of its apps end with: `subdomain.zone`, or the zone."""
        return domain_of(self.subdomain, self.zone_name or "")

    def to_wire(self, apps: Sequence[str], job_id: str | None) -> Server:
        """Return the server as the API shows it, with its apps and the job that holds it."""
        return Server.model_validate({**self.model_dump(), "apps": list(apps), "job_id": job_id})


class ServerChanges(TypedDict, total=False):
    """Changes to a server: fields of `ServerRecord`; those that are not there stay as they are."""

    status: ServerStatus
    server_type: str | None
    region: str | None
    image: str | None
    ip_address: str | None
    ipv6_address: str | None
    zone_name: str | None
    subdomain: str | None
    ssl_email: str | None
    timezone: str | None
    setup_at: str | None
    open_ports: list[str]
    challenge: Challenge | None
    challenge_asked: Challenge
    price_monthly: str | None
    currency: str | None
    machine_id: str | None
    address_id: str | None
    host_key: str | None
    host_key_fingerprint: str | None


class AppRecord(BaseModel):
    """An app on a server. `hosts` are its host names by route, `config` the values it was given."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    app_name: str
    instance: str
    version: str
    status: AppStatus
    deployed_at: str
    domain: str | None = None
    url: str | None = None
    depends_on: list[str] = []
    hosts: dict[str, str] = {}
    config: dict[str, str | int | float | bool] = {}
    redis_indexes: dict[str, int] = {}

    def to_wire(self) -> InstalledApp:
        """Return the app as the API shows it."""
        return InstalledApp.model_validate(self.model_dump())


class Inventory:
    """Servers and apps in the database. Reads are quick and run on the loop."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, name: str) -> ServerRecord | None:
        """Return a server, or None."""
        row = self._database.reader.execute(
            "SELECT record FROM servers WHERE name = ?", (name,)
        ).fetchone()
        return ServerRecord.model_validate_json(row[0]) if row else None

    def has(self, name: str) -> bool:
        """Whether there is a server of that name."""
        row = self._database.reader.execute("SELECT 1 FROM servers WHERE name = ?", (name,))
        return row.fetchone() is not None

    def server(self, name: str) -> ServerRecord:
        """Return a server; `NotFound` if there is none of that name."""
        found = self.find(name)
        if found is None:
            raise NotFound(SERVER_MISSING(name=name), hint="livchat server list")
        return found

    def address(self, name: str) -> str:
        """Return a server's public IPv4 address; `NotFound`, `NotConfigured` before it has one."""
        address = self.server(name).ip_address
        if address is None:
            raise NotConfigured(f"'{name}' has no address yet", hint=f"livchat server show {name}")
        return address

    def servers(self) -> list[ServerRecord]:
        """Return all servers, by name."""
        rows = self._database.reader.execute("SELECT record FROM servers ORDER BY name").fetchall()
        return [ServerRecord.model_validate_json(row[0]) for row in rows]

    def app(self, server: str, name: str) -> AppRecord | None:
        """Return an app on a server, or None."""
        row = self._database.reader.execute(
            "SELECT record FROM apps WHERE server = ? AND name = ?", (server, name)
        ).fetchone()
        return AppRecord.model_validate_json(row[0]) if row else None

    def apps(self, server: str) -> list[AppRecord]:
        """Return the apps of a server, by name."""
        rows = self._database.reader.execute(
            "SELECT record FROM apps WHERE server = ? ORDER BY name", (server,)
        ).fetchall()
        return [AppRecord.model_validate_json(row[0]) for row in rows]

    def app_names(self) -> dict[str, list[str]]:
        """Return the names of the apps of every server that has any."""
        names: dict[str, list[str]] = {}
        for server, name in self._database.reader.execute(
            "SELECT server, name FROM apps ORDER BY name"
        ):
            names.setdefault(server, []).append(name)
        return names

    def reserve(self, tx: Transaction, record: ServerRecord) -> None:
        """Add a server within a transaction; `Conflict` if its name is taken."""
        if tx.execute("SELECT 1 FROM servers WHERE name = ?", (record.name,)).fetchone():
            raise Conflict(SERVER_THERE(name=record.name), details={"server": record.name})
        tx.execute("INSERT INTO servers VALUES (?, ?)", (record.name, record.model_dump_json()))

    async def add_server(self, record: ServerRecord) -> None:
        """Add a server; one of the same name is left as it is."""
        text = record.model_dump_json()
        await self._database.write(
            lambda tx: (
                tx.execute("INSERT OR IGNORE INTO servers VALUES (?, ?)", (record.name, text))
                and None
            )
        )

    async def change_server(self, name: str, **changes: Unpack[ServerChanges]) -> None:
        """Change fields of a server; one that is gone stays gone."""
        patch = json.dumps(changes)
        await self._database.write(
            lambda tx: (
                tx.execute(
                    "UPDATE servers SET record = json_patch(record, ?) WHERE name = ?",
                    (patch, name),
                )
                and None
            )
        )

    async def pin_host_key(self, name: str, host_key: str) -> None:
        """Keep the host key that a server must show from now on: a public key line."""
        await self.change_server(
            name, host_key=host_key, host_key_fingerprint=fingerprint(host_key)
        )

    async def remove_server(self, name: str) -> None:
        """Remove a server and its apps; one that is gone is fine."""

        def remove(tx: Transaction) -> None:
            tx.execute("DELETE FROM apps WHERE server = ?", (name,))
            tx.execute("DELETE FROM servers WHERE name = ?", (name,))

        await self._database.write(remove)

    async def put_app(self, server: str, record: AppRecord) -> None:
        """Keep an app, in the place of an older record."""
        text = record.model_dump_json()
        await self._database.write(
            lambda tx: (
                tx.execute(
                    "INSERT OR REPLACE INTO apps VALUES (?, ?, ?)", (server, record.app_name, text)
                )
                and None
            )
        )

    async def remove_app(self, server: str, name: str) -> None:
        """Remove an app; one that is gone is fine."""
        await self._database.write(
            lambda tx: (
                tx.execute("DELETE FROM apps WHERE server = ? AND name = ?", (server, name))
                and None
            )
        )


def fingerprint(public_key: str) -> str:
    """Return a public key line's fingerprint as `ssh-keygen -l` prints it: SHA256:..."""
    digest = hashlib.sha256(base64.b64decode(public_key.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")
