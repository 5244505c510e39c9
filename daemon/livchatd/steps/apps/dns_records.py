"""The DNS records of an app: created for its hosts, read back, removed by an undo."""

from __future__ import annotations

from dataclasses import dataclass

from livchat.errors import Conflict, ProviderError
from livchatd.integrations.dns import Dns
from livchatd.jobs.step import Retry, Step, StepContext
from livchatd.steps.facts import JobFacts
from livchatd.steps.params import AppParams
from livchatd.steps.server_dns import ServerDns
from livchatd.steps.site import Site
from livchatd.storage.inventory import Inventory

_POINTERS = frozenset({"A", "AAAA", "CNAME"})
"""The types of records that lead somewhere."""


@dataclass(frozen=True)
class CreateDnsRecords(Step[JobFacts]):
    """Points each host of the app at the server's address, by a record with our comment.

    Raises `Conflict` for a host whose record is not ours, `ProviderError` if the zone's records are
    not as they were made. The undo deletes the records that this job created.
    """

    params: AppParams
    site: Site
    inventory: Inventory
    dns: ServerDns
    expected_seconds = 1.0

    @property
    def title(self) -> str:
        hosts = self.params.host_names
        if len(hosts) == 1:
            return f"Point {hosts[0]} at the server"
        return f"Point the {len(hosts)} names of {self.params.title} at the server"

    async def check(self, context: StepContext[JobFacts]) -> bool:
        dns, zone_id = await self._zone()
        return all([await self._is_right(dns, zone_id, host) for host in self.params.host_names])

    async def apply(self, context: StepContext[JobFacts]) -> None:
        dns, zone_id = await self._zone()
        server, hosts, address = self.site.server, self.params.host_names, self._address
        if self.inventory.server(server).zone_name is None:
            # Whoever deletes the server must know where to look for its names.
            await self.inventory.change_server(server, zone_name=self.site.zone_name)
        for done, host in enumerate(hosts, start=1):
            if not await dns.records(zone_id, name=host):
                await context.note_created(f"record {host}")
            try:
                await dns.ensure_record(zone_id, host, "A", address, self._comment)
            except Conflict as error:
                raise self.dns.conflict(error) from error
            context.log(f"{host} points at {address}")
            context.progress(done, len(hosts), "names")
        if self._address != address:
            raise Retry("the server has moved to another address meanwhile", after=0)

    async def verify(self, context: StepContext[JobFacts]) -> None:
        dns, zone_id = await self._zone()
        address = self._address
        for host in self.params.host_names:
            if not await self._is_right(dns, zone_id, host):
                if self._address != address:
                    raise Retry("the server has moved to another address meanwhile", after=0)
                raise ProviderError(
                    f"{host} was pointed at the server, but its record does not say so",
                    hint="look at the zone's records at Cloudflare",
                )

    async def undo(self, context: StepContext[JobFacts]) -> None:
        dns, zone_id = await self._zone()
        for record in await dns.records(zone_id, comment=self._comment):
            if f"record {record.name}" in context.facts.made:
                await dns.delete_record(zone_id, record.id)

    def leftovers(self, context: StepContext[JobFacts]) -> list[str]:
        records = [f"record {host}" for host in self.params.host_names]
        return [record for record in records if record in context.facts.made]

    @property
    def _address(self) -> str:
        """The server's address as it is now: a refused order may have moved it.

        Raises `Retry` before it has one: a machine may come with an address of its own.
        """
        address = self.inventory.server(self.site.server).ip_address
        if address is None:
            raise Retry("the server has no address yet", after=5)
        return address

    @property
    def _comment(self) -> str:
        return self.dns.comment(self.site.server, self.params.app_name)

    async def _zone(self) -> tuple[Dns, str]:
        """Return the DNS account and the id of the zone."""
        dns = await self.dns.account(self.site.provider)
        return dns, (await dns.zone(self.site.zone_name)).id

    async def _is_right(self, dns: Dns, zone_id: str, host: str) -> bool:
        """Whether the one record of a host that leads somewhere is as this step creates it."""
        address, records = self._address, await dns.records(zone_id, name=host)
        return [
            (record.type, record.content, record.comment)
            for record in records
            if record.type in _POINTERS
        ] == [("A", address, self._comment)]
