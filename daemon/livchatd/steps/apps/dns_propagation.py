"""Whether names are answered: asked of the zone's own name servers, before a certificate is."""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from livchat.errors import ProviderError, ProviderUnavailable
from livchatd.integrations.dns_resolver import Answered, NameServer, name_server
from livchatd.jobs.step import Run, Step
from livchatd.steps.deps import Tools
from livchatd.steps.facts import Ledger

ISSUER = "letsencrypt.org"
_DASHBOARD = "https://dash.cloudflare.com"
_CAA = re.compile(r'^\d+ (?P<tag>[a-z0-9]+) "?(?P<value>[^"]*)"?$', re.IGNORECASE)

Said = Mapping[NameServer, Answered]


@dataclass(frozen=True, kw_only=True)
class AwaitNames(Step[Ledger]):
    """Waits until every name server of the zone says the server's address for each of `hosts`.

    A certificate is asked for as soon as the proxy knows of a site: a name that is not answered by
    then costs one of the few failures that Let's Encrypt allows in an hour. `wildcard` is
    the domain of the one certificate for all names, where DNS-01 proves it: that needs no address.
    """

    tools: Tools
    server: str
    provider: str
    zone_name: str
    app_title: str
    hosts: tuple[str, ...]
    wildcard: str | None = None
    usually: ClassVar[float] = 3.0
    within: ClassVar[float] = 180.0

    @property
    def title(self) -> str:
        if len(self.hosts) == 1:
            return f"Check that {self.hosts[0]} is answered"
        return f"Check that the {len(self.hosts)} names of {self.app_title} are answered"

    async def apply(self, run: Run[Ledger]) -> None:
        servers, public = await self._servers()
        if not servers or not await self._answered(run, servers):
            run.log(
                f"cannot ask the name servers of {self.zone_name} from here;"
                " going on, as Cloudflare has the records",
                "warning",
            )
            return
        await self._look_for_traps(run, servers)
        if public:
            await self._look_from_outside(run)

    async def _servers(self) -> tuple[list[NameServer], bool]:
        """Who is to be asked, and whether the whole world asks them too."""
        lookup = self.tools.lookup
        if lookup.instead:
            return list(lookup.instead), False
        access = await self.tools.provider(self.provider).dns()
        if access is not None and access.name_servers:
            return [name_server(told) for told in access.name_servers], False
        dns = await self.tools.dns(self.provider)
        return await lookup.servers((await dns.zone(self.zone_name)).name_servers), True

    async def _answered(self, run: Run[Ledger], servers: Sequence[NameServer]) -> bool:
        """Wait until all is answered as it should be; False if nobody answers at all."""
        waiting, told, heard = list(self.hosts), dict[str, str](), False
        async for _ in self.tools.looks(self.within, first=0.3, most=5.0):
            address = self.tools.address(self.server)
            for host, said in zip(waiting, await self._ask_all(servers, waiting), strict=True):
                heard = heard or bool(said)
                wrong = {one: answer for one, answer in said.items() if answer.values != (address,)}
                if said and not wrong:
                    told.pop(host, None)
                    waiting = [other for other in waiting if other != host]
                    run.log(f"{host} is answered with {address} by {', '.join(map(str, said))}")
                elif said and (words := _words(wrong)) != told.get(host):
                    told[host] = words
                    run.log(f"{host}: {words}; it is to be {address}")
            run.progress(len(self.hosts) - len(waiting), len(self.hosts), "names")
            if not waiting or not heard:
                return heard
        raise ProviderError(
            f"{waiting[0]} is not answered with {self.tools.address(self.server)} after"
            f" {self.within:g} s: {told.get(waiting[0]) or 'no answer'}",
            hint=f"look at the records of {self.zone_name} at {_DASHBOARD}",
        )

    async def _look_for_traps(self, run: Run[Ledger], servers: Sequence[NameServer]) -> None:
        """What the certificate would fail of, though the names lead here."""
        if self.wildcard is not None:
            await self._must_allow(servers, self.wildcard, wildcard=True)
        for host in self.hosts:
            elsewhere = [ip for ip in await self._any(servers, host, "AAAA") if not self._own(ip)]
            if elsewhere and self.wildcard is not None:
                run.log(
                    f"{host} has an AAAA record that leads elsewhere, {elsewhere[0]}: many visitors"
                    f" go there first; delete it at {_DASHBOARD}",
                    "warning",
                )
            elif elsewhere:
                raise ProviderError(
                    f"{host} has an AAAA record that leads elsewhere, {elsewhere[0]}:"
                    " Let's Encrypt and many visitors go there first",
                    hint=f"delete that record at {_DASHBOARD}",
                )
            if self.wildcard is None:
                await self._must_allow(servers, host, wildcard=False)

    async def _must_allow(
        self, servers: Sequence[NameServer], host: str, *, wildcard: bool
    ) -> None:
        """`ProviderError` unless the CAA records let a certificate for the name come about."""
        name, rules = await self._rules(servers, host)
        # One for `*.host` is one for the host as well.
        for tag in ("issue", "issuewild") if wildcard else ("issue",):
            if not _may_issue(rules, tag, "dns-01" if wildcard else "http-01"):
                raise ProviderError(
                    f"the CAA records of {name} let no {'wildcard ' if tag == 'issuewild' else ''}"
                    f"certificate come from {ISSUER}: {'; '.join(rules)}",
                    hint=f'add the record `{name} CAA 0 {tag} "{ISSUER}"` at {_DASHBOARD}',
                )

    async def _rules(self, servers: Sequence[NameServer], host: str) -> tuple[str, list[str]]:
        """The CAA records that decide for a host: of the nearest name that has any."""
        for name in _upwards(host, self.zone_name):
            if rules := await self._any(servers, name, "CAA"):
                return name, rules
        return self.zone_name, []

    async def _look_from_outside(self, run: Run[Ledger]) -> None:
        """A second look by public resolvers: what they say is worth a warning, no more."""
        dns = await self.tools.dns(self.provider)
        own = {name.rstrip(".").lower() for name in (await dns.zone(self.zone_name)).name_servers}
        for resolver, said in (await self.tools.lookup.ask_resolver(self.zone_name, "NS")).items():
            seen = {name.rstrip(".").lower() for name in said.values}
            if seen != own and (seen or not said.exists):
                run.log(
                    f"{resolver} finds {self.zone_name} at {', '.join(sorted(seen)) or 'no place'},"
                    f" not at Cloudflare's {', '.join(sorted(own))}: set these at your registrar,"
                    " or the names will not lead here",
                    "warning",
                )
                break
        address = self.tools.address(self.server)
        for host in self.hosts:
            for resolver, said in (await self.tools.lookup.ask_resolver(host, "A")).items():
                if said.values != (address,):
                    run.log(f"{resolver} does not know it yet: {host} is {said}", "warning")

    async def _ask_all(
        self, servers: Sequence[NameServer], hosts: Sequence[str]
    ) -> list[dict[NameServer, Answered]]:
        return await asyncio.gather(*(self._ask(servers, host, "A") for host in hosts))

    async def _ask(
        self, servers: Sequence[NameServer], name: str, kind: str
    ) -> dict[NameServer, Answered]:
        """What each name server says; those that are silent are not there."""
        asked = [self.tools.lookup.ask(server, name, kind) for server in servers]
        found: dict[NameServer, Answered] = {}
        for server, answer in zip(
            servers, await asyncio.gather(*asked, return_exceptions=True), strict=True
        ):
            if isinstance(answer, Answered):
                found[server] = answer
            elif not isinstance(answer, ProviderUnavailable):
                raise answer
        return found

    async def _any(self, servers: Sequence[NameServer], name: str, kind: str) -> list[str]:
        said = await self._ask(servers, name, kind)
        return sorted({value for answer in said.values() for value in answer.values})

    def _own(self, ip: str) -> bool:
        """Whether an IPv6 address is of the network that the server has."""
        known = self.tools.inventory.server(self.server).ipv6_address
        if known is None:
            return False
        network = ipaddress.ip_network(f"{known}/64", strict=False)
        return ipaddress.ip_address(ip) in network


def _words(wrong: Said) -> str:
    return "; ".join(f"{server} says {answer}" for server, answer in wrong.items())


def _upwards(host: str, zone: str) -> list[str]:
    """A host and the names above it, up to its zone."""
    found = [host]
    while found[-1].endswith(f".{zone}"):
        found.append(found[-1].partition(".")[2])
    return found


def _may_issue(rules: Sequence[str], tag: str, method: str) -> bool:
    """Whether the CAA records of one name let Let's Encrypt issue; none at all let everybody."""
    told = [(match["tag"].lower(), match["value"]) for rule in rules if (match := _CAA.match(rule))]
    given = [value for found, value in told if found == tag]
    if not given and tag == "issuewild":
        given = [value for found, value in told if found == "issue"]
    return not given or any(_lets(value, method) for value in given)


def _lets(value: str, method: str) -> bool:
    """Whether one CAA value names Let's Encrypt, and this challenge if it names any (RFC 8657)."""
    issuer, *parameters = [part.strip().lower() for part in value.split(";")]
    given = dict(part.replace(" ", "").partition("=")[::2] for part in parameters)
    methods = given.get("validationmethods")
    return issuer == ISSUER and (methods is None or method in methods.split(","))
