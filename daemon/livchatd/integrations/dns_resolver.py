"""Queries to name servers: what the authoritative ones of a zone answer now."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from livchat.errors import InvalidRequest, ProviderUnavailable

QUERY_SECONDS = 3.0
"""For one query, the second try over TCP included."""
UDP_SECONDS = 1.5
PORT = 53
PUBLIC_RESOLVERS = ("1.1.1.1", "8.8.8.8")
"""Cloudflare's and Google's: resolvers that many people's machines use."""


@dataclass(frozen=True)
class NameServer:
    """A name server: its name for people, its IP address and its port."""

    name: str
    address: str
    port: int = PORT

    def __str__(self) -> str:
        """Return its name as a person knows it."""
        return self.name


@dataclass(frozen=True)
class DnsAnswer:
    """What a name server answers about a name: the data of its records, sorted.

    `exists` is false for NXDOMAIN. `refused` is the response code of a server that does not answer
    the question, such as REFUSED or SERVFAIL.
    """

    values: tuple[str, ...] = ()
    exists: bool = True
    refused: str | None = None

    def __str__(self) -> str:
        """Return the answer as a person reads it."""
        if self.refused is not None:
            return self.refused
        return ", ".join(self.values) or (
            "nothing" if self.exists else "that there is no such name"
        )


class DnsResolver(Protocol):
    """Queries name servers; raises `ProviderUnavailable` if the one queried does not answer."""

    @property
    def override_servers(self) -> tuple[NameServer, ...]:
        """The name servers that a person set to be asked in place of a zone's own; often none."""

    async def resolve_servers(self, names: Sequence[str]) -> list[NameServer]:
        """Return name servers by name, each at its first address; unknown ones are left out."""

    async def query(self, server: NameServer, name: str, kind: str) -> DnsAnswer:
        """Return what a name server answers about a name, for a kind of record such as A."""

    async def query_public(self, name: str, kind: str) -> dict[str, DnsAnswer]:
        """Return what the public resolvers answer, by resolver, without those that are silent."""


class UdpDnsResolver:
    """Queries over UDP, and over TCP where that is truncated or not answered."""

    def __init__(self, override_servers: Sequence[NameServer] = ()) -> None:
        self._override_servers = tuple(override_servers)

    @property
    def override_servers(self) -> tuple[NameServer, ...]:
        """The name servers of LIVCHAT_NAMESERVERS."""
        return self._override_servers

    async def resolve_servers(self, names: Sequence[str]) -> list[NameServer]:
        """Return name servers by their names, resolved by this machine's own resolver."""
        resolved = await asyncio.gather(*(_resolve(name) for name in names))
        return [server for server in resolved if server is not None]

    async def query(self, server: NameServer, name: str, kind: str) -> DnsAnswer:
        """Send one query, over TCP if UDP has no answer; return the answer."""
        return await _query(server, name, kind, recursive=False)

    async def query_public(self, name: str, kind: str) -> dict[str, DnsAnswer]:
        """Query all public resolvers at once; return the answers by resolver."""
        servers = [NameServer(address, address) for address in PUBLIC_RESOLVERS]
        queries = [_query(server, name, kind, recursive=True) for server in servers]
        answers = await asyncio.gather(*queries, return_exceptions=True)
        return {
            server.name: answer
            for server, answer in zip(servers, answers, strict=True)
            if isinstance(answer, DnsAnswer)
        }


def parse_name_server(text: str) -> NameServer:
    """Return the name server of `ADDRESS`, `ADDRESS:PORT` or `[IPV6]:PORT`.

    Raises `InvalidRequest` for anything else.
    """
    address, port = text.strip(), PORT
    if address.startswith("["):
        address, _, rest = address[1:].partition("]")
        port = int(rest[1:]) if rest[1:].isdigit() else (PORT if not rest else 0)
    elif address.count(":") == 1:
        address, _, rest = address.partition(":")
        port = int(rest) if rest.isdigit() else 0
    try:
        ipaddress.ip_address(address)
    except ValueError:
        port = 0
    if not 0 < port < 65_536:
        raise InvalidRequest(
            f"'{text}' is not the address of a name server",
            hint="LIVCHAT_NAMESERVERS=192.0.2.53,192.0.2.54:5353",
        )
    return NameServer(text.strip(), address, port)


async def _resolve(name: str) -> NameServer | None:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(QUERY_SECONDS):
            found = await loop.getaddrinfo(name, PORT, type=socket.SOCK_DGRAM)
    except (OSError, TimeoutError, UnicodeError):
        return None
    # IPv4 first: a machine without IPv6 finds addresses that it cannot reach.
    found.sort(key=lambda entry: entry[0] is not socket.AF_INET)
    return NameServer(name.rstrip("."), str(found[0][4][0])) if found else None


async def _query(server: NameServer, name: str, kind: str, *, recursive: bool) -> DnsAnswer:
    try:
        async with asyncio.timeout(QUERY_SECONDS):
            return await _exchange(server, name, kind, recursive=recursive)
    except TimeoutError:
        raise ProviderUnavailable(f"{server} does not answer") from None


async def _exchange(server: NameServer, name: str, kind: str, *, recursive: bool) -> DnsAnswer:
    # A tenth of a second to import: in a thread, and when first needed.
    await asyncio.to_thread(_import_library)
    import dns.asyncquery  # noqa: PLC0415
    import dns.exception  # noqa: PLC0415
    import dns.flags  # noqa: PLC0415
    import dns.message  # noqa: PLC0415
    import dns.rcode  # noqa: PLC0415
    import dns.rdatatype  # noqa: PLC0415

    try:
        query = dns.message.make_query(name, kind)
        if not recursive:
            query.flags &= ~dns.flags.RD
        try:
            response, _ = await dns.asyncquery.udp_with_fallback(
                query, server.address, timeout=UDP_SECONDS, port=server.port
            )
        except dns.exception.Timeout:
            response = await dns.asyncquery.tcp(
                query, server.address, timeout=QUERY_SECONDS, port=server.port
            )
    except (dns.exception.DNSException, OSError, EOFError) as error:
        raise ProviderUnavailable(f"{server} does not answer: {type(error).__name__}") from error
    code = response.rcode()
    if code not in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}:
        return DnsAnswer(refused=dns.rcode.to_text(code))
    rdtype = dns.rdatatype.from_text(kind)
    values = {
        item.to_text() for rrset in response.answer if rrset.rdtype == rdtype for item in rrset
    }
    return DnsAnswer(tuple(sorted(values)), exists=code != dns.rcode.NXDOMAIN)


def _import_library() -> None:
    import dns.asyncquery  # noqa: PLC0415
    import dns.message  # noqa: PLC0415
    import dns.rdtypes.ANY.CAA  # noqa: PLC0415
    import dns.rdtypes.IN.A  # noqa: PLC0415
    import dns.rdtypes.IN.AAAA  # noqa: F401, PLC0415
