"""What we look after: servers and the apps on them."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, ConfigDict

from livchat.errors import Conflict, NotFound
from livchat.wire.apps import AppStatus, InstalledApp
from livchat.wire.servers import Challenge, Server, ServerStatus
from livchatd.storage.database import Database, Transaction


class ServerRecord(BaseModel):
    """A server as it is kept. `apps` and `job_id` of the answer come from elsewhere."""

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
        """What the names of its apps end with: subdomain.zone, or the zone."""
        return ".".join(part for part in (self.subdomain, self.zone_name) if part)


class AppRecord(BaseModel):
    """An app on a server. `hosts` are by route; `bindings` name the provider app of each alias."""

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

    def wire(self) -> InstalledApp:
        """As it is told."""
        return InstalledApp.model_validate(self.model_dump())


class Inventory:
    """Servers and apps, in the daemon's table. Reads are quick and run on the loop."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, name: str) -> ServerRecord | None:
        """A server, or None."""
        row = self._database.reader.execute(
            "SELECT record FROM servers WHERE name = ?", (name,)
        ).fetchone()
        return ServerRecord.model_validate_json(row[0]) if row else None

    def has(self, name: str) -> bool:
        """Whether there is a server of that name."""
        row = self._database.reader.execute("SELECT 1 FROM servers WHERE name = ?", (name,))
        return row.fetchone() is not None

    def server(self, name: str) -> ServerRecord:
        """A server; `NotFound` if there is none of that name."""
        found = self.find(name)
        if found is None:
            raise NotFound(f"there is no server '{name}'", hint="livchat server list")
        return found

    def servers(self) -> list[ServerRecord]:
        """All servers, by name."""
        rows = self._database.reader.execute("SELECT record FROM servers ORDER BY name").fetchall()
        return [ServerRecord.model_validate_json(row[0]) for row in rows]

    def app(self, server: str, name: str) -> AppRecord | None:
        """An app on a server, or None."""
        row = self._database.reader.execute(
            "SELECT record FROM apps WHERE server = ? AND name = ?", (server, name)
        ).fetchone()
        return AppRecord.model_validate_json(row[0]) if row else None

    def apps(self, server: str) -> list[AppRecord]:
        """The apps of a server, by name."""
        rows = self._database.reader.execute(
            "SELECT record FROM apps WHERE server = ? ORDER BY name", (server,)
        ).fetchall()
        return [AppRecord.model_validate_json(row[0]) for row in rows]

    def app_names(self) -> dict[str, list[str]]:
        """The names of the apps of every server."""
        names: dict[str, list[str]] = {}
        for server, name in self._database.reader.execute(
            "SELECT server, name FROM apps ORDER BY name"
        ):
            names.setdefault(server, []).append(name)
        return names

    def reserve(self, tx: Transaction, record: ServerRecord) -> None:
        """Take a server's name within a transaction; `Conflict` if it is taken."""
        if tx.execute("SELECT 1 FROM servers WHERE name = ?", (record.name,)).fetchone():
            raise Conflict(
                f"there is already a server '{record.name}'", details={"server": record.name}
            )
        tx.execute("INSERT INTO servers VALUES (?, ?)", (record.name, record.model_dump_json()))

    async def add_server(self, record: ServerRecord) -> None:
        """Keep a server; one of the same name is left as it is."""
        text = record.model_dump_json()
        await self._database.write(
            lambda tx: (
                tx.execute("INSERT OR IGNORE INTO servers VALUES (?, ?)", (record.name, text))
                and None
            )
        )

    async def change_server(self, name: str, **changes: Any) -> None:
        """Change fields of a server; one that is gone stays gone."""
        text = json.dumps(changes, default=str)
        await self._database.write(
            lambda tx: (
                tx.execute(
                    "UPDATE servers SET record = json_patch(record, ?) WHERE name = ?", (text, name)
                )
                and None
            )
        )

    async def remove_server(self, name: str) -> None:
        """Forget a server and its apps."""

        def remove(tx: Transaction) -> None:
            tx.execute("DELETE FROM apps WHERE server = ?", (name,))
            tx.execute("DELETE FROM servers WHERE name = ?", (name,))

        await self._database.write(remove)

    async def put_app(self, server: str, record: AppRecord) -> None:
        """Keep an app, in place of an older record."""
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
        """Forget an app."""
        await self._database.write(
            lambda tx: (
                tx.execute("DELETE FROM apps WHERE server = ? AND name = ?", (server, name))
                and None
            )
        )


def wire_server(record: ServerRecord, apps: list[str], job_id: str | None) -> Server:
    """A server as it is told."""
    return Server.model_validate({**record.model_dump(), "apps": apps, "job_id": job_id})
