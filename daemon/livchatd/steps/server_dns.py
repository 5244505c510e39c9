"""The DNS records of our servers: found by their comments, pointed at another address, removed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

from livchat.errors import Conflict
from livchatd.installation import Installation, read_comment
from livchatd.integrations.dns import Dns, Record

DnsAccounts = Callable[[str], Awaitable[Dns]]
"""Returns the DNS account for servers of a provider, by the provider's name."""


@dataclass(frozen=True)
class ServerDns:
    """The records that this installation made for its servers.

    A record's comment says whose it is; one with another comment is never changed.
    """

    account: DnsAccounts
    installation: Installation

    def comment(self, server: str, app: str) -> str:
        """Return the comment of the records of an app."""
        return self.installation.record_comment(server, app)

    def conflict(self, error: Conflict) -> Conflict:
        """Return the conflict over a record, naming the other installation that made it, if any."""
        comment = read_comment(error.details.get("comment"))
        if comment is None or comment.installation_id == self.installation.id:
            return error
        other = comment.installation_id or "an older version"
        return Conflict(
            f"{error.details['name']} points at {comment.app} on '{comment.server}' of another"
            f" installation of LivChat ({other})",
            hint="choose another subdomain; what others have there: livchat doctor",
            details={**error.details, "home": comment.installation_id},
        )

    async def repoint(
        self, provider: str, zone_name: str, server: str, released: Collection[str], address: str
    ) -> list[str]:
        """Point a server's records from released addresses to its address; return their names."""
        dns = await self.account(provider)
        zone = await dns.zone(zone_name)
        prefix = self.installation.server_comment_prefix(server)
        moved = [
            record
            for record in await dns.records(zone.id, comment_prefix=prefix)
            if record.type == "A" and record.content in released
        ]
        for record in moved:
            await dns.ensure_record(zone.id, record.name, "A", address, record.comment or "")
        return [record.name for record in moved]

    async def remove_of_server(
        self, provider: str, zone_name: str, server: str, *, content: str | None = None
    ) -> list[str]:
        """Delete a server's records, with `content` those that say just that; return their names.

        Raises `NotConfigured` without a DNS account, `NotFound` if the zone is not in it.
        """
        dns = await self.account(provider)
        zone = await dns.zone(zone_name)
        prefix = self.installation.server_comment_prefix(server)
        records = [
            record
            for record in await dns.records(zone.id)
            if (record.comment or "").startswith(prefix) and content in {None, record.content}
        ]
        return await _delete(dns, zone.id, records)

    async def remove_of_app(
        self, provider: str, zone_name: str, server: str, app: str
    ) -> list[str]:
        """Delete the records of an app; return their names. Raises what the other one raises."""
        dns = await self.account(provider)
        zone = await dns.zone(zone_name)
        comment = self.comment(server, app)
        found = await dns.records(zone.id, comment=comment)
        return await _delete(
            dns, zone.id, [record for record in found if record.comment == comment]
        )


async def _delete(dns: Dns, zone_id: str, records: Collection[Record]) -> list[str]:
    for record in records:
        await dns.delete_record(zone_id, record.id)
    return [record.name for record in records]
