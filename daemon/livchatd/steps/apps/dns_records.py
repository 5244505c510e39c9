"""The names of a server's apps: records that carry their owner, made, read back and removed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar

from livchat.errors import Conflict, ProviderError
from livchatd.integrations.cloudflare import Dns, Record
from livchatd.jobs.step import Retry, Run, Step
from livchatd.steps.deps import Tools
from livchatd.steps.facts import Ledger, make_note
from livchatd.steps.ownership_conflicts import of_another


@dataclass(frozen=True, kw_only=True)
class PointNames(Step[Ledger]):
    """`hosts` point at the server; what points elsewhere in somebody else's name is a conflict."""

    tools: Tools
    server: str
    provider: str
    zone_name: str
    app: str
    app_title: str
    hosts: tuple[str, ...]
    usually: ClassVar[float] = 1.0

    @property
    def title(self) -> str:
        if len(self.hosts) == 1:
            return f"Point {self.hosts[0]} at the server"
        return f"Point the {len(self.hosts)} names of {self.app_title} at the server"

    async def check(self, run: Run[Ledger]) -> bool:
        dns, zone = await self._zone()
        return all([await self._so(dns, zone, host) for host in self.hosts])

    async def apply(self, run: Run[Ledger]) -> None:
        dns, zone = await self._zone()
        address = self.tools.address(self.server)
        if self.tools.inventory.server(self.server).zone_name is None:
            # Whoever deletes the server must know where to look for its names.
            await self.tools.inventory.change_server(self.server, zone_name=self.zone_name)
        for done, host in enumerate(self.hosts):
            if not await dns.records(zone, name=host):
                await make_note(run, f"record {host}")
            whose = self.tools.home.owner(self.server, self.app)
            try:
                await dns.put(zone, host, "A", address, whose)
            except Conflict as taken:
                raise of_another(self.tools.home, taken) from taken
            run.log(f"{host} points at {address}")
            run.progress(done + 1, len(self.hosts), "names")
        if self.tools.address(self.server) != address:
            raise Retry("the server has moved to another address meanwhile", after=0)

    async def verify(self, run: Run[Ledger]) -> None:
        dns, zone = await self._zone()
        address = self.tools.address(self.server)
        for host in self.hosts:
            if not await self._so(dns, zone, host):
                if self.tools.address(self.server) != address:
                    raise Retry("the server has moved to another address meanwhile", after=0)
                raise ProviderError(
                    f"{host} was pointed at the server, but its record does not say so",
                    hint="look at the zone's records at Cloudflare",
                )

    async def undo(self, run: Run[Ledger]) -> None:
        dns, zone = await self._zone()
        for record in await dns.records(zone, owner=self.tools.home.owner(self.server, self.app)):
            if f"record {record.name}" in run.learnt.made:
                await dns.delete(zone, record.id)

    def leaves(self, run: Run[Ledger]) -> list[str]:
        made = [f"record {host}" for host in self.hosts]
        return [record for record in made if record in run.learnt.made]

    async def _zone(self) -> tuple[Dns, str]:
        dns = await self.tools.dns(self.provider)
        return dns, (await dns.zone(self.zone_name)).id

    async def _so(self, dns: Dns, zone: str, host: str) -> bool:
        address, whose = (
            self.tools.address(self.server),
            self.tools.home.owner(self.server, self.app),
        )
        found = await dns.records(zone, name=host)
        return [
            (record.type, record.content, record.comment)
            for record in found
            if record.type in {"A", "AAAA", "CNAME"}
        ] == [("A", address, whose)]


async def repoint(
    tools: Tools,
    provider: str,
    zone_name: str,
    server: str,
    former: Collection[str],
    address: str,
) -> list[str]:
    """Point a server's records that say a former address of it at the one it has; their names."""
    dns = await tools.dns(provider)
    zone = await dns.zone(zone_name)
    moved = [
        record
        for record in await dns.records(zone.id, owners=tools.home.owner_of_all(server))
        if record.type == "A" and record.content in former
    ]
    for record in moved:
        await dns.put(zone.id, record.name, "A", address, record.comment or "")
    return [record.name for record in moved]


async def remove_records(
    tools: Tools,
    provider: str,
    zone_name: str,
    whose: str,
    *,
    content: str | None = None,
    exact: bool = False,
) -> list[str]:
    """Delete the records whose owner is, or begins with, `whose`; their names.

    With `content`, only those that say just that.
    """
    dns = await tools.dns(provider)
    zone = await dns.zone(zone_name)
    gone: list[Record] = [
        record
        for record in await dns.records(zone.id, owner=whose if exact else None)
        if (record.comment or "").startswith(whose) and content in {None, record.content}
    ]
    for record in gone:
        await dns.delete(zone.id, record.id)
    return [record.name for record in gone]
