"""Questions to name servers: what the authoritative ones of a zone answer now."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from livchat.errors import Invalid, ProviderUnavailable

WITHIN = 3.0
"""Seconds for one question, the second try over TCP included."""
UDP_WITHIN = 1.5
PORT = 53
PUBLIC = ("1.1.1.1", "8.8.8.8")
"""Resolvers that many people's machines ask."""


@dataclass(frozen=True)
class NameServer:
    """A name server: its name, for people, and where it answers."""

    name: str
    address: str
    port: int = PORT

    def __str__(self) -> str:
        """As a person knows it."""
        return self.name


@dataclass(frozen=True)
class Answered:
    """What a name server says of a name: the data of its records, sorted; `exists` is not NXDOMAIN.

    `refused` is why it says nothing of it, in DNS's own word.
    """

    values: tuple[str, ...] = ()
    exists: bool = True
    refused: str | None = None

    def __str__(self) -> str:
        """As a person reads it."""
        if self.refused is not None:
            return self.refused
        return ", ".join(self.values) or (
            "nothing" if self.exists else "that there is no such name"
        )


class Lookup(Protocol):
    """Asks name servers. `ProviderUnavailable` where none answers in time."""

    @property
    def instead(self) -> tuple[NameServer, ...]:
        """The name servers that are asked in place of a zone's own, if people said so."""

    async def servers(self, names: Sequence[str]) -> list[NameServer]:
        """Name servers by name, each at the first address that it has; empty if none is found."""

    async def ask(self, server: NameServer, name: str, kind: str) -> Answered:
        """What a name server says of a name, for a kind of record such as A."""

    async def ask_resolver(self, name: str, kind: str) -> dict[str, Answered]:
        """What the public resolvers say of a name, by resolver; those that are silent are not."""


class NameLookup:
    """Lookup over UDP, and TCP where that is cut short or not answered."""

    def __init__(self, instead: Sequence[NameServer] = ()) -> None:
        self._instead = tuple(instead)

    @property
    def instead(self) -> tuple[NameServer, ...]:
        """What LIVCHAT_NAMESERVERS says."""
        return self._instead

    async def servers(self, names: Sequence[str]) -> list[NameServer]:
        """Resolved by this machine's own resolver."""
        found = await asyncio.gather(*(_resolved(name) for name in names))
        return [server for server in found if server is not None]

    async def ask(self, server: NameServer, name: str, kind: str) -> Answered:
        """One question, over TCP if UDP has no answer."""
        return await _ask(server, name, kind, recursive=False)

    async def ask_resolver(self, name: str, kind: str) -> dict[str, Answered]:
        """Both at once."""
        servers = [NameServer(address, address) for address in PUBLIC]
        asked = [_ask(server, name, kind, recursive=True) for server in servers]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        return {
            server.name: answer
            for server, answer in zip(servers, answers, strict=True)
            if isinstance(answer, Answered)
        }


def name_server(told: str) -> NameServer:
    """`ADDRESS`, `ADDRESS:PORT` or `[IPV6]:PORT`; `Invalid` if it is none of these."""
    address, port = told.strip(), PORT
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
        raise Invalid(
            f"'{told}' is not the address of a name server",
            hint="LIVCHAT_NAMESERVERS=192.0.2.53,192.0.2.54:5353",
        )
    return NameServer(told.strip(), address, port)


async def _resolved(name: str) -> NameServer | None:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(WITHIN):
            found = await loop.getaddrinfo(name, PORT, type=socket.SOCK_DGRAM)
    except (OSError, TimeoutError, UnicodeError):
        return None
    # IPv4 first: a machine without IPv6 finds addresses that it cannot reach.
    found.sort(key=lambda entry: entry[0] is not socket.AF_INET)
    return NameServer(name.rstrip("."), str(found[0][4][0])) if found else None


async def _ask(server: NameServer, name: str, kind: str, *, recursive: bool) -> Answered:
    try:
        async with asyncio.timeout(WITHIN):
            return await _exchange(server, name, kind, recursive=recursive)
    except TimeoutError:
        raise ProviderUnavailable(f"{server} does not answer") from None


async def _exchange(server: NameServer, name: str, kind: str, *, recursive: bool) -> Answered:
    # A tenth of a second to import: in a thread, and when first needed.
    await asyncio.to_thread(_load)
    import dns.asyncquery  # noqa: PLC0415
    import dns.exception  # noqa: PLC0415
    import dns.flags  # noqa: PLC0415
    import dns.message  # noqa: PLC0415
    import dns.rcode  # noqa: PLC0415
    import dns.rdatatype  # noqa: PLC0415

    where, port = server.address, server.port
    try:
        query = dns.message.make_query(name, kind)
        if not recursive:
            query.flags &= ~dns.flags.RD
        try:
            answer, _ = await dns.asyncquery.udp_with_fallback(
                query, where, timeout=UDP_WITHIN, port=port
            )
        except dns.exception.Timeout:
            answer = await dns.asyncquery.tcp(query, where, timeout=WITHIN, port=port)
    except (dns.exception.DNSException, OSError, EOFError) as error:
        raise ProviderUnavailable(f"{server} does not answer: {type(error).__name__}") from error
    code = answer.rcode()
    if code not in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}:
        return Answered(refused=dns.rcode.to_text(code))
    wanted = dns.rdatatype.from_text(kind)
    values = {item.to_text() for found in answer.answer if found.rdtype == wanted for item in found}
    return Answered(tuple(sorted(values)), exists=code != dns.rcode.NXDOMAIN)


def _load() -> None:
    import dns.asyncquery  # noqa: PLC0415
    import dns.message  # noqa: PLC0415
    import dns.rdtypes.ANY.CAA  # noqa: PLC0415
    import dns.rdtypes.IN.A  # noqa: PLC0415
    import dns.rdtypes.IN.AAAA  # noqa: F401, PLC0415
