"""DNS propagation: the zone's own name servers are asked for each host before a certificate is."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from livchat.errors import ProviderError, ProviderUnavailable
from livchat.wire.servers import Challenge
from livchatd.integrations.dns_resolver import (
    DnsAnswer,
    DnsResolver,
    NameServer,
    parse_name_server,
)
from livchatd.jobs.step import Step, StepContext
from livchatd.steps.apps.caa import ISSUER, may_issue, names_upwards
from livchatd.steps.deps import Providers
from livchatd.steps.facts import JobFacts
from livchatd.steps.params import AppParams
from livchatd.steps.server_dns import ServerDns
from livchatd.steps.site import Site
from livchatd.storage.inventory import Inventory

_DASHBOARD = "https://dash.cloudflare.com"

Answers = Mapping[NameServer, DnsAnswer]


@dataclass(frozen=True)
class WaitForDns(Step[JobFacts]):
    """Waits until every name server of the zone answers with the server's address for each host.

    A certificate is asked for as soon as Traefik knows of a site: a name that is not answered by
    then costs one of the few failures that Let's Encrypt allows in an hour. Where no name server
    answers, the job goes on with a warning. Raises `ProviderError` for a host that is not answered
    in time, and for records that a certificate would fail of.
    """

    params: AppParams
    site: Site
    inventory: Inventory
    providers: Providers
    dns: ServerDns
    resolver: DnsResolver
    expected_seconds = 3.0
    within = 180.0

    @property
    def title(self) -> str:
        if len(self._hosts) == 1:
            return f"Check that {self._hosts[0]} is answered"
        return f"Check that the {len(self._hosts)} names of {self.params.title} are answered"

    async def apply(self, context: StepContext[JobFacts]) -> None:
        servers, public = await self._name_servers()
        if not servers or not await self._wait(context, servers):
            context.log(
                f"cannot ask the name servers of {self.site.zone_name} from here;"
                " going on, as Cloudflare has the records",
                "warning",
            )
            return
        await self._check_certificate(context, servers)
        if public:
            await self._ask_public_resolvers(context)

    @property
    def _hosts(self) -> tuple[str, ...]:
        return self.params.host_names

    @property
    def _wildcard(self) -> str | None:
        """The domain of one certificate for all names, if the challenge is DNS; else None."""
        return self.site.domain if self.site.challenge is Challenge.DNS else None

    async def _name_servers(self) -> tuple[list[NameServer], bool]:
        """Return the name servers to ask, and whether public resolvers ask the same ones."""
        if self.resolver.override_servers:
            return list(self.resolver.override_servers), False
        access = await self.providers.configured(self.site.provider).dns()
        if access is not None and access.name_servers:
            return [parse_name_server(text) for text in access.name_servers], False
        return await self.resolver.resolve_servers(await self._delegated()), True

    async def _delegated(self) -> tuple[str, ...]:
        """Return the names of the zone's name servers, as the DNS account has them."""
        dns = await self.dns.account(self.site.provider)
        return (await dns.zone(self.site.zone_name)).name_servers

    async def _wait(self, context: StepContext[JobFacts], servers: Sequence[NameServer]) -> bool:
        """Wait until all hosts are answered as they should be; False if no server answers."""
        waiting, reported, any_answer = list(self._hosts), dict[str, str](), False
        async for _ in context.poll(self.within, first=0.3, most=5.0):
            address = self.inventory.address(self.site.server)
            every = await asyncio.gather(*(self._ask(servers, host, "A") for host in waiting))
            for host, answers in zip(tuple(waiting), every, strict=True):
                any_answer = any_answer or bool(answers)
                wrong = {one: found for one, found in answers.items() if found.values != (address,)}
                if answers and not wrong:
                    reported.pop(host, None)
                    waiting.remove(host)
                    by = ", ".join(map(str, answers))
                    context.log(f"{host} is answered with {address} by {by}")
                elif answers and (report := _report(wrong)) != reported.get(host):
                    reported[host] = report
                    context.log(f"{host}: {report}; it is to be {address}")
            context.progress(len(self._hosts) - len(waiting), len(self._hosts), "names")
            if not waiting or not any_answer:
                return any_answer
        raise ProviderError(
            f"{waiting[0]} is not answered with {self.inventory.address(self.site.server)} after"
            f" {self.within:g} s: {reported.get(waiting[0]) or 'no answer'}",
            hint=f"look at the records of {self.site.zone_name} at {_DASHBOARD}",
        )

    async def _check_certificate(
        self, context: StepContext[JobFacts], servers: Sequence[NameServer]
    ) -> None:
        """Check for records that a certificate would fail of, though the hosts lead here."""
        if self._wildcard is not None:
            await self._check_caa(servers, self._wildcard, wildcard=True)
        for host in self._hosts:
            found = await self._values(servers, host, "AAAA")
            elsewhere = [ip for ip in found if not self._is_of_server(ip)]
            if elsewhere and self._wildcard is not None:
                context.log(
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
            if self._wildcard is None:
                await self._check_caa(servers, host, wildcard=False)

    async def _check_caa(self, servers: Sequence[NameServer], host: str, *, wildcard: bool) -> None:
        """Raise `ProviderError` unless the CAA records allow a certificate for the host."""
        name, rules = await self._caa_records(servers, host)
        # A certificate for `*.host` is one for the host as well.
        for tag in ("issue", "issuewild") if wildcard else ("issue",):
            if not may_issue(rules, tag, "dns-01" if wildcard else "http-01"):
                raise ProviderError(
                    f"the CAA records of {name} let no {'wildcard ' if tag == 'issuewild' else ''}"
                    f"certificate come from {ISSUER}: {'; '.join(rules)}",
                    hint=f'add the record `{name} CAA 0 {tag} "{ISSUER}"` at {_DASHBOARD}',
                )

    async def _caa_records(self, servers: Sequence[NameServer], host: str) -> tuple[str, list[str]]:
        """Return the nearest name upwards that has CAA records, and these."""
        for name in names_upwards(host, self.site.zone_name):
            if rules := await self._values(servers, name, "CAA"):
                return name, rules
        return self.site.zone_name, []

    async def _ask_public_resolvers(self, context: StepContext[JobFacts]) -> None:
        """Ask public resolvers too: what they do not know is worth a warning, no more."""
        zone = self.site.zone_name
        own = {name.rstrip(".").lower() for name in await self._delegated()}
        for resolver, answer in (await self.resolver.query_public(zone, "NS")).items():
            seen = {name.rstrip(".").lower() for name in answer.values}
            if seen != own and (seen or not answer.exists):
                context.log(
                    f"{resolver} finds {zone} at {', '.join(sorted(seen)) or 'no place'},"
                    f" not at Cloudflare's {', '.join(sorted(own))}: set these at your registrar,"
                    " or the names will not lead here",
                    "warning",
                )
                break
        address = self.inventory.address(self.site.server)
        for host in self._hosts:
            for resolver, answer in (await self.resolver.query_public(host, "A")).items():
                if answer.values != (address,):
                    context.log(f"{resolver} does not know it yet: {host} is {answer}", "warning")

    async def _ask(
        self, servers: Sequence[NameServer], name: str, kind: str
    ) -> dict[NameServer, DnsAnswer]:
        """Return the answer of each name server; those that are silent are missing."""
        queries = [self.resolver.query(server, name, kind) for server in servers]
        answers: dict[NameServer, DnsAnswer] = {}
        for server, answer in zip(
            servers, await asyncio.gather(*queries, return_exceptions=True), strict=True
        ):
            if isinstance(answer, DnsAnswer):
                answers[server] = answer
            elif not isinstance(answer, ProviderUnavailable):
                raise answer
        return answers

    async def _values(self, servers: Sequence[NameServer], name: str, kind: str) -> list[str]:
        """Return the values that any of the name servers has."""
        answers = await self._ask(servers, name, kind)
        return sorted({value for answer in answers.values() for value in answer.values})

    def _is_of_server(self, ip: str) -> bool:
        """Whether an IPv6 address is of the server's own network, a /64."""
        address = self.inventory.server(self.site.server).ipv6_address
        if address is None:
            return False
        network = ipaddress.ip_network(f"{address}/64", strict=False)
        return ipaddress.ip_address(ip) in network


def _report(wrong: Answers) -> str:
    return "; ".join(f"{server} says {answer}" for server, answer in wrong.items())
