"""A look at a site through its front, as a browser would get it."""

from __future__ import annotations

import asyncio
import socket

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from livchatd.providers.base import Reach

WITHIN = 10.0
"""Seconds that one request may take."""
NO_CERTIFICATE = 526
"""In place of a status where something answers, but with no certificate to be trusted: the number
that Cloudflare has for it."""


async def probe(reach: Reach, host: str, path: str) -> int:
    """The status of https://`host``path`, asked at the server itself; 0 if it does not answer.

    The certificate is checked: while it is not there the status is `NO_CERTIFICATE`.
    """
    connector = aiohttp.TCPConnector(resolver=_Always(reach.web_host or reach.ssh_host))
    address = reach.url(host).rstrip("/") + path
    timeout = aiohttp.ClientTimeout(total=WITHIN)
    try:
        async with (
            aiohttp.ClientSession(
                connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()
            ) as session,
            session.get(address, allow_redirects=False) as answer,
        ):
            return answer.status
    except aiohttp.ClientConnectorCertificateError:
        return NO_CERTIFICATE
    except (aiohttp.ClientError, OSError, TimeoutError):
        return 0


class _Always(AbstractResolver):
    """Resolves every name to one address: DNS caches have no say in whether the site is up."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The one address, whatever the host."""
        found = await asyncio.get_running_loop().getaddrinfo(
            self._address, port, family=family, type=socket.SOCK_STREAM
        )
        return [
            ResolveResult(
                hostname=host, host=str(address[0]), port=port, family=kind, proto=protocol, flags=0
            )
            for kind, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """Nothing is held."""
